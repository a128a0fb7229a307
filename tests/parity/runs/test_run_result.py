"""A whole training of a user's program: the right port passes, and faults are named and placed."""

import keras
import numpy as np
import pytest
from programs_here import result_of, spec_of
from recorded_runs import shared

from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

pytestmark = pytest.mark.usefixtures("user_program")


@pytest.fixture(scope="module")
def reference(tmp_path_factory, user_program):
    return shared(tmp_path_factory)[0].path


def compared_with(reference, port, tmp_path, **settings):
    return result_of(
        spec_of(torch=f"torch_side.py:{port}", **settings), tmp_path / "run", reference
    )


# One of a kind in each run of the suite; the others take as long.
SHOWN = {"build", "not_restored", "own_masks"}


def some(ports):
    """Parametrizes a test with ports, of which most are long."""
    return pytest.mark.parametrize(
        "port", [p if p in SHOWN else pytest.param(p, marks=pytest.mark.long) for p in ports]
    )


@some(["build", "own_loop"])
def test_a_right_port_is_the_same_training(port, reference, tmp_path):
    result = compared_with(reference, port, tmp_path)
    assert [level.status for level in result.levels if level.status != "pass"] == []
    assert result.verdict == "pass"
    # Keras keeps the factor of the penalty in float32.
    worst = {level.id: level.worst.worst for level in result.levels if level.id != "init"}
    assert max(worst.values()) < 1e-7
    ours, theirs = result.history["torch"], result.history["keras"]
    for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert ours[key] == pytest.approx(theirs[key], abs=1e-7)
    assert len(set(ours["learning_rate"])) > 1  # the plateau has cut
    assert len(ours["loss"]) < 14  # and the training has been stopped


# What differs, and where it is seen first: level, name of the item, epoch from 1.
FAULTS = {
    "late_cut": ("G1", "schedule", "learning_rate"),
    "not_restored": ("G16", "schedule", "epoch whose weights are kept (a loss that rises)"),
    "weighted_validation": ("I3", "trajectory", "val_loss"),
    "other_metric": ("I1", "metrics", "accuracy (given outputs)"),
    "frozen_midway": ("I4", "trajectory", "running loss"),
    "dropped_batch": ("H14", "trajectory", "number of steps"),
    "batch_means": ("I2", "trajectory", "loss"),
}


@some(FAULTS)
def test_a_fault_that_only_a_whole_training_shows_is_named(port, reference, tmp_path):
    name, level, item = FAULTS[port]
    result = compared_with(reference, port, tmp_path)
    assert result.verdict == "fail"
    found = result.first
    assert found.causes[0]["id"] == name
    assert (found.level, found.item.name) == (level, item)


@pytest.mark.long
def test_a_stair_of_a_port_that_divides_is_named_and_one_of_keras_passes(tmp_path):
    spec = spec_of("keras_side.py:stairs", "torch_side.py:divided_stairs")
    found = result_of(spec, tmp_path / "divides").first
    assert (found.level, found.item.name, found.item.step) == ("schedule", "learning_rate", 42)
    assert found.causes[0]["id"] == "G17"
    right = spec.replace(torch="torch_side.py:stairs")
    assert result_of(right, tmp_path / "right", tmp_path / "divides").verdict == "pass"


def test_a_port_that_draws_as_keras_does_is_seeded(reference, tmp_path):
    result = compared_with(reference, "seeded", tmp_path)
    assert (result.verdict, result.mode) == ("pass", "seeded")


# What a port draws otherwise, and where that is seen.
DRAWS = {
    "other_order_of_layers": ("init", "dense.kernel"),
    "other_shuffle": ("data", "order of the samples"),
    "own_masks": ("forward", "generator of dropout's masks"),
}


@some(DRAWS)
def test_a_port_that_draws_otherwise_fails_where_it_does(port, reference, tmp_path):
    result = compared_with(reference, port, tmp_path)
    assert (result.verdict, result.mode) == ("fail", "seeded")
    assert (result.first.level, result.first.item.name) == DRAWS[port]
    assert result.first.item.step == 0


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:`shuffle=True`")
def test_a_generator_is_written_down_and_fed_to_the_port(tmp_path):
    spec = spec_of("keras_side.py:batches", "torch_side.py:plain", seed=3)
    result = result_of(spec, tmp_path / "run")
    assert result.verdict == "pass"
    assert len(result.history["torch"]["loss"]) == 3


@pytest.mark.long
def test_a_script_is_the_program_that_it_calls_fit_for(tmp_path, capfd):
    assert result_of(spec_of("train.py", arguments=("11",)), tmp_path / "run").verdict == "pass"
    assert "ends as always: __main__" in capfd.readouterr().out


@pytest.mark.long
def test_the_program_says_what_a_compiled_model_does_not(tmp_path):
    spec = spec_of(
        "keras_side.py:plain",
        "torch_side.py:plain",
        data="keras_side.py:load",
        epochs=2,
        batch_size=9,
    )
    assert result_of(spec, tmp_path / "run").verdict == "pass"
    training = Trace(RunFolder(tmp_path / "run").half("torch").training.path)
    assert training.facts["epoch_ends"] == [8, 16]
    assert np.isfinite(training["training/loss"]).all()
    assert keras.config.floatx() == "float64"
