"""A recorded run: trained whole, written whole or not at all, and used where there is no Keras."""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from called import calling
from paths import ROOT
from programs_here import FOLDER, spec_of
from recorded_runs import shared

from parity.errors import InputError, RunError
from parity.files.json_io import write_json
from parity.halves.job import ChildOptions, Failure
from parity.ladder.result_file import read_result
from parity.runs import record as module
from parity.runs.record import record_run
from parity.traces.bundle_spec import read_run
from parity.traces.folder import RunFolder

BLOCKED = "raise ImportError('there is no Keras here')\n"


def test_a_program_is_recorded_and_its_port_trained_where_there_is_no_keras(
    tmp_path, monkeypatch, capsys
):
    mine, blocked = tmp_path / "mine", tmp_path / "blocked"
    shutil.copytree(FOLDER, mine)
    call = calling(monkeypatch, capsys, mine)
    ended = call("record", "small.parity", "small", "--run")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("wrote small.parity (0.")
    assert "it holds what `fit` was fed, 0.0 MB" in ended.stdout
    assert list(read_run(mine / "small.parity").files) == ["keras_side.py", "train.py"]

    for name in ("keras", "tensorflow"):
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(BLOCKED)
    for name in ("keras_side.py", "train.py", "flow_keras.py", "outputs_keras.py"):
        (mine / name).unlink()
    path = f"{blocked}{os.pathsep}{ROOT}"

    command = ("run", "small", "--against", "small.parity", "--out")
    ended = subprocess.run(
        [sys.executable, "-m", "parity", *command, "right", "--save-weights"],
        **{"cwd": mine, "env": {**os.environ, "PYTHONPATH": path}, "timeout": 300},
        **{"capture_output": True, "text": True, "check": False},
    )
    assert ended.returncode == 0, ended.stderr
    assert "The port is right: all 11 levels agree" in ended.stdout
    run = mine / "right" / "small-seed42"
    assert read_result(run / "result.json").verdict == "pass"
    assert {"keras.safetensors", "torch.safetensors"} <= {path.name for path in run.iterdir()}
    assert not list(run.rglob("feed.safetensors"))

    # The probes are those of a check.
    monkeypatch.setenv("PYTHONPATH", path)
    ended = call("check", "--torch", "torch_side.py:build", *command[2:4], "--quiet")
    assert ended.returncode == 0, ended.stderr


# --- without a child -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained_half(tmp_path_factory):
    """The folder of a Keras half."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        run, _ = shared(tmp_path_factory)
    return run.half("keras").path


@pytest.fixture
def child(monkeypatch, trained_half):
    """What the child does, in the place of training."""

    def run_shown(jobs, children):
        (job,) = jobs
        run_shown.jobs.append(job)
        return run_shown.act(job)

    def leaves(job):
        shutil.copytree(trained_half, job.directories[0], dirs_exist_ok=True)
        return []

    run_shown.jobs, run_shown.act = [], leaves
    monkeypatch.setattr("parity.runs.check_halves.run_shown", run_shown)
    return run_shown


def test_one_child_trains_the_keras_half_alone(child, tmp_path):
    size = record_run(spec_of(), tmp_path / "a.parity", ChildOptions())
    (job,) = child.jobs
    assert (job.half, job.work, job.sources) == ("keras", "run", ())
    assert not job.directories[0].exists()
    assert 0 < size.probes + size.training < (tmp_path / "a.parity").stat().st_size
    assert list(read_run(tmp_path / "a.parity").files) == ["keras_side.py"]


def test_a_feed_that_is_too_large_is_told(child, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MIB", 2**10)
    with pytest.raises(
        InputError, match=r"`fit` was fed 6.\d MiB of arrays, which is more than max_"
    ):
        record_run(spec_of(max_feed=5), tmp_path / "a.parity", ChildOptions())
    assert os.listdir(tmp_path) == []
    record_run(spec_of(max_feed=8), tmp_path / "a.parity", ChildOptions())


@pytest.mark.parametrize(
    ("is_input", "kind", "message"),
    [(True, InputError, "no such data"), (False, RunError, "it broke"), (None, RunError, "broke")],
)
def test_what_the_child_could_not_do_is_told(is_input, kind, message, child, tmp_path):
    def act(job):
        if is_input is not None:
            told = {"is_input": is_input, "message": "no such data"}
            write_json(RunFolder(job.directories[0]).failure, told)
        return [Failure(job, "custom keras: it broke")]

    child.act = act
    with pytest.raises(kind, match=message):
        record_run(spec_of(), tmp_path / "a.parity", ChildOptions())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"keras": None}, "a.parity", "keras is None: expected the factory"),
        ({"keras": "no.py:build"}, "a.parity", "there is no file no.py"),
        ({"keras": "no.py"}, "a.parity", "there is no such file"),
        ({"data": "no.npz"}, "a.parity", "data no.npz: there is no such file"),
        ({}, "no/a.parity", "expected a file in an existing folder"),
        ({}, ".", "expected a file in an existing folder"),
    ],
)
def test_what_cannot_be_recorded_is_told_before_a_child_starts(
    changes, path, message, child, tmp_path
):
    with pytest.raises(InputError, match=message):
        record_run(spec_of().replace(**changes), tmp_path / path, ChildOptions())
    assert child.jobs == []


def test_a_recording_that_is_interrupted_while_it_is_written_leaves_the_old_file(
    child, tmp_path, monkeypatch
):
    (tmp_path / "a.parity").write_bytes(b"old")
    write = zipfile.ZipFile.writestr

    def interrupted(archive, entry, data, *arguments):
        write(archive, entry, data, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "writestr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record_run(spec_of(), tmp_path / "a.parity", ChildOptions())
    assert os.listdir(tmp_path) == ["a.parity"]
    assert (tmp_path / "a.parity").read_bytes() == b"old"


@pytest.mark.usefixtures("signals_are_heard")
def test_a_recording_that_is_killed_leaves_no_file(tmp_path):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexec sleep 20\n")
    python.chmod(0o755)
    (tmp_path / "model.py").write_text("def build(): ...\n")
    command = ["record", "a.parity", "--run", "--keras", "model.py:build"]
    process = subprocess.Popen(
        [sys.executable, "-m", "parity", *command, "--keras-python", str(python)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) != 0
    assert not list(tmp_path.glob("*.parity*"))
