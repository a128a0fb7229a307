"""The child of a benchmark: what it is given, what it sets up, and how it ends."""

import faulthandler
import json
import os
import re
import signal
from pathlib import Path
from unittest.mock import Mock

import pytest
from bench_children import task
from helpers import make_data

from parity import worker
from parity.bench.server import NoMoreRounds, NotApplicable, ProgramBenchTask, refuse, run_bench
from parity.data.load import save_data
from parity.files.json_io import write_json
from parity.programs.program_spec import ProgramSpec


class FakeHalf:
    """Answers once, and ends as the loop of a half does."""

    def __init__(self):
        self.calls = []

    def configure(self, spec):
        self.calls.append(("configure", spec.threads))

    def run_bench(self, given, data, turns):
        self.calls.append(("run", given, len(data.x_train)))
        turns.ready({"framework": "fake"}, lambda: None)
        raise NoMoreRounds


@pytest.fixture
def ready_folder(tmp_path):
    """Makes the folder of a task; the data lie beside it."""
    data = make_data((4, 4, 1), num_classes=2, num_train=7, num_val=3)
    save_data(data, tmp_path / "data.safetensors")

    def make(given):
        (tmp_path / "child").mkdir()
        write_json(tmp_path / "child" / "task.json", given.to_dict())
        return tmp_path / "child"

    return make


@pytest.fixture
def pipe():
    receiver, sender = os.pipe()
    yield receiver, sender
    os.close(receiver)


@pytest.mark.parametrize(
    ("given", "configured"),
    [
        (task(threads=3), [("configure", 3)]),
        # Its variables say all; `configure` would choose TensorFlow.
        (task("keras-torch"), []),
    ],
    ids=["torch", "Keras on torch"],
)
def test_a_child_sets_up_its_process_and_answers_on_the_pipe(ready_folder, pipe, given, configured):
    half = FakeHalf()
    run_bench(half, ready_folder(given), pipe[1])
    assert half.calls == [*configured, ("run", given, 7)]
    ready = {"ready": True, "environment": {"framework": "fake"}}
    assert json.loads(os.read(pipe[0], 4096)) == ready
    assert os.read(pipe[0], 4096) == b""  # its end is closed


@pytest.fixture
def main():
    yield worker.main
    faulthandler.unregister(signal.SIGTERM)  # which main() registers


def test_what_cannot_be_done_here_is_one_line_and_wrong_use(main, ready_folder, pipe, capfd):
    half, given = FakeHalf(), task(precision="fp16")
    half.run_bench = Mock(side_effect=refuse(given, "half precision needs a GPU"))
    assert main("torch", half, ["bench", str(ready_folder(given)), str(pipe[1])]) == 2
    assert capfd.readouterr().err == (
        "torch half: torch, fp16 on cpu: half precision needs a GPU\n"
    )


def test_data_that_are_missing_are_one_line(main, ready_folder, tmp_path, pipe, capfd):
    folder = ready_folder(task())
    (tmp_path / "data.safetensors").unlink()
    assert main("torch", FakeHalf(), ["bench", str(folder), str(pipe[1])]) == 2
    assert re.fullmatch(r"torch half: .*cannot be read.*\n", capfd.readouterr().err)
    os.close(pipe[1])


@pytest.mark.parametrize("number", ["", "x", "-1"])
def test_a_pipe_that_is_no_number_is_wrong_use(number, capfd):
    with pytest.raises(SystemExit) as ended:
        worker.main("torch", FakeHalf(), ["bench", "folder", number])
    assert ended.value.code == 2
    assert "usage: python -m parity.worker torch" in capfd.readouterr().err


# --- programs of the user's ----------------------------------------------------------------------


def program_task(**changes):
    spec = ProgramSpec(keras="a:build", torch="b:build", batch_size=16, threads=3)
    return ProgramBenchTask("train", "torch-fused", "fp32", spec, 64, "/run", **changes)


def test_a_task_of_a_program_is_read_back_and_knows_where_the_samples_are():
    assert ProgramBenchTask.from_dict(program_task().to_dict()) == program_task()
    feeds = program_task().feed, program_task(is_written=True).feed
    assert feeds == (Path("/run/keras/feed.safetensors"), Path("/run/joined.safetensors"))
    assert program_task().batch_size == 16


def test_a_variant_that_does_not_apply_answers_with_the_reason(ready_folder, pipe):
    half, folder = Mock(), ready_folder(program_task())
    half.bench_program.side_effect = NotApplicable("no convolutions")
    run_bench(half, folder, pipe[1])
    assert json.loads(os.read(pipe[0], 4096)) == {"skipped": "no convolutions"}
    half.configure.assert_called_once_with(program_task().spec)
    (told, place, _), _ = half.bench_program.call_args
    assert (told, place.path) == (program_task(), folder)
