"""A whole training in float32: the right port passes from recorded states, faults are named."""

import pytest
from programs_here import result_of, spec_of
from recorded_runs import shared

from parity.report.sentences import whole_training_texts

pytestmark = pytest.mark.usefixtures("user_program")


@pytest.fixture(scope="module")
def reference(tmp_path_factory, user_program):
    return shared(tmp_path_factory, dtype="float32")[0].path


def compared_with(reference, port, tmp_path):
    spec = spec_of(torch=f"torch_side.py:{port}", dtype="float32")
    return result_of(spec, tmp_path / "run", reference)


LONG = pytest.mark.long


def test_a_right_port_passes_from_the_recorded_states_of_a_short_training(tmp_path):
    result = result_of(spec_of(epochs=2, dtype="float32"), tmp_path / "run")
    assert (result.verdict, result.incomplete, result.mode) == ("pass", (), "replayed")
    assert len(result.anchors["steps"]) >= 4
    assert 1e-8 < max(result.anchors["difference"]) < 1e-6


@LONG
@pytest.mark.parametrize("port", ["build", "own_loop", "seeded"])
def test_a_right_port_passes_from_every_recorded_state(port, reference, tmp_path):
    result = compared_with(reference, port, tmp_path)
    assert (result.verdict, result.incomplete) == ("pass", ())
    assert result.mode == ("seeded" if port == "seeded" else "replayed")
    assert len(result.anchors["steps"]) >= 20
    # Keras keeps the factor of the penalty in float32.
    # 0.9 in float32 is 2.6e-8 off; of a slot that has become small, that is some times as much.
    assert 1e-8 < max(result.anchors["difference"]) < 1e-6
    assert whole_training_texts(result)[0].startswith(
        f"Compared from {len(result.anchors['steps'])} "
    )


# What differs, and where it is seen first: level, name of the item.
FAULTS = {
    "late_cut": ("G1", "schedule", "learning_rate"),
    "not_restored": ("G16", "schedule", "epoch whose weights are kept (a loss that rises)"),
    "weighted_validation": ("I3", "trajectory", "val_loss"),
    "other_metric": ("I1", "metrics", "accuracy (given outputs)"),
    "frozen_midway": ("I4", "trajectory", "loss"),
    "counted_anew": ("I4", "trajectory", "weights and slots changed between two steps"),
    "dropped_batch": ("H14", "trajectory", "number of steps"),
    "batch_means": ("I2", "trajectory", "val_loss"),
}


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_only_a_whole_training_shows_is_named(fault, reference, tmp_path):
    name, level, item = FAULTS[fault]
    result = compared_with(reference, fault, tmp_path)
    assert result.verdict == "fail"
    found = result.first
    assert found.causes[0]["id"] == name
    assert (found.level, found.item.name) == (level, item)


# What a port cannot be compared in, and why.
OPEN = {
    "own_optimizer": ("optimizer steps from recorded states", "OwnAdam is an optimizer of your"),
    "only_float32": ("steps from recorded states", "made again in float64, they raise"),
}


@LONG
@pytest.mark.parametrize("port", ["own_optimizer", "only_float32"])
def test_what_cannot_be_repeated_is_open_and_no_fault(port, reference, tmp_path):
    what, why = OPEN[port]
    result = compared_with(reference, port, tmp_path)
    assert result.verdict == "incomplete"
    assert [entry["what"] for entry in result.incomplete] == [what]
    assert result.incomplete[0]["why"].startswith(why)
    assert "do" in result.incomplete[0]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:`shuffle=True`")
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_stream_of_unknown_length_is_compared_with_a_stock_optimizer(tmp_path):
    spec = spec_of("keras_side.py:stream", "torch_side.py:stock_momentum", dtype="float32")
    result = result_of(spec, tmp_path / "run")
    assert (result.verdict, result.incomplete) == ("pass", ())
    # The first epoch has them at 0, 1 and 2, since nobody knew its length.
    assert result.anchors["steps"][:4] == [0, 1, 2, 5]
    assert len(result.anchors["steps"]) >= 13
    # 0.9 in float32 is 2.6e-8 off; of a slot that has become small, that is some times as much.
    assert 1e-8 < max(result.anchors["difference"]) < 1e-6
