"""The loss of a port, its own or Keras's, and its value for extreme outputs.

A port and the form of its output go in; a loss with one signature for all stages comes out, and
`loss/confident/…`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from parity.traces.trace import TraceWriter
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.port.portable import as_returned, from_returned
from torch_impl.layers import activations
from torch_impl.losses import from_config, sample_weights
from torch_impl.losses import logits as keras_logits

Loss = Callable[[Any, Any, np.ndarray], torch.Tensor]


def loss_of(port: PortUnderTest, form: str) -> Loss:
    """Returns the loss of the port, or Keras's loss if the port has none."""
    built, facts = port.built, port.keras.facts
    if built.loss is not None:
        given: Any = built.loss
        if built.class_weight is None:
            return lambda output, target, y: given(output, target)
        by_class = built.class_weight

        def weighted(output: Any, target: Any, y: np.ndarray) -> torch.Tensor:
            weights = sample_weights(port.tensor(y), by_class)
            value: torch.Tensor = given(output, target, sample_weight=weights)
            return value

        return weighted
    own = from_config(facts["loss"]["config"] or facts["loss"]["name"])
    weights = facts["loss"]["class_weight"]
    by_label = None if weights is None else {int(key): float(w) for key, w in weights.items()}

    def loss(output: Any, target: Any, y: np.ndarray) -> torch.Tensor:
        output = from_returned(output, port.keras["forward/eval/output"].shape, port.returned)
        output = activated(output, form, facts.get("output_activation"))
        labels = port.tensor(y)
        weighted = {} if by_label is None else {"sample_weight": sample_weights(labels, by_label)}
        value: torch.Tensor = own(output, labels, **weighted)
        return value

    return loss


def takes_columns(port: PortUnderTest, loss: Loss) -> bool:
    """Whether the port's loss needs labels as a column: `fit` takes (N,) and (N, 1) alike.

    A loss that squeezes a column fails for the one label of the last batch, not for many.
    """
    key = "target/probe"
    labels = port.keras[key]
    if port.built.loss is None or port.built.target is not None or labels.ndim != 1:
        return False
    works = []
    with torch.no_grad():
        for target in (port.target(key), port.target(key)[:, None]):
            try:
                loss(port.output[:1], target[:1], labels[:1])
                loss(port.output, target, labels)
                works.append(True)
            except Exception:  # the user's code may raise anything
                works.append(False)
    return works == [False, True]


def activated(output: torch.Tensor, form: str, name: str | None) -> torch.Tensor:
    """Returns an output as Keras's model returns it.

    Args:
        output: of the port.
        form: what it is: "linear", "log" or another word of `output_form`.
        name: of the activation at the end of Keras's model, or None.
    """
    if form == "linear" and name == "softmax":
        return keras_logits.softmax(output)
    if form == "linear" and name == "sigmoid":
        return keras_logits.sigmoid(output)
    return output.exp() if form == "log" else output


def write_confident_loss(port: PortUnderTest, form: str, loss: Loss, writer: TraceWriter) -> None:
    """Writes the loss of given extreme outputs, without the model."""
    y = port.keras["loss/confident/target"]
    theirs = port.keras["loss/confident/linear"]
    given = as_returned(theirs, port.output.shape, port.returned)
    linear = port.tensor(given).to(port.device).requires_grad_()
    axis = -1 if np.array_equal(given, theirs) else 1
    name = port.keras.facts.get("output_activation")
    output = linear
    if form != "linear" and name == "softmax":
        # If the port's softmax carries its logits, as Keras's does, the loss looks for them.
        softmax = keras_logits.softmax if hasattr(port.output, "_keras_logits") else torch.softmax
        output = linear.log_softmax(axis) if form == "log" else softmax(linear, axis)
    elif form != "linear" and name == "sigmoid" and hasattr(port.output, "_keras_logits"):
        output = keras_logits.sigmoid(linear)
    elif form != "linear" and name is not None:
        if name not in activations.ACTIVATIONS:  # a function of the user
            return
        output = activations.activation(name)(linear)
    value = loss(output, port.target("loss/confident/target"), y)
    writer.put("loss/confident/value", float(value.detach()))
    value.sum().backward()
    assert linear.grad is not None
    expected = port.keras["loss/confident/gradient"].shape
    gradient = from_returned(linear.grad.cpu(), expected, port.returned)
    writer.put("loss/confident/gradient", gradient.numpy())
