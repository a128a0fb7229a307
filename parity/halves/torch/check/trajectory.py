"""A few steps of training, as a port makes them.

Keras's batches and masks go in; `trajectory/…` comes out: losses, and the weights after each step.
"""

from __future__ import annotations

from parity.data import probe_inputs
from parity.halves.torch.check.optimizer import begin_training, cut, given_rates, make_step
from parity.halves.torch.check.port_loss import Loss
from parity.halves.torch.check.refused_steps import left_out_if_refused
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import Trace, TraceWriter


def write_trajectory(port: PortUnderTest, form: str, writer: TraceWriter) -> None:
    """Makes a few steps with Keras's masks, and writes losses and weights."""
    loss = Loss(port, form)
    num_steps = len(port.keras["trajectory/losses"])
    given = given_rates(port.keras, "trajectory/rates")
    begin_training(port)
    for step in range(1, num_steps + 1):
        if step == probe_inputs.TRAJECTORY_CUT_BEFORE and _is_cut(port.keras):
            cut(port)
        with left_out_if_refused(port, step, writer):
            value = _made(port, loss, step, given[step - 1] if given else None)
            for item in port.carried:
                writer.put(f"trajectory/{step}/{item.name}", item.of_step())
            writer.put(f"trajectory/loss/{step}", value)


def _made(port: PortUnderTest, loss: Loss, step: int, rate: float | None) -> float:
    """Makes a step with a given rate, None: that of the port; returns the loss before it."""
    optimizer, purpose = port.built.optimizer, f"step{step}"
    assert optimizer is not None
    optimizer.zero_grad()
    port.forward(purpose, purpose, training=True, is_kept=False)
    value = loss.last(purpose)
    if value.requires_grad:  # a loss of whole numbers depends on no weight
        value.backward()
    make_step(port, rate)
    return float(value.detach())


def _is_cut(keras: Trace) -> bool:
    """Whether Keras's rate changes in front of the step at which a cut is made."""
    before, after = keras["trajectory/rates"][probe_inputs.TRAJECTORY_CUT_BEFORE - 2 :][:2]
    return bool(before != after)
