"""Steps of an optimizer are Keras's own, bit for bit, and can begin again."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.check.flat_steps import is_one_by_one
from keras_impl.harness.check.steps import OneByOneSteps, Steps
from keras_impl.harness.compiled_rate import has_schedule

OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(1e-3, clipnorm=1.0),
    "SGD with a schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, 100), momentum=0.9, nesterov=True
    ),
    "RMSprop": lambda: keras.optimizers.RMSprop(1e-3, centered=True, momentum=0.5),
    "Lamb": lambda: keras.optimizers.Lamb(weight_decay=0.01),
    "with an average": lambda: keras.optimizers.AdamW(use_ema=True, ema_overwrite_frequency=3),
}


def model_with(make, **settings):
    versions.use_dtype("float64")  # first, so that the optimizer keeps its rate in float64
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(2)]
    )
    model.compile(optimizer=make(), loss="mse", **settings)
    return model


def gradients_of(model, num_steps=6):
    generator = np.random.default_rng(3)
    sizes = 10.0 ** np.arange(-num_steps, 0)
    return [
        [tf.constant(generator.normal(size=v.shape) * size) for v in model.trainable_variables]
        for size in sizes
    ]


def everything(model):
    return [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_steps_are_those_of_the_optimizer_bit_for_bit(make):
    stepped, expected = model_with(make), model_with(make)
    steps = Steps(stepped)
    for gradients in gradients_of(stepped):
        steps.make(gradients)
        expected.optimizer.apply(gradients, expected.trainable_variables)
    for ours, theirs in zip(everything(stepped), everything(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_after_a_new_beginning_the_same_steps_follow():
    model = model_with(OPTIMIZERS["Adam"])
    weights = [variable.numpy() for variable in model.variables]
    steps = Steps(model)

    def train():
        for variable, value in zip(model.variables, weights, strict=True):
            variable.assign(value)
        steps.begin_again()
        for number, gradients in enumerate(gradients_of(model)):
            if number == 3:
                model.optimizer.learning_rate = 1e-4
            steps.make(gradients)
        return everything(model)

    for first, second in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(first, second)


class CountedInPython(keras.optimizers.SGD):
    """Does something in every step that a compiled function would do once."""

    calls = 0

    def update_step(self, gradient, variable, learning_rate):
        type(self).calls += 1
        super().update_step(gradient, variable, learning_rate)


@pytest.mark.parametrize(("is_eager", "expected"), [(True, 6 * 4), (False, 4)])
def test_steps_run_eagerly_where_the_model_does(is_eager, expected):
    CountedInPython.calls = 0
    model = model_with(CountedInPython, run_eagerly=is_eager)
    steps = Steps(model)
    for gradients in gradients_of(model):
        steps.make(gradients)
    assert CountedInPython.calls == expected


def test_tensorflow_keeps_its_settings():
    before = tf.config.optimizer.get_experimental_options()
    model = model_with(keras.optimizers.SGD)
    Steps(model).make(gradients_of(model)[0])
    after = tf.config.optimizer.get_experimental_options()
    is_off = "disable_meta_optimizer"
    assert after.get(is_off, False) == before.get(is_off, False)


ONE_BY_ONE = {
    "SGD": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "SGD with a schedule": OPTIMIZERS["SGD with a schedule"],
    "Adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True, clipvalue=0.5),
    "AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "Adamax": lambda: keras.optimizers.Adamax(0.01),
    "Nadam": lambda: keras.optimizers.Nadam(0.01),
    "RMSprop": OPTIMIZERS["RMSprop"],
    "Adagrad": lambda: keras.optimizers.Adagrad(0.01),
    "Adadelta": lambda: keras.optimizers.Adadelta(0.5),
    "Ftrl": lambda: keras.optimizers.Ftrl(0.01, l1_regularization_strength=0.01),
    "Lion": lambda: keras.optimizers.Lion(0.01),
}


@pytest.mark.parametrize("make", ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_steps_in_one_long_variable_are_those_of_each_weight_bit_for_bit(make):
    stepped, expected = model_with(make), model_with(make)
    assert is_one_by_one(stepped)
    steps = OneByOneSteps(stepped)
    for number, gradients in enumerate(gradients_of(stepped)):
        if number == 3 and not has_schedule(expected.optimizer):
            stepped.optimizer.learning_rate = expected.optimizer.learning_rate = 1e-3
        assert steps.rate == float(expected.optimizer.learning_rate)
        steps.make(gradients)
        expected.optimizer.apply(gradients, expected.trainable_variables)
    for ours, theirs in zip(stepped.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


class OfTheUser(keras.optimizers.Adam):
    """May do anything."""


NOT_ONE_BY_ONE = {
    "clips a norm": lambda: keras.optimizers.Adam(clipnorm=1.0),
    "clips the norm of all": lambda: keras.optimizers.SGD(global_clipnorm=1.0),
    "takes norms": lambda: keras.optimizers.Lamb(),
    "factors": lambda: keras.optimizers.Adafactor(),
    "averages": lambda: keras.optimizers.Adam(use_ema=True),
    "accumulates": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
    "of the user": OfTheUser,
}


@pytest.mark.parametrize("make", NOT_ONE_BY_ONE.values(), ids=NOT_ONE_BY_ONE)
def test_an_optimizer_that_looks_at_whole_weights_gets_them(make):
    assert not is_one_by_one(model_with(make))


def test_so_does_one_that_leaves_a_weight_out_of_its_decay():
    model = model_with(keras.optimizers.AdamW)
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert not is_one_by_one(model)


def test_and_one_that_has_been_trained():
    model = model_with(keras.optimizers.Adam)
    model.optimizer.apply(gradients_of(model)[0], model.trainable_variables)
    assert not is_one_by_one(model)


def test_and_one_whose_weights_have_constraints():
    versions.use_dtype("float64")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2, kernel_constraint="max_norm")]
    )
    model.compile("adam", "mse")
    assert not is_one_by_one(model)
