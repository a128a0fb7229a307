"""A few steps of training, as a port makes them.

Keras's batches and masks go in; `trajectory/…` comes out, losses and the weights after each step.
"""

from __future__ import annotations

from parity.data import probe_inputs
from parity.traces.trace import TraceWriter
from torch_impl.harness.check.loss import loss_of
from torch_impl.harness.check.optimizer import cut, given_rates, make_step
from torch_impl.harness.port.port_under_test import Rig


def write_trajectory(rig: Rig, form: str, writer: TraceWriter) -> None:
    """A few steps as the port makes them, with Keras's masks."""
    port, loss = rig.port, loss_of(rig, form)
    assert port.optimizer is not None
    losses: list[float] = []
    num_steps = len(rig.bundle["trajectory/losses"])
    given = given_rates(rig.bundle, "trajectory/rates")
    for step in range(1, num_steps + 1):
        purpose = f"step{step}"
        if step == probe_inputs.TRAJECTORY_CUT_BEFORE:
            cut(rig)
        port.optimizer.zero_grad()
        _, output = rig.forward(purpose, purpose, training=True)
        value = loss(output, rig.target(f"target/{purpose}"), rig.bundle[f"target/{purpose}"])
        value.backward()
        make_step(rig, given[step - 1] if given else None)
        losses.append(float(value.detach()))
        for name, weight in rig.weights().items():
            writer.put(f"trajectory/{step}/{name}", probe_inputs.sampled(weight))
        writer.put(f"trajectory/loss/{step}", losses[-1])
