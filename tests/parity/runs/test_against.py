"""A port trained against a recorded run has the result of both halves."""

import os

import pytest
from programs_here import FOLDER, result_of, spec_of
from recorded_runs import against, forged, shared, told

from parity.programs.program_spec import ProgramSpec
from parity.programs.user_files import user_files
from parity.runs.against import changed_files
from parity.traces.bundle_run import pack_run

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("user_program")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, user_program):
    """Run folder and bundle by dtype, recorded when they are asked for."""
    return lambda dtype: shared(tmp_path_factory, dtype=dtype)


def asked(port, dtype):
    return ProgramSpec(torch=f"torch_side.py:{port}", folder=str(FOLDER), dtype=dtype)


# What a whole training alone shows.
FAULTS = {
    "late_cut": "G1",  # a plateau's patience
    "not_restored": "G16",
    "weighted_validation": "I3",
    "frozen_midway": "I4",
}


@pytest.mark.parametrize(
    ("port", "dtype"),
    [
        *((port, "float64") for port in ("build", "seeded", *FAULTS)),
        *((port, "float32") for port in ("build", "not_restored")),
    ],
)
def test_the_result_is_that_of_both_halves(port, dtype, runs, tmp_path):
    reference, bundle = runs(dtype)
    both = result_of(
        spec_of(torch=f"torch_side.py:{port}", dtype=dtype), tmp_path / "both", reference.path
    )
    result = against(bundle, asked(port, dtype), tmp_path / "against")
    assert told(result) == told(both)
    if port in FAULTS:
        assert result.verdict == "fail"
        assert result.first.causes[0]["id"] == FAULTS[port]
    else:
        assert (result.verdict, result.incomplete) == ("pass", ())


@pytest.mark.parametrize(
    ("dtype", "place"), [("float64", "training/loss"), ("float32", "anchored/0/loss")]
)
def test_another_training_does_not_pass(dtype, place, runs, tmp_path):
    """A bundle of which one number was changed is of a training that the port does not make."""

    def change(content, stored):
        stored[place][-2] ^= 16  # a sixteenth, or so, of the exponent's last bits

    path = tmp_path / "other.parity"
    path.write_bytes(forged(runs(dtype)[1], change))
    assert against(path, asked("build", dtype), tmp_path / "run").verdict == "fail"


def test_files_that_were_changed_since_are_told(runs, tmp_path):
    spec = spec_of()
    known = user_files(spec, "keras")
    assert list(known) == ["keras_side.py"]
    half = runs("float64")[0].half("keras")
    for files, expected in (
        (known, []),
        ({}, []),
        ({"gone.py": "00"}, []),
        ({"keras_side.py": "00"}, ["the present keras_side.py"]),
    ):
        pack_run(half, tmp_path / "a.parity", files)
        found = list(changed_files(spec, tmp_path / "a.parity"))
        assert [each["what"] for each in found] == expected
        assert all("a.parity was recorded before it was changed" in each["why"] for each in found)
    assert os.listdir(tmp_path) == ["a.parity"]
