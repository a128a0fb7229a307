"""What changes between the steps of a Keras training is counted; what a step changes is not."""

import keras
import numpy as np

from parity.halves.keras.program.steps import Values, num_changed

X, Y = np.random.default_rng(0).random((8, 5)).astype(np.float32), np.arange(8) % 3


class Watch(keras.callbacks.Callback):
    """Counts what is not as the step before has left it, and what the steps themselves change."""

    def __init__(self, model):
        super().__init__()
        self.values, self.left = Values(model), {}
        self.between, self.within = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.now = self.values.read()
        self.between.append(num_changed(self.left, self.now))

    def on_train_batch_end(self, batch, logs=None):
        self.left = self.values.read()
        self.within.append(num_changed(self.now, self.left))


class Changes(keras.callbacks.Callback):
    """Calls the next function with the model before each epoch."""

    def __init__(self, changes):
        super().__init__()
        self.changes = changes

    def on_epoch_begin(self, epoch, logs=None):
        self.changes[epoch](self.model)


def watched(changes, *, frozen=False):
    """A training of two dense layers, of two steps an epoch, before which something is changed."""
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(4, trainable=not frozen), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    watch = Watch(model)
    given = {"batch_size": 4, "verbose": 0, "shuffle": False, "epochs": len(changes)}
    model.fit(X, Y, **given, callbacks=[Changes(changes), watch])
    return watch


def add(variable, values):
    variable.assign(variable.numpy() + np.float32(values))


def nothing(model):
    """No change."""


def kernel(model):
    add(model.layers[0].kernel, 1)


def unfrozen(model, trainable=True):
    model.layers[0].trainable = trainable


def slots_that_are_no_numbers(model):
    momentum = model.optimizer._momentums[-1]  # of the last bias; a value that stays NaN is none
    momentum.assign(np.full(momentum.shape, np.nan, "float32"))


# What is changed before each epoch, and how many values that is; the rate is none of them.
CHANGES = [
    (nothing, 0),
    (lambda model: add(model.layers[-1].bias, [0.0, 0.5, 0.25]), 2),
    (lambda model: model.optimizer.learning_rate.assign(1e-4), 0),
    (lambda model: model.optimizer.iterations.assign(0), 1),
    (lambda model: unfrozen(model, False), 0),
    (unfrozen, 0),
    (lambda model: [unfrozen(model, False), kernel(model)], 20),
    (slots_that_are_no_numbers, 3),
]


def test_what_is_changed_between_steps_is_counted_and_what_a_step_changes_is_not():
    found = watched([change for change, _ in CHANGES])
    assert found.between == [n for _, count in CHANGES for n in (count, 0)]
    # The 3 * 5 values of the last layer at least, and later their slots, are what a step changes.
    assert found.within[0] >= 15
    assert min(found.within[1:]) >= 3 * 15
    # A frozen weight is watched too.
    assert watched([nothing, kernel, unfrozen], frozen=True).between == [0, 0, 20, 0, 0, 0]
