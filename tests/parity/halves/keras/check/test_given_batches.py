"""What gives `fit` batches of its own, and how large they are."""

import itertools
import random

import keras
import numpy as np
import tensorflow as tf
from rows import each_row

from keras_impl import Reference
from parity.halves.keras.batches import batches_given, with_first_batch

X, Y = np.ones((40, 3), "float32"), np.ones((40, 1), "float32")


class Windows(keras.utils.PyDataset):
    """Makes batches of 12, and draws for each."""

    def __len__(self):
        return 3

    def __getitem__(self, number):
        rows = slice(12 * number, 12 * number + 12)
        return {"a": X[rows] + random.random() + np.random.rand()}, Y[rows]


class Broken(Windows):
    """Has no batch to give."""

    __getitem__ = None


def endless():
    for start in itertools.cycle([0, 5]):
        yield X[start : start + 5], Y[start : start + 5]


def dataset():
    return tf.data.Dataset.from_tensor_slices((X, Y))


def reference(x, y=None):
    return Reference(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), x=x, y=y)


CASES = {
    "windows": (Windows, "PyDataset", "Windows", 12),
    "broken": (Broken, "PyDataset", "Broken", None),
    "batched": (lambda: dataset().shuffle(9).batch(7).prefetch(2), "tf.data.Dataset", "", 7),
    "steady": (lambda: dataset().batch(8, drop_remainder=True), "tf.data.Dataset", "", 8),
    "generator": (endless, "generator", "", 5),
}


@each_row("make, kind, of, size", CASES.values(), ids=CASES)
def test_batches_are_told_with_the_size_of_the_first_one(make, kind, of, size):
    assert batches_given(reference(make())) == {"kind": kind, "class": of, "batch_size": size}


@each_row("x", [X, [X, X], None])
@each_row("y", [Y, Y.tolist()])
def test_arrays_are_no_batches(x, y):
    assert batches_given(reference(x, y)) is None


def test_making_a_batch_moves_no_generator_of_the_program():
    given, found = reference(Windows()), []
    for makes in (True, False):
        keras.utils.set_random_seed(3)
        if makes:
            batches_given(given)
        found.append((random.random(), np.random.rand()))
    assert found[0] == found[1]


def weighted():
    yield X[:5], Y[:5], Y[:5, 0]


def of_dataset():
    return dataset().batch(7)


@each_row("make, size", [(weighted, 5), (of_dataset, 7), (Windows, 12)])
def test_the_arrays_of_the_first_batch_take_the_place_of_batches(make, size):
    given = make()
    found, factory = with_first_batch(reference(given), lambda: reference(make()), 0)
    assert len(found.y) == found.batch_size == size
    assert (found.sample_weight is not None) == (make is weighted)
    assert factory().x is found.x
    assert make is not weighted or len(list(given)) == 1


def test_no_batch_is_taken_of_a_generator_that_the_training_gets_too():
    given = weighted()
    found, _ = with_first_batch(reference(given), lambda: reference(given), 0)
    assert found.x is given
    assert len(list(given)) == 1
