"""The child of whole trainings: what it runs, what it leaves and prints, and how it ends."""

import faulthandler
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT
from processes import is_alive, wait_for

from parity import worker
from parity.errors import InputError, RunError
from parity.files.json_io import read_json, write_json
from parity.programs.program_spec import ProgramSpec
from parity.traces.anchors import AnchorPlan
from parity.traces.feed_file import write_feed
from parity.traces.folder import SUCCESS, RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace

RESULT = RunResult({"loss": [0.5]}, {}, 0.25)
NUM_STEPS = 4


class FakeHalf:
    """Records the calls; a hook may be put in the place of each method."""

    def __init__(self):
        self.calls, self.tasks = [], []

    def configure(self, spec):
        self.calls.append("configure")

    def run_program(self, task):
        self.calls.append("run")
        self.tasks.append(task)
        task.probes.put("init/dense.bias", np.ones(2))
        task.probes.facts.update(b=1, a=2)
        if task.folder.path.name == "keras":
            task.probed()
        task.training.put("training/loss", np.full(NUM_STEPS, 0.5, np.float32))
        for step in range(1, NUM_STEPS + 1):
            task.report(step, NUM_STEPS, 0.5)
        return RESULT

    def describe_environment(self, spec):
        return {"framework": "fake"}


@pytest.fixture
def half():
    yield FakeHalf()
    faulthandler.unregister(signal.SIGTERM)  # which main() registers


@pytest.fixture
def make_directory(tmp_path):
    """The folder of a half of a run, with its spec: of a program, or of a scenario."""

    def make(run, name="keras", spec=None):
        directory = tmp_path / run / name
        directory.mkdir(parents=True)
        spec = spec or ProgramSpec(keras="app:build", torch="port:build")
        write_json(directory / "spec.json", spec.to_dict())
        return directory

    return make


def run(half, *directories, name="keras", options=()):
    return worker.main(name, half, ["run", *options, *map(str, directories)])


def leave_trace(path, spec=None, **facts):
    """A complete trace, as the other half would leave it."""
    writer = CheckWriter()
    writer.facts.update(facts)
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "spec.json", (spec or ProgramSpec()).to_dict())
    writer.write(path, environment={}, result=RunResult({}, {}, 0.0))


def test_every_directory_is_run_and_leaves_its_probes_and_its_training(half, make_directory, capfd):
    first, second = make_directory("first"), make_directory("second")
    assert run(half, first, second) == 0
    assert half.calls == ["configure", "run", "run"]
    for directory in (first, second):
        probes, training = Trace(directory), Trace(RunFolder(directory).training.path)
        assert (probes.names("init"), probes.history) == (["dense.bias"], {})
        assert list(probes.facts) == ["a", "b"]  # in the order of a bundle
        assert probes.environment["framework"] == "fake"
        assert probes.environment["wall_s"]["check"] >= 0
        told = (training.spec, training.environment, training.history, training.wall_s)
        assert told == (probes.spec, {"framework": "fake"}, {"loss": [0.5]}, 0.25)
        assert training["training/loss"].dtype == np.float64
    out, err = capfd.readouterr()
    # The parent knows the runs by the names of their directories.
    assert re.fullmatch(r"(progress keras \d/4 loss=0.5\n)+", out)
    assert out.count("progress keras 4/4 loss=0.5\n") == 2
    assert err == ""


def test_the_port_gets_what_the_keras_half_wrote_of_its_probes(half, make_directory):
    keras, torch = make_directory("a"), make_directory("a", "torch")
    leave_trace(keras, told=3)
    assert run(half, torch, name="torch") == 0
    (task,) = half.tasks
    assert (task.keras.facts, task.source.path) == ({"told": 3}, keras)
    assert Trace(torch).names("init") == ["dense.bias"]
    assert Trace(RunFolder(torch).training.path).history == {"loss": [0.5]}


def test_the_port_of_a_keras_half_that_failed_is_left_out(half, make_directory):
    keras, torch = make_directory("a"), make_directory("a", "torch")
    write_json(keras / "failure.json", {"is_input": True, "message": "no such data"})
    assert run(half, torch, name="torch") == 0
    assert half.calls == ["configure"]
    assert not (torch / SUCCESS).exists()


class Stops(Exception):
    """In the place of waiting any longer."""


@pytest.fixture
def waiting(half, make_directory):
    """A task of the torch half, whose pauses are done by a list of functions."""
    keras, torch = make_directory("a"), make_directory("a", "torch")
    leave_trace(keras)
    assert run(half, torch, name="torch") == 0
    (task,) = half.tasks
    steps = []

    def pause():
        if not steps:
            raise Stops
        steps.pop(0)()

    task.pause = pause
    return task, RunFolder(keras), steps


