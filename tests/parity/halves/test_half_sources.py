"""A job that begins with what another half leaves waits for it, but not for what will not come."""

import dataclasses
import sys
import time

import pytest

from parity.files.json_io import write_json
from parity.halves.job import ChildJob
from parity.halves.runner import run_jobs
from parity.halves.sources import is_pointless, is_ready, missing
from parity.traces.folder import FAILURE, SUCCESS

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
def make(tmp_path):
    def job(half, script, num=2, sources=()):
        directories = tuple(tmp_path / f"{half}{number}" for number in range(num))
        for directory in directories:
            directory.mkdir()
        return ChildJob(
            name=half,
            half=half,
            work="check",
            program=(sys.executable, "-c", script),
            directories=directories,
            log=tmp_path / f"{half}.log",
            sources=sources,
        )

    return job


def fail(directory):
    write_json(directory / FAILURE, {"is_input": True, "message": "no"})


def test_a_job_is_ready_once_each_source_has_ended(make):
    keras = make("keras", "")
    torch = make("torch", "", sources=keras.directories)
    assert is_ready(keras)
    assert not is_ready(torch)
    (keras.directories[0] / SUCCESS).touch()
    assert not is_ready(torch)
    fail(keras.directories[1])
    assert is_ready(torch)


def test_a_job_is_pointless_if_every_source_failed(make):
    keras = make("keras", "")
    torch = make("torch", "", sources=keras.directories)
    fail(keras.directories[0])
    assert not is_pointless(torch)
    fail(keras.directories[1])
    assert is_pointless(torch)
    assert not is_pointless(keras)
    (keras.directories[1] / SUCCESS).touch()  # what is complete has not failed
    assert not is_pointless(torch)


def test_what_a_failed_source_would_have_led_to_is_not_missing(make):
    keras = make("keras", "")
    torch = make("torch", "", sources=keras.directories)
    fail(keras.directories[0])
    assert missing(torch) == [torch.directories[1]]
    assert missing(keras) == list(keras.directories)


def run(*jobs, **options):
    began, done = time.monotonic(), []
    failures = run_jobs(
        jobs,
        **{"workers": 2, "timeout_s": 30.0, **options},
        on_done=lambda job, failure: done.append((job.name, failure is None)),
    )
    return failures, done, time.monotonic() - began


LEAVES = """
import pathlib, sys, time
for argument in sys.argv[2:]:
    time.sleep(0.4)
    pathlib.Path(argument, "_SUCCESS").touch()
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_the_halves_run_side_by_side_or_one_after_the_other(make, workers):
    keras = make("keras", LEAVES)
    torch = make("torch", WAITS, sources=keras.directories)
    failures, done, _ = run(keras, torch, workers=workers)
    assert failures == []
    assert sorted(done) == [("keras", True), ("torch", True)]  # either may end first


def test_the_time_limit_counts_from_the_moment_that_the_sources_are_there(make):
    keras = make("keras", LEAVES.replace("0.4", "0.5"), num=3)  # 1.5 s in all
    torch = make("torch", WAITS, num=3, sources=keras.directories)
    slow = dataclasses.replace(
        torch, program=(sys.executable, "-c", WAITS + "time.sleep(60)"), name="slow"
    )
    failures, _, wall_s = run(dataclasses.replace(keras, name="keras"), slow, timeout_s=2.5)
    assert [failure.job.name for failure in failures] == ["slow"]
    assert "did not end within 2.5 s" in failures[0].reason
    assert wall_s > 1.5 + 2.5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_waits_for_nothing_is_not_started_or_is_stopped(make, workers):
    keras = make("keras", "import sys; sys.exit(3)")
    torch = make("torch", "import time; time.sleep(60)", sources=keras.directories)

    def on_done(job, failure):
        if job.half == "keras":
            for directory in job.directories:
                fail(directory)

    began = time.monotonic()
    failures = run_jobs([keras, torch], workers=workers, timeout_s=30.0, on_done=on_done)
    assert [failure.job.name for failure in failures] == ["keras"]
    assert time.monotonic() - began < 20
    assert torch.log.exists() == (workers == 2)
