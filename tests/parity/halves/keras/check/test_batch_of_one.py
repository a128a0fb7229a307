"""A step with one sample is made if the rows of `fit` leave one for the last batch."""

import keras
import numpy as np
from rows import each_row

from keras_impl import Reference
from parity.data.samples import Samples
from parity.halves.keras.check.run import has_batch_of_one
from parity.programs.check_spec import CheckSpec


def of_rows(number, only=None, **settings):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    x = None if number is None else np.zeros((number, 2))
    return has_batch_of_one(Reference(model, x=x, **settings), Samples(CheckSpec(), [], only))


@each_row(
    "number, settings, expected",
    [
        (33, {}, True),
        (32, {}, False),
        (34, {}, False),
        (33, {"batch_size": 11}, False),
        (34, {"batch_size": 11}, True),
        (64, {"batch_size": 1}, True),
        (44, {"validation_split": 0.25}, True),
        (33, {"validation_split": 0.25}, False),
        (33, {"validation_split": 0.25, "validation_data": (np.zeros((4, 2)), None)}, True),
        (None, {}, False),
    ],
)
def test_rows_of_training_by_the_size_of_a_batch(number, settings, expected):
    assert of_rows(number, **settings) is expected


def test_a_model_that_takes_batches_of_one_gets_nothing_else():
    assert of_rows(None, only=1) is True


def test_batches_that_come_from_a_generator_are_not_counted():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    batches = ((np.zeros((1, 2)), np.zeros((1, 1))) for _ in range(2))
    assert not has_batch_of_one(Reference(model, x=batches), Samples(CheckSpec(), []))
