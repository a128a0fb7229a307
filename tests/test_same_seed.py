"""The promise: same seed, same run, for the article's programs, through native Keras training."""

import functools

import numpy as np
import pytest
from drawn_fits import by_keras, by_torch
from helpers import SEEDS, assert_same_weights
from pairs import compared_with, keras_run, levels_not_passed

import keras_impl
import torch_impl
from parity.data.load import run_data
from parity.programs.run_spec import Augmentation, RunSpec
from parity.programs.scenarios import scenario
from parity.traces.training_recorder import EpochObserver

PROGRAMS = ("capacity", "augmentation", "dropout")


def agreed(folder, spec):
    """The result of a run of which every level of the ladder passes."""
    keras_run(folder / "keras", spec)
    result = compared_with(folder / "keras", folder / "run")
    assert levels_not_passed(result) == {}
    assert (result.verdict, result.mode) == ("pass", "seeded")
    return result


@pytest.mark.long
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_whole_float64_training_agrees_to_1e_12_with_every_rate_cut(tmp_path, name):
    # Every epoch of the program with two steps, on as few images as can be learnt by heart.
    sizes = {"train_size": 6, "val_size": 5, "batch_size": 4}
    result = agreed(tmp_path, scenario(name).replace(dtype="float64", **sizes))
    keras, torch = result.history["keras"], result.history["torch"]
    assert len(keras["loss"]) == {"capacity": 50, "augmentation": 20, "dropout": 20}[name]
    for key, values in keras.items():
        np.testing.assert_allclose(torch[key], values, rtol=0, atol=1e-12)
    if name == "capacity":
        assert keras["learning_rate"] == torch["learning_rate"]
        # It has stopped learning by the middle, and is cut every five epochs from there on.
        assert len(set(keras["learning_rate"])) >= 6


@pytest.mark.usefixtures("direct")
@pytest.mark.parametrize("name", ["augmentation", "dropout"])
@pytest.mark.parametrize(
    "seed", [SEEDS[0], *(pytest.param(seed, marks=pytest.mark.long) for seed in SEEDS[1:])]
)
def test_from_each_seed_all_is_drawn_alike_for_three_epochs(monkeypatch, seed, name):
    # In float32, whose masks and initial weights are other streams than those of float64; the last
    # batch of an epoch is a single sample.
    settings = {"seed": seed, "epochs": 3, "train_size": 18, "val_size": 9, "batch_size": 17}
    spec = scenario(name).replace(**settings)
    theirs, ours = (by(monkeypatch, spec, run_data(spec)) for by in (by_keras, by_torch))
    assert_same_weights(ours.start, theirs.start)
    assert len(ours.fed) == len(theirs.fed) == 6
    for (x, y), (expected_x, expected_y) in zip(ours.fed, theirs.fed, strict=True):
        np.testing.assert_array_equal(y, expected_y)
        # What is not augmented is the same to the bit.
        atol = 5e-7 if name == "augmentation" else 0
        np.testing.assert_allclose(x, expected_x, rtol=0, atol=atol)
    # A mask in each of six steps; and every number of an order and of an augmentation.
    assert ours.masks == theirs.masks
    assert [number for _, number in ours.masks] == ([6, 6] if name == "dropout" else [])
    np.testing.assert_equal(ours.numpy, theirs.numpy)
    assert ours.python == theirs.python
    # After six steps, rounding in float32 is all that differs.
    assert ours.final.keys() == theirs.final.keys()
    for weight, expected in theirs.final.items():
        np.testing.assert_allclose(ours.final[weight], expected, rtol=0, atol=1e-5)


# Settings beyond the article's programs: both halves on 70 images.

