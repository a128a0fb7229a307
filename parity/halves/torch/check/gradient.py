"""The loss and the gradients of a port in train mode, forward and back.

Keras's batch and masks go in; the loss and the gradient of every parameter come out.
"""

from __future__ import annotations

import numpy as np

from parity.data import probe_inputs
from parity.halves.torch.check.port_loss import Loss
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import TraceWriter


def write_gradients(port: PortUnderTest, loss: Loss, writer: TraceWriter) -> None:
    """Writes the loss and the gradients of one pass in train mode."""
    port.module.zero_grad()
    port.forward("train", "probe", training=True, is_kept=False)
    value = loss.last("probe")
    writer.put("loss/value", float(value.detach()))
    for name, part in loss.parts.items():
        writer.put(f"loss/of/{name}", float(part))
    if value.requires_grad or not _is_constant(port):
        value.backward()
    for name, gradient in port.gradients().items():
        if f"gradient/{name}" in port.keras:
            writer.put(f"gradient/{name}", probe_inputs.sampled(gradient))
    if not value.requires_grad:  # nor does Keras's loss depend on a weight
        for item in port.carried:
            key = f"gradient/{item.name}"
            if key in port.keras and key not in writer.arrays:
                writer.put(key, np.zeros_like(port.keras[key]))
    writer.facts["no_gradient"] = [
        name for name, p in port.module.named_parameters() if p.grad is None and p.requires_grad
    ]


def _is_constant(port: PortUnderTest) -> bool:
    """Whether Keras's loss depends on no weight: it has none, or its output is of whole numbers."""
    keys = [f"gradient/{name}" for name in port.keras.facts["weights"]]
    return not any(port.keras.largest(key) for key in keys if key in port.keras)
