"""The loss of a port, its own or Keras's, and its value for extreme outputs.

A port and the form of its output go in; a loss that all stages call alike comes out, and
`loss/confident/…`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from parity.traces.trace import TraceWriter
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.port.portable import as_returned, from_returned
from torch_impl.layers import activations
from torch_impl.losses import OutputLosses, from_config, sample_weights
from torch_impl.losses import logits as keras_logits
from torch_impl.losses.outputs import parts_of, takes_weights

Arrays = dict[str, np.ndarray]  # by the name of the output; of the only one by ""


class Loss:
    """What a port makes small: its own loss, or Keras's if it has none.

    Args:
        port: the port.
        form: of its only output.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: Keras's loss is not known here.
    """

    def __init__(self, port: PortUnderTest, form: str) -> None:
        self._port = port
        self._given: Any = port.built.loss
        self._own = _own_loss(port, form) if self._given is None else None
        self._parts: dict[str, torch.Tensor] = {}

    def last(self, purpose: str) -> torch.Tensor:
        """Returns the loss of what the port returned last, for Keras's targets of a batch.

        Args:
            purpose: of the batch: "probe", "step1", ...
        """
        return self.of(self._port.returned, purpose)

    def of(self, returned: Any, purpose: str) -> torch.Tensor:
        """Returns the loss of outputs, as a port returns them, for targets of the trace."""
        targets = self._arrays(f"target/{purpose}")
        return self.for_targets(returned, targets, self._weights(f"weight/{purpose}"))

    def for_targets(self, returned: Any, targets: Arrays, weights: Any = None) -> torch.Tensor:
        """Returns the loss of outputs for given targets.

        Args:
            returned: outputs, as the port returns them.
            targets: by the name of the output.
            weights: of the samples: a tensor, or tensors by the name of the output.
        """
        if self._own is not None:
            return self._own(returned, targets, weights)
        port, built = self._port, self._port.built
        names = port.outputs.names
        target = port.target_of(dict(targets) if names else targets[""])
        if built.class_weight is not None:
            labels = port.tensor(targets[""])
            weights = sample_weights(labels, built.class_weight)
        if not names:
            returned = self._of_one(returned, target, weights)
        elif not is_by_name(self._given) and built.target is None:
            target = port.outputs.like_returned(returned, target)
            weights = port.outputs.like_returned(returned, weights)
        value: torch.Tensor = self._given(returned, target, **self._weighted(weights))
        self._parts = parts_of(self._given)
        return value

    @property
    def parts(self) -> dict[str, torch.Tensor]:
        """What the loss of each of several outputs said last, without its weight."""
        return self._parts if self._own is None else {}

    def _weighted(self, weights: Any) -> dict[str, Any]:
        """Returns the weights as an argument, if the loss has it; class weights it must have."""
        is_taken = self._port.built.class_weight is not None or takes_weights(self._given)
        return {} if weights is None or not is_taken else {"sample_weight": weights}

    def _of_one(self, returned: Any, target: Any, weights: Any) -> Any:
        """Returns what a loss of one output takes: the first tensor, or all that is returned."""
        port = self._port
        if isinstance(returned, torch.Tensor):
            return returned
        if port.takes_whole is None:
            try:
                with torch.no_grad():
                    made = self._given(returned, target, **self._weighted(weights))
                port.takes_whole = isinstance(made, torch.Tensor)
            except Exception:  # the user's code may raise anything
                port.takes_whole = False
        return returned if port.takes_whole else port.outputs.raw(returned)[""]

    def _arrays(self, key: str) -> Arrays:
        keras, names = self._port.keras, self._port.outputs.names
        return {name: keras[f"{key}/{name}"] for name in names} if names else {"": keras[key]}

    def _weights(self, key: str) -> Any:
        """Returns the weights of the samples that the trace has; None if there are none."""
        port, keras = self._port, self._port.keras
        if key in keras:
            return port.tensor(keras[key]).to(port.device)
        found = {
            name: port.tensor(keras[f"{key}/{name}"]).to(port.device)
            for name in port.outputs.names
            if f"{key}/{name}" in keras
        }
        return found or None

    def write_confident(self, form: str, writer: TraceWriter) -> None:
        """Writes the loss of given extreme outputs, without the model."""
        port = self._port
        returned = port.returned
        raw = port.outputs.raw(returned)
        linear, made = {}, {}
        for name, own in raw.items():
            given = _ConfidentOutput(port, name, own.detach(), form)
            linear[name], output = given.linear, given.output()
            if output is None:  # a function of the user
                return
            made[name] = output
        targets = self._arrays("loss/confident/target")
        outputs = port.outputs.like(returned, made)
        value = self.for_targets(outputs, targets, self._weights("weight/confident"))
        writer.put("loss/confident/value", float(value.detach()))
        for name, part in self.parts.items():
            writer.put(f"loss/confident/of/{name}", float(part))
        value.sum().backward()
        for name, tensor in linear.items():
            key = f"loss/confident/gradient/{name}" if name else "loss/confident/gradient"
            slope = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            writer.put(key, from_returned(slope.cpu(), port.keras[key].shape).numpy())


class _ConfidentOutput:
    """Given outputs of extreme confidence, as a port returns them."""

    def __init__(self, port: PortUnderTest, name: str, own: torch.Tensor, form: str) -> None:
        key = f"loss/confident/linear/{name}" if name else "loss/confident/linear"
        array = port.keras[key]
        given = as_returned(array, own.shape)
        self.linear = port.tensor(given).to(port.device).requires_grad_()
        self._axis = -1 if given.shape == array.shape else 1
        self._form = port.outputs.forms.get(name, "same") if name else form
        self._has_logits = hasattr(port.outputs.raw(port.returned)[name], "_keras_logits")
        self._name = port.outputs.activation_of(name) if name else None
        if not name:
            self._name = port.keras.facts.get("output_activation")

    def output(self) -> torch.Tensor | None:
        """Returns them after the activation, if the port has it; None if it is not known."""
        linear, name = self.linear, self._name
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


def is_by_name(loss: Any) -> bool:
    """Whether a loss takes targets by the names of outputs, in any order: `OutputLosses` does."""
    while loss is not None and not isinstance(loss, OutputLosses):
        loss = getattr(loss, "loss", None)
    return loss is not None


def _own_loss(port: PortUnderTest, form: str) -> Callable[[Any, Arrays, Any], torch.Tensor]:
    """Returns Keras's loss."""
    facts = port.keras.facts
    told: Mapping[str, Any] = facts["loss"]
    if port.outputs.names:
        losses = {n: from_config(t["config"] or t["name"]) for n, t in told["outputs"].items()}
        weights = {name: each["weight"] for name, each in told["outputs"].items()}
        together = OutputLosses(losses, weights, port.outputs.names)

        def of_all(returned: Any, targets: Arrays, weights: Any) -> torch.Tensor:
            tensors = {name: port.tensor(y).to(port.device) for name, y in targets.items()}
            value: torch.Tensor = together(port.outputs.each(returned), tensors, weights)
            return value

        return of_all
    own = from_config(told["config"] or told["name"])
    by_class = told["class_weight"]
    by_label = None if by_class is None else {int(key): float(w) for key, w in by_class.items()}

    def of_one(returned: Any, targets: Arrays, weights: Any) -> torch.Tensor:
        output = port.outputs.raw(returned)[""]
        output = from_returned(output, port.keras["forward/eval/output"].shape)
        output = activated(output, form, facts.get("output_activation"))
        labels = port.tensor(targets[""]).to(port.device)
        if by_label is not None:
            weights = sample_weights(labels, by_label)
        value: torch.Tensor = own(output, labels, weights)
        return value

    return of_one


def takes_columns(port: PortUnderTest, loss: Loss) -> bool:
    """Whether the port's loss needs labels as a column: `fit` takes (N,) and (N, 1) alike.

    A loss that squeezes a column fails for the one label of the last batch, not for many.
    """
    if port.outputs.names or port.built.loss is None or port.built.target is not None:
        return False
    labels = port.keras["target/probe"]
    if labels.ndim != 1 or not isinstance(port.returned, torch.Tensor):
        return False
    works = []
    with torch.no_grad():
        for port.has_columns in (False, True):
            try:
                for rows in (slice(0, 1), slice(None)):
                    loss.for_targets(port.output[rows], {"": labels[rows]})
                works.append(True)
            except Exception:  # the user's code may raise anything
                works.append(False)
    port.has_columns = False
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