SMALL = {"dtype": "float64", "train_size": 70, "val_size": 30, "epochs": 3}
STOPPING = {"patience": 2, "restore_best_weights": True}
KNOBS = {
    "linear": {"model": "linear"},
    "l2": {"model": "capacity", "l2": 0.01},
    "weight_decay": {"model": "underfit", "weight_decay": 3.0},
    "early_stopping": {
        **{"model": "underfit", "epochs": 25, "learning_rate": 0.02, "label_noise": 0.3},
        "early_stopping": STOPPING,
    },
    "data": {"model": "underfit", "leakage": 0.5, "split": "sorted", "label_noise": 0.1},
    "batches of one": {"model": "dropout", "train_size": 18, "batch_size": 1},
    # Of the last batch, a single sample, a mean and a sum are the same.
    "a rest of one": {
        **{"model": "capacity", "train_size": 18, "batch_size": 17},
        "augmentation": Augmentation(rotation_range=10, zoom_range=0.1),
    },
    "dropout": {
        **{"model": "dropout", "epochs": 2, "weight_decay": 0.004},
        "augmentation": Augmentation(rotation_range=10, zoom_range=0.1),
    },
}


@functools.cache
def both(name):
    """Keras's run and ours, each with the columns that were written down beside it."""
    spec = RunSpec(**{**SMALL, **KNOBS[name]})
    data = run_data(spec)
    runs = []
    for half in (keras_impl, torch_impl):
        observer = EpochObserver(on_step=lambda: None)
        runs.append((half.fit(spec, data, observer), observer.columns))
    return spec, data, *runs


def assert_close(ours, theirs):
    """Within 1e-12, of a value where that is above 1."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.long
@pytest.mark.parametrize("name", KNOBS)
def test_weights_history_and_evaluation_agree_to_1e_12_with_every_setting(name):
    spec, _, (theirs, their_columns), (ours, our_columns) = both(name)
    assert list(ours.weights) == list(theirs.weights)
    for key, weight in theirs.weights.items():
        assert_close(ours.weights[key], weight)
    assert set(ours.history) == set(theirs.history)
    for key, values in theirs.history.items():
        assert_close(ours.history[key], values)
    assert list(our_columns) == list(their_columns) == ["eval_loss", "eval_accuracy"]
    for key, values in their_columns.items():
        assert len(values) == len(theirs.history["loss"])
        assert_close(our_columns[key], values)
    # Accuracies of 70 samples, and the run has learned something.
    num_right = spec.train_size * np.array(our_columns["eval_accuracy"])
    np.testing.assert_allclose(num_right, np.round(num_right), rtol=0, atol=1e-9)
    assert ours.history["loss"][-1] < ours.history["loss"][0]


def test_early_stopping_ends_both_halves_at_the_same_epoch_before_the_last():
    spec, _, (theirs, _), (ours, _) = both("early_stopping")
    num_epochs = len(theirs.history["loss"])
    assert 3 <= num_epochs < spec.epochs
    assert len(ours.history["loss"]) == num_epochs
    losses = theirs.history["val_loss"]
    assert losses.index(min(losses)) == num_epochs - 3


def test_eval_accuracy_is_that_of_the_final_weights_on_the_training_samples():
    """Computed from Keras's weights by the other framework, dropout off, without augmentation."""
    import torch

    from torch_impl.models import build_model
    from torch_impl.weights import set_weights

    spec, data, (theirs, their_columns), (_, our_columns) = both("dropout")
    model, _ = build_model(spec, data.input_shape, data.num_classes)
    set_weights(model, theirs.weights)
    with torch.no_grad():
        logits = model.eval()(torch.tensor(data.x_train).double().permute(0, 3, 1, 2))
    accuracy = np.mean(logits.argmax(1).numpy() == data.y_train)
    assert their_columns["eval_accuracy"][-1] == pytest.approx(accuracy, abs=1e-12)
    assert our_columns["eval_accuracy"][-1] == pytest.approx(accuracy, abs=1e-12)


LADDERS = {
    "linear": {"model": "linear"},
    "penalties": {"model": "capacity", "l2": 0.01, "weight_decay": 0.1, "early_stopping": STOPPING},
}


@pytest.mark.long
@pytest.mark.parametrize("name", LADDERS)
def test_every_level_of_the_ladder_passes_with_the_new_settings(tmp_path, name):
    result = agreed(
        tmp_path, RunSpec(**{**SMALL, "train_size": 35, "val_size": 18, **LADDERS[name]})
    )
    keras, torch = result.history["keras"], result.history["torch"]
    assert set(keras) == set(torch) >= {"eval_loss", "eval_accuracy"}
