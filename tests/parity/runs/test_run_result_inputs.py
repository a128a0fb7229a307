"""Whole trainings of programs with a dictionary of inputs, and with a state."""

import pytest
from paths import SUPPORT
from programs_here import keras_half, result_of

from parity.programs.program_spec import ProgramSpec

pytestmark = pytest.mark.long


def spec_of(model, port, dtype):
    return ProgramSpec(
        keras=f"inputs_keras.py:trained_{model}",
        torch=f"inputs_torch.py:{port}",
        folder=str(SUPPORT),
        dtype=dtype,
    )


@pytest.fixture(scope="module")
def levels(tmp_path_factory):
    """The status of each level of a port; Keras trains once for each model and dtype."""

    def found(model, port, dtype):
        spec = spec_of(model, port, dtype)
        result = result_of(spec, tmp_path_factory.mktemp("run"), keras_half(tmp_path_factory, spec))
        return {level.id: level.status for level in result.levels}

    return found


@pytest.mark.parametrize(
    ("model", "port", "dtype"),
    [
        ("dictionary", "dictionary", "float64"),
        ("dictionary", "dictionary__by_name", "float64"),
        ("subclassed", "subclassed", "float64"),
        ("subclassed", "subclassed", "float32"),
        ("stateful", "stateful", "float64"),
    ],
)
def test_a_right_port_trains_as_keras_does(model, port, dtype, levels):
    found = levels(model, port, dtype)
    del found["init"]  # torch's own draws
    assert set(found.values()) <= {"pass", "skipped"}
    assert found["trajectory"] == found["forward"] == "pass"


@pytest.mark.parametrize(
    ("model", "port", "level"),
    [
        ("dictionary", "dictionary__relu", "forward"),
        ("subclassed", "subclassed__off_by_one", "forward"),
        ("stateful", "stateful__forgets", "trajectory"),
    ],
)
def test_a_wrong_port_does_not(model, port, level, levels):
    assert levels(model, port, "float64")[level] == "fail"
