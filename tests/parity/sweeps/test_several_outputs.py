"""Sweeps of programs with several outputs: each half trains by itself, and the sweep judges."""

import os

import pytest
from programs_here import FOLDER

import parity.halves.keras
import parity.halves.torch
from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenarios import Margins, Terms
from parity.sweeps.child import SweptProgram, train_program
from parity.sweeps.equivalence import compare
from parity.sweeps.rows import Row, judge_record
from parity.traces.feed_file import write_feed

pytestmark = pytest.mark.long

PROGRAM = ProgramSpec(
    program="several",
    keras="several_keras.py:build",
    torch="several_torch.py:build",
    folder=str(FOLDER),
    epochs=10,
)
TERMS = {"several": Terms(margins=Margins(accuracy=0.03))}  # four of the 120 samples


def rows(half, name, spec, feed=None):
    """The runs of all seeds."""
    specs = [spec.replace(seed=seed) for seed in range(6)]
    records = [(train_program(half, name, one, os.getppid(), feed), one) for one in specs]
    return [Row("several", one.seed, name, *judge_record(record, one)) for record, one in records]


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    task = SweptProgram(PROGRAM, lambda: None, trains=False)
    parity.halves.keras.fit_program(task)
    path = tmp_path_factory.mktemp("fed") / "feed.safetensors"
    write_feed(path, task.nests, task.settings)
    return path


@pytest.fixture(scope="module")
def compared(feed):
    references = rows(parity.halves.keras, "keras", PROGRAM)

    def compared(port):
        spec = PROGRAM.replace(torch=f"several_torch.py:{port}")
        return compare([*references, *rows(parity.halves.torch, "torch", spec, feed)], TERMS)

    return compared


def test_a_right_port_behaves_as_keras_does_in_losses_and_accuracies(compared):
    found = compared("build")
    assert found.verdict == "pass", [(r.quantity, r.verdict, r.needed) for r in found.comparisons]
    quantities = [row.quantity for row in found.comparisons]
    assert quantities == ["loss", "val_loss", "epochs", "kind_accuracy"]


def test_exchanged_weights_of_the_losses_are_called_different(compared):
    found = compared("exchanged")
    loss, val_loss, *_ = found.comparisons
    assert (found.verdict, loss.verdict, val_loss.verdict) == ("fail", "different", "different")
    assert loss.torch < loss.keras / 1.5


def test_a_port_with_other_names_of_outputs_is_told(feed):
    spec = PROGRAM.replace(torch="several_torch.py:misnamed")
    with pytest.raises(InputError, match="outputs of the port of size, sort"):
        train_program(parity.halves.torch, "torch", spec, os.getppid(), feed)