def test_the_feed_and_the_training_of_keras_are_waited_for(waiting):
    task, keras, steps = waiting
    with pytest.raises(Stops):
        task.feed()
    with pytest.raises(Stops):
        task.trained()
    x = np.arange(6.0)
    steps[:] = [lambda: None, lambda: write_feed(keras.feed, {"x": x}, {"epoch_ends": [3]})]
    nests, settings = task.feed()
    assert np.array_equal(nests["x"], x)
    assert settings == {"epoch_ends": [3]}
    steps[:] = [lambda: None, lambda: leave_trace(keras.training.path, num_fits=1)]
    assert task.trained().facts == {"num_fits": 1}


def test_recorded_states_are_in_the_training_of_the_keras_half(waiting):
    task, keras, _ = waiting
    task.anchors().begin(AnchorPlan((0,), (0,), (0,)))
    assert [path.name for path in keras.training.anchors.iterdir()] == ["plan.json"]


def test_a_half_that_waits_stops_when_its_parent_is_gone(half, make_directory, monkeypatch):
    keras, torch = make_directory("a"), make_directory("a", "torch")
    leave_trace(keras)

    def run_program(task):
        monkeypatch.setattr(os, "getppid", lambda: 1 - os.getpid())
        task.anchors().read(0)

    half.run_program = run_program
    with pytest.raises(SystemExit, match="the parent process is gone"):
        run(half, torch, name="torch")


@pytest.mark.parametrize(
    "content",
    [None, "{", "[]", "3", '{"epochs": 0}', '{"epoch": 1}', '{"run": {"epochs": 0}}', "\udcff"],
)
def test_a_bad_spec_is_one_line(half, tmp_path, capfd, content):
    if content is not None:
        (tmp_path / "spec.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert run(half, tmp_path) == 2
    assert re.fullmatch(r"keras half: .+\n", capfd.readouterr().err)
    assert half.calls == []


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (RunError("it did not work"), 3, {"is_input": False, "message": "it did not work"}),
        (InputError("use another"), 2, {"is_input": True, "message": "use another"}),
    ],
)
def test_an_error_of_the_project_ends_with_its_own_code_and_keeps_no_run_from_its_turn(
    half, make_directory, capfd, error, code, told
):
    run_program = half.run_program

    def fails(task):
        if task.folder.path.parent.name == "a":
            raise error
        return run_program(task)

    half.run_program = fails
    first, second = make_directory("a"), make_directory("b")
    assert run(half, first, second) == code
    assert capfd.readouterr().err == f"keras half: {error}\n"
    assert read_json(first / "failure.json") == told
    assert not (first / SUCCESS).exists()
    assert RunFolder(second).training.is_complete


def test_a_training_that_fails_behind_its_probes_is_not_complete(half, make_directory):
    def run_program(task):
        task.probed()
        raise ZeroDivisionError("in fit")

    half.run_program = run_program
    directory = make_directory("a")
    with pytest.raises(ZeroDivisionError):
        run(half, directory)
    assert (directory / SUCCESS).exists()
    message = read_json(directory / "failure.json")["message"]
    assert message.startswith("ZeroDivisionError: in fit (test_child.py:")
    assert not RunFolder(directory).training.is_complete


# A half that trains for a minute, or hangs where it cannot report.
FAKE_MODULE = """
import os, sys, time, types
from parity.worker import main
def run_program(task):
    print("pid", os.getpid(), flush=True)
    if HANG:
        time.sleep(60)
    for step in range(4000):
        task.report(step + 1, 4000, 1.0)
        time.sleep(0.01)
nothing = lambda *arguments: {}
half = types.SimpleNamespace(
    configure=nothing, describe_environment=nothing, run_program=run_program
)
sys.exit(main("keras", half, sys.argv[1:]))
"""


def test_a_child_stops_by_itself_when_its_parent_is_killed(make_directory, tmp_path):
    directory = make_directory("a")
    log = tmp_path / "log"
    script = (
        "import subprocess, sys\n"
        "with open(sys.argv[1], 'ab') as log:\n"
        "    subprocess.run([sys.executable, '-c', *sys.argv[2:]], stdout=log, stderr=log)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, log, FAKE_MODULE.replace("HANG", "False"), "run", directory],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        wait_for(lambda: log.exists() and "progress keras " in log.read_text())
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: "the parent process is gone" in log.read_text())
    pid = int(re.search(r"pid (\d+)", log.read_text())[1])
    wait_for(lambda: not is_alive(pid))


def test_a_child_that_is_terminated_shows_where_it_was(make_directory):
    process = subprocess.Popen(
        [sys.executable, "-c", FAKE_MODULE.replace("HANG", "True"), "run", make_directory("a")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("pid ")
        process.terminate()
        text, _ = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGTERM
    assert "in run_program" in text
