"""run_program: probes a user's port, and trains it on what Keras was fed.

Keras's probes -> probes of the port -> trace of the half
Keras's feed   -> training           -> trace of the training, and how far a change of the
initial weights drives it apart
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.traces.trace import CheckWriter, RunResult, TraceWriter, Weights
from torch_impl.harness.check import run_check
from torch_impl.harness.check.loss import loss_of, takes_columns
from torch_impl.harness.factories import factory_of
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.program.spread import left_open, moved, spread_of
from torch_impl.harness.program.training import Report, train

if TYPE_CHECKING:
    from parity.runs.program_child import ProgramTask


def run_program(task: ProgramTask) -> RunResult:
    """Probes and trains a port.

    Args:
        task: its `probes` receive what `run_check` writes, its `training` receives `training/...`.

    Returns:
        History and seconds of the training.

    Raises:
        InputError: the port cannot be probed, or cannot be trained as Keras was.
    """
    check, keras = task.check, task.keras
    assert keras is not None
    factory = factory_of(check)
    run_check(check, factory, task.probes, keras)
    form = str(task.probes.facts["output_form"])
    fed, start = task.feed(), {name: keras[f"start/{name}"] for name in keras.below("start")}

    def trained(weights: Weights, writer: TraceWriter, report: Report) -> RunResult:
        port = PortUnderTest(factory, check.seed, keras, check.device)
        if "target/probe" in keras:
            port.has_columns = takes_columns(port, loss_of(port, form))
        return train(port, form, weights, fed, writer, report)

    result = trained(start, task.training, task.report)
    task.training.facts["given"] = task.probes.facts["given"]
    if size := left_open(keras, task.probes):
        other = CheckWriter()
        trained(moved(start, size), other, lambda step, total, loss: None)
        task.training.facts["spread"] = spread_of(task.training, other)
    return result
