"""The child process: what it runs, what it prints, and how it ends."""

import faulthandler
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from paths import ROOT
from processes import is_alive, wait_for

from parity import worker
from parity.data.dataset import Data
from parity.data.transfer import save_data
from parity.errors import RunError
from parity.files.json_io import write_json
from parity.halves import protocol
from parity.programs.run_spec import RunSpec
from parity.traces.anchors import AnchorPlan
from parity.traces.folder import SUCCESS
from parity.traces.trace import RunResult, Trace

RESULT = RunResult({"loss": [0.5]}, {"dense1.bias": np.zeros(2)}, 0.25)


class FakeHalf:
    """Records the calls; a hook may be put in the place of each method."""

    def __init__(self):
        self.calls = []

    def configure(self, spec):
        self.calls.append("configure")

    def run_probe(self, spec, data, writer):
        self.calls.append("probe")
        writer.put("init/dense1.bias", np.ones(2))

    def Anchors(self, spec, data, writer, folder):
        return folder

    def fit(self, spec, data, recorder=None, anchors=None):
        self.calls.append("fit" if anchors is None else "fit with anchors")
        recorder.on_start(lambda: RESULT.weights)
        for _ in range(-(-len(data.x_train) // spec.batch_size) * spec.epochs):
            recorder.on_step(0.5, lambda: RESULT.weights)
        recorder.on_end(lambda: np.ones((1, 2)))
        return RESULT

    def describe_environment(self, spec):
        return {"framework": "fake"}


@pytest.fixture
def half():
    yield FakeHalf()
    faulthandler.unregister(signal.SIGTERM)  # which main() registers


@pytest.fixture
def data_file(tmp_path):
    x, y = np.zeros((7, 2, 2, 1), np.float32), np.array([0, 1, 0, 1, 0, 1, 0])
    path = tmp_path / "data"
    save_data(Data(x, y, x[:2], y[:2], x[:1], y[:1], num_classes=2, source="test"), path)
    return str(path)


@pytest.fixture
def make_directory(tmp_path):
    def make(name, **changes):
        (tmp_path / name).mkdir()
        # In float64 there are no anchors.
        spec = RunSpec(epochs=2, batch_size=4, dtype="float64").replace(**changes)
        write_json(tmp_path / name / "spec.json", spec.to_dict())
        return tmp_path / name

    return make


def run(half, data_file, *directories):
    return worker.main("torch", half, ["run", "--data", data_file, *map(str, directories)])


def test_every_directory_is_run(half, data_file, make_directory, capfd):
    first, second = make_directory("first"), make_directory("second")
    assert run(half, data_file, first, second) == 0
    assert half.calls == ["configure", "probe", "fit", "probe", "fit"]
    assert Trace(first).names("init") == ["dense1.bias"]
    assert Trace(first).environment == {"framework": "fake"}
    assert Trace(first).facts["sha256"].keys() >= {"x_train", "y_test"}
    out, err = capfd.readouterr()
    assert re.fullmatch(r"(progress first \d/4 loss=0.5\n)+(progress second \d/4 loss=0.5\n)+", out)
    assert "progress first 4/4 loss=0.5\n" in out
    assert err == ""


def test_training_samples_are_evaluated(half, data_file, make_directory):
    def fit(spec, data, recorder, anchors):
        recorder.on_step(0.5, lambda: RESULT.weights)
        recorder.on_epoch_end(lambda: (0.25, 0.75))
        recorder.on_end(lambda: np.ones((1, 2)))
        return RESULT

    half.fit = fit
    directory = make_directory("plain")
    assert run(half, data_file, directory) == 0
    expected = {"loss": [0.5], "eval_loss": [0.25], "eval_accuracy": [0.75]}
    assert Trace(directory).history == expected


def test_a_float32_run_gets_anchors_in_the_folder_of_the_keras_half(
    half, data_file, make_directory
):
    folders = []

    def Anchors(spec, data, writer, folder):
        folders.append(folder)
        folder.begin(AnchorPlan((0,), (0,), (0,)))
        return folder

    half.Anchors = Anchors
    keras, torch = (make_directory(name, dtype="float32") for name in ("keras", "torch"))
    for directory in (keras, torch):
        assert run(half, data_file, directory) == 0
    assert half.calls == ["configure", "probe", "fit with anchors"] * 2
    assert [path.name for path in (keras / "anchors").iterdir()] == ["plan.json"]
    assert not (torch / "anchors").exists()
    assert len(folders) == 2


def test_a_half_that_waits_for_an_anchor_stops_when_its_parent_is_gone(
    half, data_file, make_directory, monkeypatch
):
    def Anchors(spec, data, writer, folder):
        monkeypatch.setattr(os, "getppid", lambda: 1 - os.getpid())
        folder.read(0)

    half.Anchors = Anchors
    with pytest.raises(SystemExit, match="the parent process is gone"):
        run(half, data_file, make_directory("torch", dtype="float32"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: work"),
        (["--data", "x"], "invalid choice: 'x'"),
        (["train", "x"], "invalid choice: 'train'"),
        (["run", "x"], "the following arguments are required: --data"),
        (["run", "--data", "x"], "the following arguments are required: DIRECTORY"),
        (["run", "--dat", "x", "y"], "the following arguments are required: --data"),
        (["batch", "x", "y"], "unrecognized arguments: y"),
        (["bench", "x"], "the following arguments are required: FILE_DESCRIPTOR"),
        (["bench", "x", "y"], "'y': expected the number of an open file"),
    ],
)
def test_wrong_arguments(arguments, told, capfd):
    fake = FakeHalf()
    with pytest.raises(SystemExit) as ended:
        worker.main("keras", fake, arguments)
    error = capfd.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("usage: python -m keras_impl ")
    assert told in error
    assert fake.calls == []


@pytest.mark.parametrize("content", [None, "{", "[]", '{"epochs": 0}', '{"epoch": 1}', "\udcff"])
def test_a_bad_spec_is_one_line(half, data_file, tmp_path, capfd, content):
    if content is not None:
        (tmp_path / "spec.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert run(half, data_file, tmp_path) == 2
    assert re.fullmatch(r"torch half: .+\n", capfd.readouterr().err)
    assert half.calls == []


def test_data_that_are_missing_are_one_line(half, tmp_path, make_directory, capfd):
    assert run(half, str(tmp_path / "none"), make_directory("a")) == 2
    assert re.fullmatch(r"torch half: .*none cannot be read.*\n", capfd.readouterr().err)


def test_runs_that_need_processes_of_their_own_are_refused(half, data_file, make_directory, capfd):
    assert run(half, data_file, make_directory("a"), make_directory("b", threads=2)) == 2
    assert "threads is [1, 2]" in capfd.readouterr().err
    assert half.calls == []


def test_an_error_of_the_project_ends_with_its_own_code(half, data_file, make_directory, capfd):
    def fit(spec, data, recorder, anchors):
        raise RunError("it did not work")

    half.fit = fit
    directory = make_directory("a")
    assert run(half, data_file, directory) == 3
    assert capfd.readouterr().err == "torch half: it did not work\n"
    assert not (directory / SUCCESS).exists()


@pytest.mark.parametrize("name", ["torch", "scipy.ndimage.interpolation"])
def test_a_missing_framework_has_an_exit_code_of_its_own(
    half, data_file, make_directory, capfd, name
):
    def configure(spec):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    half.configure = configure
    assert run(half, data_file, make_directory("a")) == protocol.EXIT_NOT_INSTALLED
    assert capfd.readouterr().err == f"torch half: No module named {name!r}\n"


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torch_impl.optin'", name="torch_impl.optin"),
        ModuleNotFoundError("No module named 'flatbuffers'", name="flatbuffers"),
        ModuleNotFoundError("without a name"),
        MemoryError(),
        ZeroDivisionError(),
    ],
    ids=repr,
)
def test_anything_else_keeps_its_traceback(half, data_file, make_directory, error):
    def configure(spec):
        raise error

    half.configure = configure
    with pytest.raises(type(error)):
        run(half, data_file, make_directory("a"))


def test_a_directory_that_is_run_again_does_not_look_finished_meanwhile(
    half, data_file, make_directory
):
    directory = make_directory("a")
    (directory / SUCCESS).touch()

    def fit(spec, data, recorder, anchors):
        assert not (directory / SUCCESS).exists()
        raise ZeroDivisionError

    half.fit = fit
    with pytest.raises(ZeroDivisionError):
        run(half, data_file, directory)
    assert not (directory / SUCCESS).exists()


def test_progress_is_limited_by_time_and_the_last_step_is_printed(capfd, monkeypatch):
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    report = protocol.ProgressLines("name of run")
    for step in range(1, 1001):
        report(step, 1000, 2.0 / step)
        now_s += 0.001
    steps = re.findall(
        r"^progress name of run (\d+)/1000 loss=[\d.]+$", capfd.readouterr().out, re.M
    )
    assert len(steps) == 6
    assert (steps[0], steps[-1]) == ("1", "1000")


@pytest.mark.parametrize(
    ("loss", "text"), [(float("nan"), "nan"), (1e30, "1e+30"), (2.302585, "2.3026")]
)
def test_progress_of_any_loss_is_short(capfd, loss, text):
    protocol.ProgressLines("a")(1, 1, loss)
    assert capfd.readouterr().out == f"progress a 1/1 loss={text}\n"


def test_a_line_of_progress_is_one_write(capfd, monkeypatch):
    writes = []
    monkeypatch.setattr(sys.stdout, "write", writes.append)
    protocol.ProgressLines("a")(1, 2, 1.0)
    assert writes == ["progress a 1/2 loss=1\n"]


def test_the_parent_is_looked_at_even_when_nothing_is_printed(monkeypatch):
    report = protocol.ProgressLines("a")
    report(1, 9, 1.0)
    monkeypatch.setattr(os, "getppid", lambda: 1 - os.getpid())
    with pytest.raises(SystemExit, match="the parent process is gone"):
        report(2, 9, 1.0)


# A half that trains for a minute, or hangs where it cannot report.
FAKE_MODULE = """
import os, sys, time, types
from parity.worker import main
def fit(spec, data, recorder, anchors):
    recorder.on_start(dict)
    print("pid", os.getpid(), flush=True)
    if HANG:
        time.sleep(60)
    for step in range(4000):
        recorder.on_step(1.0, dict)
        time.sleep(0.01)
nothing = lambda *arguments: None
half = types.SimpleNamespace(configure=nothing, run_probe=nothing, fit=fit)
sys.exit(main("torch", half, sys.argv[1:]))
"""


def test_a_child_stops_by_itself_when_its_parent_is_killed(data_file, make_directory, tmp_path):
    directory = make_directory("a", epochs=2000)
    log = tmp_path / "log"
    script = (
        "import subprocess, sys\n"
        "with open(sys.argv[1], 'ab') as log:\n"
        "    subprocess.run([sys.executable, '-c', *sys.argv[2:]], stdout=log, stderr=log)\n"
    )
    fake = FAKE_MODULE.replace("HANG", "False")
    parent = subprocess.Popen(
        [sys.executable, "-c", script, log, fake, "run", "--data", data_file, directory],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        wait_for(lambda: log.exists() and "progress a " in log.read_text())
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: "the parent process is gone" in log.read_text())
    pid = int(re.search(r"pid (\d+)", log.read_text())[1])
    wait_for(lambda: not is_alive(pid))


def test_a_child_that_is_terminated_shows_where_it_was(data_file, make_directory):
    fake = FAKE_MODULE.replace("HANG", "True")
    process = subprocess.Popen(
        [sys.executable, "-c", fake, "run", "--data", data_file, make_directory("a")],
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
    assert "in fit" in text
