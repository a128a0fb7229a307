"""What a child of a program's benchmark is told."""

from pathlib import Path

from parity.bench.program_task import ProgramBenchTask
from parity.programs.program_spec import ProgramSpec


def task(**changes):
    spec = ProgramSpec(keras="a:build", torch="b:build", batch_size=16)
    return ProgramBenchTask("train", "torch-fused", "fp32", spec, 64, "/run", **changes)


def test_a_task_is_read_back_as_it_was_written():
    assert ProgramBenchTask.from_dict(task().to_dict()) == task()


def test_it_knows_where_the_samples_of_an_epoch_are():
    assert task().feed == Path("/run/keras/feed.safetensors")
    assert task(is_written=True).feed == Path("/run/joined.safetensors")
    assert task().batch_size == 16
