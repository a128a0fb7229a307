"""The loss of a port for extreme outputs, without the module.

A port and the form of its output go in; `loss/confident/…` comes out.
"""

from __future__ import annotations

import numpy as np
import torch

from parity.halves.torch.check.port_loss import Loss
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import as_returned, from_returned
from parity.traces.trace import TraceWriter, keyed
from torch_impl.layers import activations
from torch_impl.losses import logits as keras_logits
from torch_impl.masks import mask_of, with_mask


def write_confident_loss(port: PortUnderTest, form: str, loss: Loss, writer: TraceWriter) -> None:
    """Writes the loss of given extreme outputs, without the model."""
    returned = port.nest
    raw = port.outputs.raw(returned)
    linear, made = {}, {}
    for name, own in raw.items():
        given = _ConfidentOutput(port, name, own.detach(), form)
        linear[name], output = given.linear, given.output()
        if output is None:  # a function of the user
            return
        # The batch is as large as that of the probe if Keras's outputs have a mask.
        mask = mask_of(own) if len(own) == len(output) else None
        made[name] = output if mask is None else with_mask(output, mask)
    targets = loss.arrays("loss/confident/target")
    outputs = port.outputs.like(returned, made)
    value = loss.for_targets(outputs, targets, loss.weights("weight/confident"))
    writer.put("loss/confident/value", float(value.detach()))
    for name, part in loss.parts.items():
        writer.put(f"loss/confident/of/{name}", float(part))
    value.sum().backward()
    for name, tensor in linear.items():
        key = keyed("loss/confident/gradient", name)
        slope = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        axes = None if name else port.returned
        writer.put(key, from_returned(slope.cpu(), port.keras[key].shape, axes).numpy())


class _ConfidentOutput:
    """Given outputs of extreme confidence, as a port returns them."""

    def __init__(self, port: PortUnderTest, name: str, own: torch.Tensor, form: str) -> None:
        key = keyed("loss/confident/linear", name)
        array = port.keras[key]
        given = as_returned(array, own.shape, None if name else port.returned)
        self.linear = port.tensor(given).to(port.device).requires_grad_()
        self._axis = -1 if np.array_equal(given, array) else 1
        self._form = port.outputs.forms.get(name, "same") if name else form
        self._has_logits = hasattr(port.outputs.raw(port.nest)[name], "_keras_logits")
        self._is_activated = name in port.keras.facts.get("activated", ())
        self._name = port.outputs.activation_of(name) if name else None
        if not name:
            self._name = port.keras.facts.get("output_activation")

    def output(self) -> torch.Tensor | None:
        """Returns them after the activation, if the port has it; None if it is not known."""
        linear, name = self.linear, self._name
        if self._is_activated:  # a port without the activation needs what went into it
            return None if self._form == "linear" else linear
        if self._form == "linear" or name is None:
            return linear
        if name == "softmax":
            # If the port's softmax carries its logits, as Keras's does, the loss looks for them.
            softmax = keras_logits.softmax if self._has_logits else torch.softmax
            is_log = self._form == "log"
            return linear.log_softmax(self._axis) if is_log else softmax(linear, self._axis)
        if name == "sigmoid" and self._has_logits:
            return keras_logits.sigmoid(linear)
        if name not in activations.ACTIVATIONS:
            return None
        return activations.activation(name)(linear)
