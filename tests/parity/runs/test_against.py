"""A port trained against a recorded run has the result of both halves, or the bundle is not its."""

import json
import os
import re

import pytest
from programs_here import FOLDER, result_of, spec_of, trained
from recorded_runs import copied, forged, shared

import parity.halves.torch
from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec
from parity.programs.user_files import user_files
from parity.runs.against import changed_files, recorded_spec
from parity.runs.pair import compared
from parity.runs.steps import Recorded
from parity.traces.bundle_run import pack_run, unpack_run
from parity.traces.folder import RunFolder

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("user_program")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, user_program):
    """Run folder and bundle by dtype, recorded when they are asked for."""
    return lambda dtype: shared(tmp_path_factory, dtype=dtype)


def told(result):
    """A result without seconds and versions."""
    return {k: v for k, v in result.to_json().items() if k not in ("environment", "wall_s")}


def against(bundle, port, folder, dtype):
    """The result of a port against a bundle."""
    run = RunFolder(folder)
    unpack_run(bundle, run.half("keras"))
    asked = ProgramSpec(torch=f"torch_side.py:{port}", folder=str(FOLDER), dtype=dtype)
    spec = recorded_spec(asked, bundle)
    trained(parity.halves.torch, spec, run.path)
    return compared(spec, run, Recorded(bundle, unpack_run))


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
    result = against(bundle, port, tmp_path / "against", dtype)
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
    result = against(path, "build", tmp_path / "run", dtype)
    assert result.verdict == "fail"


# --- whose bundle it is --------------------------------------------------------------------------

ASKED = {
    "program": ({"keras": "other.py:build"}, "it is of keras_side.py:build, and custom has other"),
    "function": ({"keras": "keras_side.py:other"}, "custom has keras_side.py:other; name the"),
    "script": ({"keras": "keras_side.py"}, "it is of keras_side.py:build, and custom has keras"),
    "epochs": ({"epochs": 3}, "recorded with the program's own epochs, and epochs 3 is asked for"),
    "batch_size": ({"batch_size": 8}, "the program's own batch size, and batch size 8 is asked"),
    "train_size": ({"train_size": 8}, "the program's own train size, and train size 8 is asked"),
    "data": ({"data": "d.npz"}, "the program's own data, and data d.npz is asked for"),
    "dtype": ({"dtype": "float32"}, "recorded with dtype float64, and dtype float32 is asked for"),
    "seed": ({"seed": 7}, "recorded with seed 42, and seed 7 is asked for"),
    "no_port": ({"torch": None}, "--torch is missing: expected the factory of the port"),
    "no_file": ({"torch": "no.py:build"}, "--torch no.py:build: there is no file no.py"),
}


@pytest.mark.parametrize(("changes", "message"), ASKED.values(), ids=ASKED)
def test_a_bundle_of_another_training_is_refused_with_what_differs(changes, message, runs):
    _, bundle = runs("float64")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        recorded_spec(spec_of().replace(**changes), bundle, ("dtype", "seed"))
    assert "\n" not in str(caught.value)


def test_settings_that_were_recorded_are_those_of_the_run(runs, tmp_path):
    half = copied(runs("float64")[0], tmp_path / "run").half("keras")
    given = spec_of(keras="train.py", epochs=2, batch_size=16, data="a/d.npz", arguments=["3"])
    half.spec.write_text(json.dumps(given.to_dict()))
    pack_run(half, tmp_path / "a.parity", {})
    asked = spec_of(keras="x/train.py", epochs=2, data="b/d.npz")
    found = recorded_spec(asked, tmp_path / "a.parity")
    assert (found.epochs, found.batch_size, found.data) == (2, 16, "b/d.npz")
    assert found.arguments == ("3",)
    with pytest.raises(InputError, match="with the seeds of the script, and seed 42 is asked for"):
        recorded_spec(asked, tmp_path / "a.parity", ("seed",))
    with pytest.raises(InputError, match="recorded with arguments 3, and arguments 4 is asked"):
        recorded_spec(asked.replace(arguments=["4"]), tmp_path / "a.parity")


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
