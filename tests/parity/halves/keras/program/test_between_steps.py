"""What changes between the steps of a Keras training is counted; what a step changes is not."""

import keras
import numpy as np
import pytest

from parity.halves.keras.program.between_steps import Values, num_changed

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
    """Calls a function with the model before the third step, which begins an epoch."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.change(self.model)


@pytest.fixture
def watched():
    """A training of four steps, of two dense layers, in which something is changed."""

    def run(change, optimizer="adam", frozen=False):
        keras.utils.set_random_seed(3)
        layers = [keras.layers.Dense(4, trainable=not frozen), keras.layers.Dense(3)]
        model = keras.Sequential([keras.Input((5,)), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss)
        watch = Watch(model)
        given = [Changes(change), watch]
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=given)
        return watch

    return run


def test_what_the_steps_change_is_not_counted(watched):
    found = watched(lambda model: None)
    assert found.between == [0, 0, 0, 0]
    # The 3 * 5 values of the last layer at least, and later their slots, are what a step changes.
    assert found.within[0] >= 15
    assert min(found.within[1:]) >= 3 * 15


def test_every_value_of_a_weight_that_a_callback_changes_is_counted(watched):
    def clipped(model):
        bias = model.layers[-1].bias
        bias.assign(bias.numpy() + np.float32([0.0, 0.5, 0.25]))

    assert watched(clipped).between == [0, 0, 2, 0]


def test_slots_are_counted_and_a_value_that_stays_no_number_is_not(watched):
    def cleared(model):
        momentum = model.optimizer._momentums[-1]  # of the last bias
        momentum.assign(np.full(momentum.shape, np.nan, "float32"))

    assert watched(cleared).between == [0, 0, 3, 0]


def test_the_rate_is_none_of_them(watched):
    def cut(model):
        model.optimizer.learning_rate.assign(1e-4)

    assert watched(cut).between == [0, 0, 0, 0]


def test_the_number_of_steps_that_an_optimizer_counts_is_one_of_them(watched):
    def counted_anew(model):
        model.optimizer.iterations.assign(0)

    assert watched(counted_anew).between == [0, 0, 1, 0]


@pytest.mark.parametrize("is_trained", [True, False])
def test_a_layer_that_is_frozen_or_unfrozen_on_the_way_is_no_change_of_a_value(watched, is_trained):
    def turned(model):
        model.layers[0].trainable = is_trained

    assert watched(turned, frozen=is_trained).between == [0, 0, 0, 0]


def test_beside_it_what_changes_is_counted(watched):
    def turned(model):
        model.layers[0].trainable = False
        kernel = model.layers[0].kernel
        kernel.assign(kernel.numpy() + 1)

    assert watched(turned).between == [0, 0, 20, 0]


def test_a_frozen_weight_is_watched_too(watched):
    def moved(model):
        kernel = model.layers[0].kernel
        kernel.assign(kernel.numpy() + 1)

    assert watched(moved, frozen=True).between == [0, 0, 20, 0]


class Model:
    """A stand-in whose optimizer builds its slots, and whose layers are unfrozen, when told."""

    def __init__(self):
        self.frozen = keras.layers.Dense(2, trainable=False)
        self.model = keras.Sequential([keras.Input((3,)), self.frozen, keras.layers.Dense(2)])
        self.model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")


def test_slots_that_come_with_the_first_step_are_read_from_then_on():
    model = Model().model
    values = Values(model)
    before = values.read()
    model.optimizer.build(model.trainable_variables)
    now = values.read()
    # Of the trained kernel and bias.
    assert len(now) - len(before) == 2
    model.optimizer.momentums[0].assign(np.ones((2, 2)))
    assert num_changed(now, values.read()) == 4


def test_a_layer_that_is_unfrozen_on_the_way_has_its_slots_read():
    made = Model()
    model = made.model
    values = Values(model)
    model.optimizer.build(model.trainable_variables)
    before = len(values.read())
    made.frozen.trainable = True
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    now = values.read()
    assert len(now) - before == 2
    model.optimizer.momentums[0].assign(np.ones((3, 2)))  # of the unfrozen kernel
    assert num_changed(now, values.read()) == 6


def test_values_that_were_read_stay_as_they_were():
    model = Model().model
    values = Values(model)
    before = values.read()
    kernel = model.layers[-1].kernel
    kernel.assign(kernel.numpy() + 1)
    assert num_changed(before, values.read()) == 4


def test_in_front_of_the_first_step_nothing_has_changed():
    assert num_changed({}, Values(Model().model).read()) == 0
