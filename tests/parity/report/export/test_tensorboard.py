"""Event files of a result, read back by TensorBoard's own reader and by ours; no framework."""

import contextlib
import math
import subprocess
import sys

import pytest

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

from result_samples import HISTORY, broken_run, item, run
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.errors import OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

from parity.behaviour.readers.history import read_history
from parity.errors import InputError
from parity.ladder.items import PASS, Level
from parity.report.export.curves import FILE, write_events


def scalars(folder):
    """Tag to the value of each step, by TensorBoard's own reader."""
    found = {}
    reader = PyRecordReader_New(str(folder / FILE))
    with contextlib.suppress(OutOfRangeError):  # at the end
        while True:
            reader.GetNext()
            event = Event.FromString(reader.record())
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def trajectory(*items):
    return [Level("trajectory", PASS, "measured", items)]


WORST = {
    "trajectory/weights": {1: 0.5, 20: 0.125},
    "trajectory/running_loss": {7: 0.25},
    "trajectory/val_loss": {20: 0.0625},
}
TORCH = {**HISTORY, "loss": [2.0, 1.25, 0.5], "val_loss": [2.5, 1.5]}


@pytest.fixture
def written(tmp_path):
    items = [
        item("conv1.kernel", 0.5, step=1, epoch=0),
        item("running loss", 0.25, step=7, epoch=0),
        item("dense1.bias", 0.125, step=20, epoch=1),
        item("val_loss", 0.0625, step=20, epoch=1),
        item("restored", 9.0),  # belongs to no step
    ]
    paths = write_events(
        run(trajectory(*items), history={"keras": HISTORY, "torch": TORCH}), tmp_path / "logs"
    )
    assert paths == [
        tmp_path / "logs" / name / FILE for name in ("keras", "torch", "difference", "allowed")
    ]
    return tmp_path / "logs"


def test_each_half_has_the_columns_of_its_history_by_epoch(written):
    for half, history in (("keras", HISTORY), ("torch", TORCH)):
        assert scalars(written / half) == {
            f"epoch_{key}": pytest.approx(dict(enumerate(column)), rel=1e-7)  # of float32
            for key, column in history.items()
        }


def test_a_half_is_read_back_as_its_history(written):
    found = read_history(written / "keras")
    rates = found.pop("learning_rate")
    assert found == {key: values for key, values in HISTORY.items() if key != "learning_rate"}
    assert rates == pytest.approx(HISTORY["learning_rate"], rel=1e-7)  # of float32


def test_differences_are_absolute_and_as_long_as_the_shorter_half(written):
    found = scalars(written / "difference")
    same = {key: column for key, column in HISTORY.items() if not key.endswith("loss")}
    columns = same | {"loss": {0: 0.0, 1: 0.25, 2: 0.0}, "val_loss": {0: 0.0, 1: 0.0}}
    assert found == WORST | {
        f"difference/{key}": dict.fromkeys(range(3), 0.0) if key in same else column
        for key, column in columns.items()
    }


def test_the_trajectory_has_worst_and_allowed_under_one_tag(written):
    assert scalars(written / "allowed") == {
        tag: pytest.approx(dict.fromkeys(steps, 1e-12)) for tag, steps in WORST.items()
    }


def test_the_steps_of_the_probes_are_not_those_of_the_training(tmp_path):
    probe, whole = item("layer.a", 2.0, step=3), item("layer.a", 0.5, step=3, epoch=1)
    write_events(run(trajectory(probe, whole)), tmp_path)
    assert scalars(tmp_path / "difference")["trajectory/weights"] == {3: 0.5}


def test_what_is_not_finite_or_too_large_is_written(tmp_path):
    column = [math.nan, math.inf, 1e300, -1.0]
    history = {"keras": {"loss": column}, "torch": {"loss": [0.0] * 4}}
    write_events(run((), history=history), tmp_path)
    first, second, third, last = scalars(tmp_path / "keras")["epoch_loss"].values()
    assert math.isnan(first)
    assert (second, third, last) == (math.inf, math.inf, -1.0)
    assert scalars(tmp_path / "difference")["difference/loss"][3] == 1.0


def test_a_result_without_curves_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither a history nor a trajectory"):
        write_events(broken_run("killed"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="cannot be written"):
            write_events(run(), folder)
    assert (tmp_path / "file").read_text() == "mine"


def test_without_tensorboard_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(InputError, match=r"pip install 'keras-torch-parity\[tensorboard\]'"):
        write_events(run(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_writing_imports_no_framework(tmp_path):
    """TensorBoard's EventFileWriter imports TensorFlow when it is called, where it is installed."""
    code = (
        "import sys; from pathlib import Path\n"
        "from parity.report.export.curves import write_events\n"
        "from parity.ladder.result import Result\n"
        "history = {half: {'loss': [1.0, 0.5]} for half in ('keras', 'torch')}\n"
        f"write_events(Result('pass', {{}}, history=history), Path({str(tmp_path)!r}))\n"
        "print({'tensorflow', 'torch', 'keras'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"
    assert (tmp_path / "torch" / FILE).exists()
