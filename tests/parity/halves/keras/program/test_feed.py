"""What `fit` is fed: the order of arrays, and batches as they come."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
from rows import each_row

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras.program.feed import (
    Written,
    check_epochs,
    check_validations,
    fed_arrays,
    is_whole,
    order_of,
    settings_of,
    sizes_of,
)
from torch_impl import KerasSeeds

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)


def reference(**settings):
    return Reference(None, **{"x": X, "y": Y, **settings})


@each_row("seed", [0, 42])
def test_the_order_is_that_of_the_seed_in_which_arrays_are_fed_with_their_weights(seed):
    keras.utils.set_random_seed(seed)
    assert order_of(50).tolist() == KerasSeeds(seed).fit_order(50).tolist()
    keras.utils.set_random_seed(seed)
    found = fed_arrays(reference(sample_weight=Y + 1.0))
    order = KerasSeeds(seed).fit_order(10).numpy()
    assert (is_whole(found), "val" in found) == (True, False)
    assert found["y"].tolist() == order.tolist()
    assert np.array_equal(found["x"], X[order])
    assert np.array_equal(found["weight"], order + 1.0)


@each_row("sizes, size", [([4, 4, 1], 4), ([4, 4], 4), ([3], 3), ([1, 4], None), ([4, 1, 4], None)])
def test_the_size_of_batches_is_that_of_all_but_a_smaller_last_one(sizes, size):
    found = sizes_of([({"a": X[:each]}, Y[:each], None) for each in sizes])
    assert found == {"num_samples": sum(sizes), "batch_size": size}


def test_the_last_samples_validate_and_are_not_shuffled():
    found = fed_arrays(reference(validation_split=0.25, shuffle=False))
    assert found["y"].tolist() == list(range(7))
    assert found["val"][1].tolist() == [7, 8, 9]


def test_what_is_no_array_is_known_only_when_it_has_been_fed():
    found = fed_arrays(Reference(None, x=((X, Y) for _ in range(2)), validation_data=(X, Y)))
    assert not is_whole(found)
    assert found["train_batches"] == ()
    assert found["val"][0].shape == (10, 2)


def test_settings_are_ready_for_json():
    found = settings_of(reference(class_weight={1: 2}, validation_freq=(1, 3), steps_per_epoch=3))
    assert found["class_weight"] == {"1": 2.0}
    assert found["validation_freq"] == [1, 3]
    assert found["batch_size"] == 4  # a third of ten samples
    assert settings_of(reference())["batch_size"] == 32


def test_batches_are_written_down_until_there_are_too_many(recwarn):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    size = X[:4].nbytes + Y[:4].astype(float).nbytes
    written = Written(2 * size)
    written.watch(model, "train_step")
    batches = [(X[:4], Y[:4, None].astype(float)), (X[4:8], Y[4:8, None].astype(float))]
    model.fit((each for each in batches * 2), steps_per_epoch=4, verbose=0, shuffle=False)
    assert [batch[1].ravel().tolist() for batch in written.batches] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert written.num_left_out == 2
    with pytest.raises(
        InputError, match="more than max_feed=3 MiB of batches, of which 2 were left"
    ):
        written.kept(3)


def test_inputs_by_name_are_in_the_order_of_the_model():
    inputs = [keras.Input((2,), name=name) for name in ("second", "first")]
    model = keras.Model(inputs, keras.layers.Concatenate()(inputs))
    by_name = {"first": X, "second": X + 1}
    found = fed_arrays(
        Reference(model, x=by_name, y=Y, validation_data=(by_name, Y), shuffle=False)
    )
    for x in (found["x"], found["val"][0]):
        assert np.array_equal(x[0], X + 1)
        assert np.array_equal(x[1], X)


SPLIT = {"validation_split": 0.2}
LEAVES_OUT = r"validation_freq=.* leaves out epochs; expected a valid"
NO_EPOCH = r"fit trains no epoch \(epochs=.*; expected at least one"


@each_row(
    "check, given, told",
    [
        (check_validations, {"validation_freq": 2, **SPLIT}, LEAVES_OUT),
        (check_validations, {"validation_freq": [1, 3], **SPLIT}, LEAVES_OUT),
        (check_validations, SPLIT, None),
        (check_validations, {"validation_freq": 2}, None),  # there is nothing to validate on
        (check_validations, {"validation_freq": [1, 2, 3], **SPLIT}, None),
        (check_validations, {"validation_freq": [3], "initial_epoch": 2, **SPLIT}, None),
        (check_epochs, {"epochs": 0}, NO_EPOCH),
        (check_epochs, {"initial_epoch": 3}, NO_EPOCH),
        (check_epochs, {"initial_epoch": 2}, None),
    ],
)
def test_a_training_without_an_epoch_or_a_validation_in_some_is_refused(check, given, told):
    with nullcontext() if told is None else pytest.raises(InputError, match=told):
        check(reference(**{"epochs": 3, **given}))
