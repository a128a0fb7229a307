"""A training that makes rounding grow beyond the tolerance: the port passes, a fault is caught."""

import pytest
from programs_here import keras_half, result_of, spec_of, trained

import parity.halves.keras
from parity.ladder.rounding import FLOAT64
from parity.report.sentences import whole_training_texts
from parity.traces import anchors

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("user_program")]


def spec(port):
    return spec_of("chaotic_keras.py:build", f"chaotic_torch.py:{port}")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return keras_half(tmp_path_factory, spec("build"))


def trajectory_of(result):
    return next(level for level in result.levels if level.id == "trajectory")


def test_a_right_port_may_differ_by_what_rounding_makes_of_the_training(reference, tmp_path):
    result = result_of(spec("build"), tmp_path / "run", reference)
    assert result.verdict == "pass"
    level = trajectory_of(result)
    assert level.tolerance_source.endswith(
        "as large as the difference after the few steps of the probes, or as rounding, and a "
        "change of the inputs as large as that of a constant of Keras that scales them, and of "
        "every step as large as that of the constants of Keras's optimizer"
    )
    last = max((item for item in level.items if "." in item.name), key=lambda item: item.step)
    assert FLOAT64 < last.worst < last.allowed / 10
    early = [item for item in level.items if item.step is not None and 6 < item.step <= 60]
    assert early
    assert {item.allowed for item in early} == {FLOAT64}


@pytest.mark.parametrize("of", ["reference", "long_reference"])
def test_a_fault_is_caught_at_its_step_whatever_rounding_has_become(of, request, tmp_path):
    """In a long training, the first recorded state from which all steps are larger."""
    result = result_of(spec("faster_midway"), tmp_path / "run", request.getfixturevalue(of))
    assert (result.verdict, result.first.level) == ("fail", "trajectory")
    assert result.first.item.step == 102
    assert result.first.item.name == "running loss" or of == "long_reference"


@pytest.fixture(scope="module")
def long_reference(tmp_path_factory):
    """The same training where so many steps are too many to be compared whole."""
    run = tmp_path_factory.mktemp("long")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anchors, "MOST_STEPS_IN_FLOAT64", 200)
        trained(parity.halves.keras, spec("build"), run)
    return run


def test_a_long_training_in_float64_is_compared_from_recorded_states(long_reference, tmp_path):
    result = result_of(spec("build"), tmp_path / "run", long_reference)
    assert (result.verdict, result.incomplete) == ("pass", ())
    assert len(result.anchors["steps"]) > 40
    assert max(result.anchors["difference"]) < 1e-12
    assert result.anchors["rounding"] == []
    told = " ".join(whole_training_texts(result))
    assert "over 240 steps: 3 steps later in float64" in told
    assert "since a long training makes rounding grow" in told
