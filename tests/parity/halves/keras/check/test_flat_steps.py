"""Steps of many weights in few variables are those of each weight, bit for bit."""

import keras
import numpy as np
from rows import each_row
from stepped_models import gradients_of, model_with

from parity.halves.keras import versions
from parity.halves.keras.check import steps as flat_steps
from parity.halves.keras.check.steps import FlatSteps, OneByOneSteps, is_one_by_one
from parity.halves.keras.schedules import has_schedule

ONE_BY_ONE = {
    "SGD": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "SGD with a schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, 100), momentum=0.9, nesterov=True
    ),
    "Adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True, clipvalue=0.5),
    "AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "Adamax": lambda: keras.optimizers.Adamax(0.01),
    "Nadam": lambda: keras.optimizers.Nadam(0.01),
    "RMSprop": lambda: keras.optimizers.RMSprop(1e-3, centered=True, momentum=0.5),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.01),
    "Adadelta": lambda: keras.optimizers.Adadelta(0.5),
    "Ftrl": lambda: keras.optimizers.Ftrl(0.01, l1_regularization_strength=0.01),
    "Lion": lambda: keras.optimizers.Lion(0.01),
}


@each_row("make", ONE_BY_ONE.values(), ids=ONE_BY_ONE)
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


def trained(model):
    model.optimizer.apply(gradients_of(model)[0], model.trainable_variables)


NOT_ONE_BY_ONE = {
    "clips a norm": lambda: keras.optimizers.Adam(clipnorm=1.0),
    "clips the norm of all": lambda: keras.optimizers.SGD(global_clipnorm=1.0),
    "takes norms": lambda: keras.optimizers.Lamb(),
    "factors": lambda: keras.optimizers.Adafactor(),
    "averages": lambda: keras.optimizers.Adam(use_ema=True),
    "accumulates": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
    "of the user": OfTheUser,
}
CHANGED = {
    "leaves a weight out": lambda model: model.optimizer.exclude_from_weight_decay(
        var_names=["bias"]
    ),
    "has been trained": trained,
    "has a constraint": lambda model: setattr(
        model.trainable_variables[0], "constraint", keras.constraints.MaxNorm()
    ),
}


def test_an_optimizer_that_looks_at_whole_weights_gets_them():
    for what, make in NOT_ONE_BY_ONE.items():
        assert not is_one_by_one(model_with(make)), what
    for what, change in CHANGED.items():
        model = model_with(keras.optimizers.AdamW)
        assert is_one_by_one(model)
        change(model)
        assert not is_one_by_one(model), what


# So many numbers in a variable, and so many bytes in memory.
@each_row("most, held", [(1, 0), (7, 2**28), (2**22, 0)])
def test_weights_and_slots_come_back_in_their_shapes_however_they_are_joined(
    most, held, monkeypatch
):
    monkeypatch.setattr(flat_steps, "_MAX_LENGTH", most)
    monkeypatch.setattr(flat_steps, "MOST_IN_MEMORY", held)
    expected = model_with(keras.optimizers.Adam)
    steps = FlatSteps(
        model_with(keras.optimizers.Adam).optimizer, [v.numpy() for v in expected.variables]
    )
    for gradients in gradients_of(expected):
        steps.make(gradients)
        expected.optimizer.apply(gradients, expected.trainable_variables)
    for ours, theirs in zip(steps.arrays(), expected.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())
    found = {(slot, number): array for slot, number, array in steps.slots()}
    wanted = {
        (slot, number): value.numpy()
        for number, variable in enumerate(expected.trainable_variables)
        for slot, value in versions.slots(expected.optimizer, variable)
    }
    assert found.keys() == wanted.keys()
    for key, array in found.items():
        np.testing.assert_array_equal(array, wanted[key])


def test_a_step_begins_where_a_call_has_moved_the_weights():
    stepped, expected = (model_with(lambda: keras.optimizers.SGD(0.1)) for _ in range(2))
    steps = OneByOneSteps(stepped)
    for gradients in gradients_of(stepped):
        for model in (stepped, expected):  # as SpectralNormalization divides its kernel
            weight = model.trainable_variables[0]
            weight.assign(weight / 2)
        steps.make(gradients)
        expected.optimizer.apply(gradients, expected.trainable_variables)
    for ours, theirs in zip(stepped.variables, expected.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
