"""The promise: same seed, same run, for the article's programs, through native Keras training."""

import functools

import numpy as np
import pytest
from helpers import SEEDS
from pairs import begun, compare, keras_trace, torch_trace

import keras_impl
import torch_impl
from parity.data.load import run_data
from parity.ladder.engine import compare_level
from parity.ladder.table import OF_RUN
from parity.programs.run_spec import Augmentation, RunSpec
from parity.programs.scenarios import scenario
from parity.traces.recorder import Recorder
from parity.traces.trace import TraceWriter

PROGRAMS = ("capacity", "augmentation", "dropout")


def agreed(folder, spec):
    """The traces of a run of which every level of the ladder passes, Keras's first."""
    keras = keras_trace(folder, spec)
    torch = torch_trace(folder, folder / "torch")
    levels = compare(keras, torch)
    assert {x.id: (x.status, x.first_failure) for x in levels if x.status != "pass"} == {}
    return keras, torch


@pytest.mark.long
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_whole_float64_training_agrees_to_1e_12_with_every_rate_cut(tmp_path, name):
    # Every epoch of the program with five steps, on as few images as can be learnt by heart.
    sizes = {"train_size": 37, "val_size": 13, "batch_size": 8}
    traces = agreed(tmp_path, scenario(name).replace(dtype="float64", **sizes))
    keras, torch = (trace.history for trace in traces)
    assert len(keras["loss"]) == {"capacity": 50, "augmentation": 20, "dropout": 20}[name]
    for key, values in keras.items():
        np.testing.assert_allclose(torch[key], values, rtol=0, atol=1e-12)
    assert keras["learning_rate"] == torch["learning_rate"]
    if name == "capacity":
        # It has stopped learning by the middle, and is cut every five epochs from there on.
        assert len(set(keras["learning_rate"])) >= 6


@pytest.mark.parametrize("name", ["augmentation", "dropout"])
@pytest.mark.parametrize("seed", SEEDS)
def test_from_each_seed_all_is_drawn_alike_for_three_epochs(tmp_path, seed, name):
    # In float32, whose masks and initial weights are other streams than those of float64; 150 is no
    # multiple of 17.
    settings = {"seed": seed, "epochs": 3, "train_size": 150, "val_size": 40, "batch_size": 17}
    # All of it is drawn in the probe or before the first step, where these runs end.
    keras = keras_trace(tmp_path, scenario(name).replace(**settings), begun(keras_impl))
    torch = torch_trace(tmp_path, tmp_path / "torch", begun(torch_impl))
    data, init, forward = (
        compare_level(level, OF_RUN, keras, torch) for level in ("data", "init", "forward")
    )
    for item in (*data.items, *init.items):
        # Bit for bit, apart from images that were interpolated.
        is_interpolated = item.name == "images" and name == "augmentation"
        assert item.worst <= (5e-7 if is_interpolated else 0), item
    assert {item.epoch for item in data.items} == {None, 0, 1, 2}
    masks = [item for item in forward.items if item.name.endswith(".mask")]
    assert [item.worst for item in masks] == [0] * (2 if name == "dropout" else 0)


@pytest.mark.parametrize("batch_size", [1, 17])
@pytest.mark.parametrize("name", ["augmentation", "dropout"])
def test_a_batch_size_that_leaves_a_rest_gives_the_same_run_in_float64(tmp_path, name, batch_size):
    # The rest of 17 is a single sample, of which a mean and a sum are the same.
    settings = {"dtype": "float64", "epochs": 2, "train_size": 35, "val_size": 18}
    agreed(tmp_path, scenario(name).replace(**settings, batch_size=batch_size))


# Settings beyond the article's programs: both halves on 200 images.

SMALL = {"dtype": "float64", "train_size": 200, "val_size": 80, "epochs": 3}
STOPPING = {"patience": 2, "restore_best_weights": True}
KNOBS = {
    "linear": {"model": "linear"},
    "l2": {"model": "capacity", "l2": 0.01},
    "weight_decay": {"model": "underfit", "weight_decay": 3.0},
    "all of these": {"model": "capacity", "l2": 0.01, "weight_decay": 0.1, "epochs": 2},
    "early_stopping": {
        **{"model": "underfit", "epochs": 25, "learning_rate": 0.02, "label_noise": 0.3},
        "early_stopping": STOPPING,
    },
    "data": {"model": "underfit", "leakage": 0.5, "split": "sorted", "label_noise": 0.1},
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
        writer = TraceWriter()
        recorder = Recorder(writer, steps_per_epoch=7, epochs=spec.epochs)
        runs.append((half.fit(spec, data, recorder), writer.columns))
    return spec, data, *runs


def assert_close(ours, theirs):
    """Within 1e-12, of a value where that is above 1."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", KNOBS)
def test_weights_history_and_evaluation_agree_to_1e_12_with_every_setting(name):
    _, _, (theirs, their_columns), (ours, our_columns) = both(name)
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
    # Accuracies of 200 samples, and the run has learned something.
    num_right = 200 * np.array(our_columns["eval_accuracy"])
    np.testing.assert_allclose(num_right, np.round(num_right), rtol=0, atol=1e-9)
    assert ours.history["loss"][-1] < ours.history["loss"][0]


def test_early_stopping_ends_both_halves_at_the_same_epoch_before_the_last():
    spec, _, (theirs, _), (ours, _) = both("early_stopping")
    num_epochs = len(theirs.history["loss"])
    assert 3 <= num_epochs < spec.epochs
    assert len(ours.history["loss"]) == num_epochs
    losses = theirs.history["val_loss"]
    assert losses.index(min(losses)) == num_epochs - 3


@pytest.mark.parametrize("name", ["dropout", "data"])
def test_eval_accuracy_is_that_of_the_final_weights_on_the_training_samples(name):
    """Computed from Keras's weights by the other framework, dropout off, without augmentation."""
    import torch

    from torch_impl.models import build_model
    from torch_impl.weights import set_weights

    spec, data, (theirs, their_columns), (_, our_columns) = both(name)
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


@pytest.mark.parametrize("name", LADDERS)
def test_every_level_of_the_ladder_passes_with_the_new_settings(tmp_path, name):
    spec = RunSpec(**{**SMALL, "train_size": 100, **LADDERS[name]})
    keras, torch = agreed(tmp_path, spec)
    assert set(keras.history) == set(torch.history) >= {"eval_loss", "eval_accuracy"}
    penalties = keras.facts["settings"]["l2"]
    if name == "penalties":
        expected = dict.fromkeys(("conv1", "conv2", "dense1", "dense2"), float(np.float32(0.01)))
        assert penalties == torch.facts["settings"]["l2"] == expected
        assert keras.facts["settings"]["optimizer"]["weight_decay"] == 0.1
    else:
        assert penalties == {}
