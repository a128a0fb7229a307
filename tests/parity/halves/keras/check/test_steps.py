"""Steps of an optimizer are Keras's own, bit for bit, in whatever pieces, and can begin again."""

import errno
import tempfile
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf
from rows import each_row

from parity.halves.keras import versions
from parity.halves.keras.check import steps as steps_module
from parity.halves.keras.check.steps import FlatSteps, OneByOneSteps, Steps, is_one_by_one
from parity.halves.keras.schedules import has_schedule

OF = keras.optimizers


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


def assert_same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


class OfTheUser(OF.Adam):
    """May do anything."""


NESTEROV = {"momentum": 0.9, "nesterov": True}
# Whether it treats every number by itself; then the weights may be in one long variable.
OPTIMIZERS = {
    "SGD": (lambda: OF.SGD(0.1, **NESTEROV, weight_decay=0.01), True),
    "a schedule": (lambda: OF.SGD(OF.schedules.CosineDecay(0.1, 100), **NESTEROV), True),
    "Adam": (lambda: OF.Adam(0.01, amsgrad=True, clipvalue=0.5), True),
    "AdamW": (lambda: OF.AdamW(0.01, weight_decay=0.1), True),
    "Adamax": (lambda: OF.Adamax(0.01), True),
    "Nadam": (lambda: OF.Nadam(0.01), True),
    "RMSprop": (lambda: OF.RMSprop(1e-3, centered=True, momentum=0.5), True),
    "Adagrad": (lambda: OF.Adagrad(0.01), True),
    "Adadelta": (lambda: OF.Adadelta(0.5), True),
    "Ftrl": (lambda: OF.Ftrl(0.01, l1_regularization_strength=0.01), True),
    "Lion": (lambda: OF.Lion(0.01), True),
    "clips a norm": (lambda: OF.Adam(1e-3, clipnorm=1.0), False),
    "clips the norm of all": (lambda: OF.SGD(global_clipnorm=1.0), False),
    "takes norms": (lambda: OF.Lamb(weight_decay=0.01), False),
    "averages": (lambda: OF.AdamW(use_ema=True, ema_overwrite_frequency=3), False),
    "factors": (lambda: OF.Adafactor(), False),
    "accumulates": (lambda: OF.Adam(gradient_accumulation_steps=2), False),
    "of the user": (OfTheUser, False),
}
WHOLE = ("a schedule", "RMSprop", "clips a norm", "takes norms", "averages")


@each_row("name", OPTIMIZERS)
def test_steps_are_those_of_the_optimizer_bit_for_bit(name):
    make, is_apart = OPTIMIZERS[name]
    assert is_one_by_one(model_with(make)) is is_apart
    for kind in [OneByOneSteps] * is_apart + [Steps] * (name in WHOLE):
        stepped, expected = model_with(make), model_with(make)
        steps = kind(stepped)
        for number, gradients in enumerate(gradients_of(stepped)):
            if number == 3 and not has_schedule(expected.optimizer):
                stepped.optimizer.learning_rate = expected.optimizer.learning_rate = 1e-3
            for model in (stepped, expected):  # as SpectralNormalization divides its kernel
                weight = model.trainable_variables[0]
                weight.assign(weight / 2)
            assert steps.rate == float(expected.optimizer.learning_rate)
            steps.make(gradients)
            expected.optimizer.apply(gradients, expected.trainable_variables)
        whole = everything if kind is Steps else lambda model: [v.numpy() for v in model.variables]
        assert_same(whole(stepped), whole(expected))


CHANGED = {
    "leaves a weight out": lambda model: model.optimizer.exclude_from_weight_decay(
        var_names=["bias"]
    ),
    "has been trained": lambda model: model.optimizer.apply(
        gradients_of(model)[0], model.trainable_variables
    ),
    "has a constraint": lambda model: setattr(
        model.trainable_variables[0], "constraint", keras.constraints.MaxNorm()
    ),
}


@each_row("change", CHANGED)
def test_a_model_that_was_changed_gets_whole_weights(change):
    model = model_with(OF.AdamW)
    CHANGED[change](model)
    assert not is_one_by_one(model)


def on_a_full_disk(**arguments):
    """A file that takes 100 bytes, and no more."""
    file, free = FILE(**arguments), [100]

    def write(content):
        free[0] -= len(content)
        if free[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return file.write(content)

    same = {name: getattr(file, name) for name in ("seek", "tell", "fileno", "flush", "close")}
    return SimpleNamespace(write=write, **same)


def without_a_disk(**arguments):
    raise OSError(errno.EROFS, "Read-only file system")


FILE = tempfile.TemporaryFile


# So many numbers in a variable, so many bytes in memory, and what a file is.
@each_row(
    "most, held, file",
    [
        *[(1, 0, FILE), (7, 2**28, FILE), (2**22, 0, FILE)],
        *[(3, 0, on_a_full_disk), (3, 0, without_a_disk)],
    ],
)
def test_weights_and_slots_come_back_in_their_shapes_however_they_are_joined(
    most, held, file, monkeypatch
):
    monkeypatch.setattr(steps_module, "_MAX_LENGTH", most)
    monkeypatch.setattr(steps_module, "MOST_IN_MEMORY", held)
    monkeypatch.setattr(tempfile, "TemporaryFile", file)
    expected = model_with(OF.Adam)
    steps = FlatSteps(model_with(OF.Adam).optimizer, [v.numpy() for v in expected.variables])
    for gradients in gradients_of(expected):
        steps.make(gradients)
        expected.optimizer.apply(gradients, expected.trainable_variables)
    assert_same(steps.arrays(), [v.numpy() for v in expected.variables])
    found = {(slot, number): array for slot, number, array in steps.slots()}
    wanted = {
        (slot, number): value.numpy()
        for number, variable in enumerate(expected.trainable_variables)
        for slot, value in versions.slots(expected.optimizer, variable)
    }
    assert found.keys() == wanted.keys()
    assert_same(found.values(), [wanted[key] for key in found])


def test_after_a_new_beginning_the_same_steps_follow():
    model = model_with(OPTIMIZERS["clips a norm"][0])
    weights, found = [variable.numpy() for variable in model.variables], []
    steps = Steps(model)
    for _ in range(2):
        for variable, value in zip(model.variables, weights, strict=True):
            variable.assign(value)
        steps.begin_again()
        for number, gradients in enumerate(gradients_of(model)):
            if number == 3:
                model.optimizer.learning_rate = 1e-4
            steps.make(gradients)
        found.append(everything(model))
    assert_same(*found)


class CountedInPython(OF.SGD):
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
