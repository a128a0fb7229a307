"""The Keras half is the plain program: what it trains, and that watching it changes nothing."""

import functools

import keras
import numpy as np
import pytest
from helpers import assert_same_weights, small_data
from rows import each_row
from watching import Watching

from keras_impl.models import build_model
from keras_impl.train import fit
from keras_impl.weights import get_weights, set_weights
from parity.programs.run_spec import MODELS, Augmentation, EarlyStopping, RunSpec
from parity.programs.settings import DTYPES

pytestmark = pytest.mark.usefixtures("direct")

SPECS = {
    "dropout": RunSpec(model="dropout", epochs=2),
    # Labels are random, so that the validation loss soon rises.
    "stopped": RunSpec(
        model="dropout",
        epochs=12,
        learning_rate=0.01,
        augmentation=Augmentation(10, 0.1, 0.1, 0.1, 0.1, True),
        early_stopping=EarlyStopping(patience=1, restore_best_weights=True),
    ),
}


@functools.cache
def plain(name):
    """A run that nobody watches; the tests share it, since Keras compiles for each run."""
    return fit(SPECS[name], small_data())


@functools.cache
def watched(name):
    """The same run with an observer, and what this was told."""
    observer = Watching()
    return fit(SPECS[name], small_data(), observer), observer


@pytest.mark.long
@pytest.mark.parametrize("name", SPECS)
def test_a_watched_run_is_bitwise_the_plain_run(name):
    seen, observer = watched(name)
    assert seen.history == plain(name).history
    assert_same_weights(seen.weights, plain(name).weights)
    # It was watched: every step, and the end of every epoch.
    num_epochs = len(seen.history["loss"])
    assert observer.ends == [3 * (epoch + 1) for epoch in range(num_epochs)]
    assert observer.num_steps == 3 * num_epochs
    assert {key: len(values) for key, values in observer.columns.items()} == {
        "eval_loss": num_epochs,
        "eval_accuracy": num_epochs,
    }
    assert all(type(value) is float for values in observer.columns.values() for value in values)


@pytest.mark.long
def test_an_observer_that_changes_a_run_is_seen_in_its_history_and_weights():
    class Changes(Watching):
        def on_step(self):
            super().on_step()
            np.random.seed(self.num_steps)  # from which a flow draws

    changed, alone = fit(SPECS["stopped"], small_data(), Changes()), plain("stopped")
    assert changed.history != alone.history
    assert (changed.weights["dense1.kernel"] != alone.weights["dense1.kernel"]).any()


@pytest.mark.long
def test_a_run_that_ends_early_has_a_rate_for_every_epoch_and_the_weights_of_the_best():
    spec, result = SPECS["stopped"], plain("stopped")
    losses = result.history["val_loss"]
    best = losses.index(min(losses))
    assert len(losses) == best + 2 < spec.epochs
    assert result.history["learning_rate"] == [float(np.float32(0.01))] * len(losses)
    until = spec.replace(early_stopping=None, epochs=best + 1)
    assert_same_weights(result.weights, fit(until, small_data()).weights)


def test_the_last_evaluation_is_of_the_final_weights_on_the_plain_training_samples():
    spec, data = SPECS["dropout"], small_data()
    result, observer = watched("dropout")
    model = build_model(spec, data.input_shape, data.num_classes)
    set_weights(model, result.weights)
    probabilities = model(data.x_train, training=False).numpy().astype(np.float64)
    accuracy = (probabilities.argmax(1) == data.y_train).mean()
    loss = -np.log(probabilities[np.arange(70), data.y_train]).mean()
    assert observer.columns["eval_accuracy"][-1] == pytest.approx(accuracy, abs=1e-7)
    assert observer.columns["eval_loss"][-1] == pytest.approx(loss, rel=1e-5)
    # In eval mode with the final weights it is not the mean over the epoch.
    assert observer.columns["eval_loss"] != result.history["loss"]


def test_the_same_seed_repeats_a_run_and_another_differs():
    again, _ = watched("dropout")
    assert again.history == plain("dropout").history
    assert_same_weights(again.weights, plain("dropout").weights)
    other = fit(SPECS["dropout"].replace(seed=43, epochs=1), small_data())
    assert other.history["loss"][0] != again.history["loss"][0]


# By hand: (3 * 3 * 1 + 1) * 32 = 320, (3 * 3 * 32 + 1) * 64 = 18,496; 28 -> 26 -> 13 -> 11 -> 5, so
# (5 * 5 * 64 + 1) * 128 = 204,928; (128 + 1) * 10 = 1,290. At stride 2, 28 -> 13 -> 6, so
# (6 * 6 * 4 + 1) * 4 = 580.
SUMMARIES = {
    "underfit": [20, 0, 76, 0, 0, 1010],
    "capacity": [320, 0, 18_496, 0, 0, 204_928, 1_290],
    "dropout": [320, 0, 0, 18_496, 0, 0, 204_928, 0, 1_290],
    "linear": [40, 148, 0, 580, 50],
}


@each_row("name, counts", SUMMARIES.items())
def test_layers_have_as_many_parameters_as_counted_by_hand(name, counts):
    model = build_model(RunSpec(model=name), (28, 28, 1), 10)
    trainable = [layer.count_params() for layer in model.layers if layer.trainable_weights]
    assert trainable == [count for count in counts if count]
    assert len(model.layers) == len(counts)
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == sum(counts)


@each_row("dtype", DTYPES)
@each_row("name", MODELS)
def test_every_variable_is_of_the_dtype_of_the_spec(name, dtype):
    model = build_model(RunSpec(model=name, dtype=dtype), (12, 20, 3), 5)
    model.optimizer.build(model.trainable_variables)
    floats = [v for v in (*model.variables, *model.optimizer.variables) if "float" in v.dtype]
    assert len(floats) > 3 * len(model.trainable_variables)  # weights, two slots, and the rate
    assert {v.dtype for v in floats} == {dtype}
    assert {layer.compute_dtype for layer in model.layers} == {dtype}


def test_the_optimizer_is_adam_with_the_rate_of_the_spec():
    optimizer = build_model(RunSpec(learning_rate=0.01), (12, 20, 3), 5).optimizer
    assert type(optimizer) is keras.optimizers.Adam
    assert float(optimizer.learning_rate.numpy()) == float(np.float32(0.01))
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-7)


def test_every_kernel_of_capacity_has_the_penalty_of_the_spec_and_no_bias():
    model = build_model(RunSpec(l2=0.01), (12, 20, 3), 5)
    trained = [layer for layer in model.layers if layer.trainable_weights]
    assert len(trained) == 4
    for layer in trained:
        assert type(layer.kernel_regularizer) is keras.regularizers.L2
        assert float(layer.kernel_regularizer.l2) == pytest.approx(0.01)
        assert layer.bias_regularizer is None
        assert layer.activity_regularizer is None
    plain = build_model(RunSpec(l2=0.0), (12, 20, 3), 5)
    assert all(getattr(layer, "kernel_regularizer", None) is None for layer in plain.layers)
    assert plain.losses == []


def test_other_names_of_weights_are_an_error_that_lists_both():
    model = build_model(RunSpec(model="underfit"), (12, 20, 3), 5)
    names = sorted(get_weights(model))
    with pytest.raises(ValueError, match="expected") as error:
        set_weights(model, {})
    assert str(error.value) == f"weights []: expected {names}"


def test_another_shape_of_a_weight_is_an_error():
    model = build_model(RunSpec(model="underfit"), (12, 20, 3), 5)
    weights = get_weights(model) | {"conv1.bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match="shape"):
        set_weights(model, weights)
