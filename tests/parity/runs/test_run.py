"""Whole runs through both halves, as small as they can be."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from fact_types import misfits
from schemas import assert_valid

from parity import run
from parity.errors import InputError, RunError
from parity.halves.job import ChildOptions
from parity.ladder.items import LEVEL_IDS
from parity.ladder.result import Result
from parity.ladder.result_file import read_result, result_from
from parity.programs.scenarios import scenario
from parity.runs.pair import Pair
from parity.runs.run import run_all
from parity.runs.steps import RunOptions


def small(name, **changes):
    settings = {"epochs": 2, "train_size": 70, "val_size": 40, "dtype": "float64", **changes}
    return scenario(name).replace(**settings)


@pytest.fixture
def color_npz(tmp_path):
    """Images of 12x20x3 in five classes, as Keras stores data sets."""
    generator = np.random.default_rng(5)
    path = tmp_path / "color.npz"
    np.savez(
        path,
        x_train=generator.integers(0, 256, (120, 12, 20, 3), dtype=np.uint8),
        y_train=np.arange(120) % 5,
        x_test=generator.integers(0, 256, (20, 12, 20, 3), dtype=np.uint8),
        y_test=np.arange(20) % 5,
    )
    return path


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A scenario and another run whose trace is damaged, what was shown of them, the folder."""
    compare = Pair.compare

    def broken(pair):
        if pair.spec.seed == 4:
            raise RunError(f"{pair.directory.name}: damaged")
        return compare(pair)

    shown, out = [], tmp_path_factory.mktemp("ran") / "out"
    specs = [small("linear", seed=4, epochs=1), small("augmentation", seed=3)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pair, "compare", broken)
        options = RunOptions(out=out)
        results = run_all(specs, options, on_result=lambda result, directory: shown.append(result))
    return results, shown, out


def test_what_both_halves_say_of_a_run_has_the_types_that_are_described(ran):
    assert [*misfits(ran[2] / "augmentation-seed3")] == []


def test_a_scenario_in_float64_passes_every_level_and_leaves_a_whole_run_directory(ran):
    results, shown, out = ran
    assert sorted(map(id, shown)) == sorted(map(id, results))
    result = results[1]
    assert (result.verdict, [level.id for level in result.levels]) == ("pass", list(LEVEL_IDS))
    directory = out / "augmentation-seed3"
    names = {path.name for path in directory.iterdir()}
    assert names == {"keras", "torch", "keras.log", "torch.log", "result.json"}
    written = json.loads((directory / "result.json").read_text(), parse_constant=pytest.fail)
    assert_valid(written)
    assert read_result(directory / "result.json").to_json() == result.to_json() == written
    assert (written["schema"], written["mode"]) == ("parity.result/1", "seeded")
    assert set(written["history"]["torch"]) == set(written["history"]["keras"])


def test_a_damaged_trace_of_one_pair_leaves_the_others_their_turn(ran):
    results, _, _ = ran
    assert [result.verdict for result in results] == ["error", "pass"]
    assert list(results[0].errors) == ["linear-seed4: damaged"]


@pytest.mark.long
def test_float32_is_judged_from_anchors_which_are_then_removed(tmp_path, color_npz):
    spec = small("dropout", dtype="float32", data=str(color_npz), split="last", epochs=2)
    result = run(spec, out=tmp_path / "out")
    assert result.verdict == "pass"
    assert_valid(result.to_json())
    assert result_from(result.to_json(), "here") == result
    assert result.anchors["steps"][:2] == [0, 1]
    assert max(result.anchors["difference"]) < 1e-10
    assert result.spec["split"] == "last"
    (directory,) = (tmp_path / "out").iterdir()
    assert not (directory / "keras" / "anchors").exists()
    assert (directory / "keras" / "trace.safetensors").exists()


def test_of_two_processes_with_the_same_runs_one_is_refused_and_spoils_nothing(tmp_path):
    out, specs = tmp_path / "out", [small("linear", seed=seed) for seed in (1, 2)]
    other = out / "linear-seed2"
    other.mkdir(parents=True)
    (other / "keras.log").write_text("of another process")
    with pytest.raises(InputError, match="linear-seed2 exists: name another folder"):
        run_all(specs, RunOptions(out=out))
    assert [path.name for path in out.iterdir()] == ["linear-seed2"]
    assert (other / "keras.log").read_text() == "of another process"


def test_data_that_cannot_be_used_is_refused_before_anything_is_run(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        run(small("dropout", data=str(tmp_path / "nowhere.npz")), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def interpreter(tmp_path, name, script):
    """An executable that stands in for the interpreter of a half."""
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -9 $$", "SIGKILL"),
        ("sleep 60", "longer than|hung|timeout"),
    ],
    ids=["killed", "hung"],
)
def test_a_half_that_fails_is_an_error_with_its_reason_and_the_other_half_is_kept(
    tmp_path, script, reason
):
    broken = interpreter(tmp_path, "broken", script)
    # Its last argument is the directory of the run.
    whole = interpreter(tmp_path, "whole", 'for run; do :; done; touch "$run/_SUCCESS"')
    children = ChildOptions(whole, broken, timeout_s=20.0)
    if script.startswith("sleep"):
        children = ChildOptions(broken, broken, timeout_s=0.5)
    options = RunOptions(out=tmp_path / "out", children=children)
    (result,) = run_all([small("dropout", epochs=1)], options)
    assert result.verdict == "error"
    assert isinstance(result, Result)
    assert any(word in error for error in result.errors for word in reason.split("|"))
    (directory,) = (tmp_path / "out").iterdir()
    assert json.loads((directory / "result.json").read_text())["errors"] == list(result.errors)
    assert_valid(result.to_json())
    assert read_result(directory / "result.json") == result
    if not script.startswith("sleep"):
        assert (directory / "keras" / "_SUCCESS").exists()


@pytest.mark.long
def test_a_device_that_tensorflow_has_not_is_told_and_nothing_falls_back_to_the_cpu(tmp_path):
    children = ChildOptions(torch_python=interpreter(tmp_path, "waits", "exec sleep 60"), workers=2)
    spec = small("dropout", epochs=1, device="cuda:99")
    (result,) = run_all([spec], RunOptions(tmp_path / "out", children))
    assert result.verdict == "error"
    assert "TensorFlow sees no such GPU" in result.errors[0]


@pytest.mark.usefixtures("signals_are_heard")
def test_control_c_ends_both_children_and_leaves_a_result_that_says_so(tmp_path):
    pids = tmp_path / "pids"
    slow = interpreter(tmp_path, "slow", f"echo $$ >> {pids}; exec sleep 60")
    parent = subprocess.Popen(
        [
            *[sys.executable, "-m", "parity", "run", "dropout", "--dtype", "float64"],
            *["--workers", "2", "--out", str(tmp_path / "out")],
            *["--keras-python", slow, "--torch-python", slow],
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (pids.exists() and len(pids.read_text().split()) == 2):
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGINT)
    _, told = parent.communicate(timeout=60)
    assert (parent.returncode, "interrupted" in told, "Traceback" in told) == (3, True, False)
    for pid in map(int, pids.read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    (directory,) = (tmp_path / "out").iterdir()
    written = json.loads((directory / "result.json").read_text())
    assert (written["verdict"], written["errors"]) == ("error", ["interrupted"])
