"""A job that begins with what another half leaves waits for it, but not for what will not come."""

import sys
import time

import pytest

from parity.files.json_io import write_json
from parity.halves.job import ChildJob, is_pointless, is_ready, missing
from parity.halves.runner import run_jobs
from parity.traces.folder import FAILURE, SUCCESS

LEAVES = """
import pathlib, sys, time
for argument in sys.argv[2:]:
    time.sleep(0.3)
    pathlib.Path(argument, "_SUCCESS").touch()
"""
WAITS = """
import pathlib, sys, time
folders = [pathlib.Path(argument) for argument in sys.argv[2:]]
for folder in folders:
    source = folder.parent / folder.name.replace("torch", "keras")
    while not (source / "_SUCCESS").exists():
        time.sleep(0.01)
    (folder / "_SUCCESS").touch()
"""


@pytest.fixture
def halves(tmp_path):
    """Makes the jobs of both halves, of two runs each, with these scripts."""

    def job(half, script, sources):
        directories = tuple(tmp_path / f"{half}{number}" for number in range(2))
        for directory in directories:
            directory.mkdir()
        files = {"directories": directories, "log": tmp_path / f"{half}.log", "sources": sources}
        program = (sys.executable, "-c", script)
        return ChildJob(name=half, half=half, work="check", program=program, **files)

    def make(of_keras="", of_torch=""):
        keras = job("keras", of_keras, ())
        return keras, job("torch", of_torch, keras.directories)

    return make


def fail(directory):
    write_json(directory / FAILURE, {"is_input": True, "message": "no"})


def test_a_job_is_ready_once_each_source_has_ended_and_pointless_if_each_failed(halves):
    keras, torch = halves()
    assert (is_ready(keras), is_ready(torch)) == (True, False)
    fail(keras.directories[0])
    assert (is_ready(torch), is_pointless(torch)) == (False, False)
    # What a failed source would have led to is not missing.
    assert missing(torch) == [torch.directories[1]]
    assert missing(keras) == list(keras.directories)
    fail(keras.directories[1])
    assert (is_ready(torch), is_pointless(torch), is_pointless(keras)) == (True, True, False)
    (keras.directories[1] / SUCCESS).touch()  # what is complete has not failed
    assert (is_ready(torch), is_pointless(torch)) == (True, False)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_halves_run_side_by_side_or_one_after_the_other(workers, halves):
    done = []
    options = {"on_done": lambda job, failure: done.append((job.name, failure))}
    assert run_jobs(halves(LEAVES, WAITS), workers=workers, timeout_s=30.0, **options) == []
    assert sorted(done) == [("keras", None), ("torch", None)]  # either may end first


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_waits_for_nothing_is_not_started_or_is_stopped(workers, halves):
    keras, torch = halves("import sys; sys.exit(3)", "import time; time.sleep(60)")

    def on_done(job, failure):
        for directory in keras.directories if job is keras else ():
            fail(directory)

    began = time.monotonic()
    failures = run_jobs([keras, torch], workers=workers, timeout_s=30.0, on_done=on_done)
    assert [failure.job for failure in failures] == [keras]
    assert time.monotonic() - began < 20
    assert torch.log.exists() == (workers == 2)
