"""Steps of an optimizer are Keras's own, bit for bit, and can begin again."""

import keras
import numpy as np
from rows import each_row
from stepped_models import gradients_of, model_with

from parity.halves.keras.check.steps import Steps

OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(1e-3, clipnorm=1.0),
    "SGD with a schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, 100), momentum=0.9, nesterov=True
    ),
    "RMSprop": lambda: keras.optimizers.RMSprop(1e-3, centered=True, momentum=0.5),
    "Lamb": lambda: keras.optimizers.Lamb(weight_decay=0.01),
    "with an average": lambda: keras.optimizers.AdamW(use_ema=True, ema_overwrite_frequency=3),
}


def everything(model):
    return [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]


@each_row("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
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


@each_row("is_eager, expected", [(True, 6 * 4), (False, 4)])
def test_steps_run_eagerly_where_the_model_does(is_eager, expected):
    CountedInPython.calls = 0
    model = model_with(CountedInPython, run_eagerly=is_eager)
    steps = Steps(model)
    for gradients in gradients_of(model):
        steps.make(gradients)
    assert CountedInPython.calls == expected
