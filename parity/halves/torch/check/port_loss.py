"""What a port makes small: its own loss, or Keras's, called alike by all stages of a check.

A port and the form of its output go in; the loss of what the port returns comes out, for targets
and weights of samples that the trace of Keras has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from parity.halves.torch.check.broadcasts import Shapes, seen_broadcasts
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import from_returned
from torch_impl.losses import OutputLosses, from_config, sample_weights
from torch_impl.losses import logits as keras_logits
from torch_impl.losses.outputs import parts_of, takes_weights
from torch_impl.masks import mask_of

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
        self._broadcasts: list[Shapes] = []
        self._takes_whole: bool | None = None  # all that a module returns; not tried yet

    def last(self, purpose: str) -> torch.Tensor:
        """Returns the loss of what the port returned last, for Keras's targets of a batch.

        Args:
            purpose: of the batch: "probe", "step1", ...
        """
        return self.of(self._port.nest, purpose)

    def broadcast(self, returned: Any, targets: Arrays) -> Shapes | None:
        """Returns the first two shapes that the port's loss broadcasts; None: it does not.

        Args:
            returned: outputs, as the port returns them.
            targets: by the name of the output.
        """
        self._broadcasts = []
        try:
            with torch.no_grad():
                self.for_targets(returned, targets)
        except Exception:  # the user's code may raise anything; another stage tells it
            return None
        return self._broadcasts[0] if self._broadcasts else None

    def of(self, returned: Any, purpose: str) -> torch.Tensor:
        """Returns the loss of outputs, as a port returns them, for targets of the trace."""
        targets = self.arrays(f"target/{purpose}")
        return self.for_targets(returned, targets, self.weights(f"weight/{purpose}"))

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
            weights = sample_weights(labels, built.class_weight, getattr(torch, port.dtype))
        if not names:
            returned = self._of_one(returned, target, weights)
        elif not is_by_name(self._given) and built.target is None:
            target = port.outputs.like_returned(returned, target)
            weights = port.outputs.like_returned(returned, weights)
        value = self._said(returned, target, weights)
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            raise ValueError(_several(self._given, value))
        self._parts = parts_of(self._given)
        return value

    @property
    def parts(self) -> dict[str, torch.Tensor]:
        """What the loss of each of several outputs said last, without its weight."""
        return self._parts if self._own is None else {}

    def _said(self, returned: Any, target: Any, weights: Any) -> torch.Tensor:
        """Returns what the port's loss says of outputs as the port returns them."""
        output = self._port.built.taken(returned)
        with seen_broadcasts(output, target) as found:
            value: torch.Tensor = self._given(output, target, **self._weighted(weights))
        self._broadcasts += found
        return value

    def _weighted(self, weights: Any) -> dict[str, Any]:
        """Returns the weights as an argument, if the loss has it; class weights it must have."""
        is_taken = self._port.built.class_weight is not None or takes_weights(self._given)
        return {} if weights is None or not is_taken else {"sample_weight": weights}

    def _of_one(self, returned: Any, target: Any, weights: Any) -> Any:
        """Returns what a loss of one output takes: the first tensor, or all that is returned."""
        port = self._port
        if isinstance(returned, torch.Tensor):
            return returned
        if self._takes_whole is None:
            try:
                with torch.no_grad():
                    made = self._said(returned, target, weights)
                self._takes_whole = isinstance(made, torch.Tensor)
            except Exception:  # the user's code may raise anything
                self._takes_whole = False
        return returned if self._takes_whole else port.outputs.raw(returned)[""]

    def arrays(self, key: str) -> Arrays:
        """Returns what the trace has under a key, by the name of the output."""
        keras, names = self._port.keras, self._port.outputs.names
        return {name: keras[f"{key}/{name}"] for name in names} if names else {"": keras[key]}

    def weights(self, key: str) -> Any:
        """Returns the weights of the samples that the trace has; None if there are none."""
        port, keras = self._port, self._port.keras
        if not keras.facts["loss"].get("sample_weight"):  # those of classes are the port's own
            return None
        if key in keras:
            return port.tensor(keras[key]).to(port.device)
        found = {
            name: port.tensor(keras[f"{key}/{name}"]).to(port.device)
            for name in port.outputs.names
            if f"{key}/{name}" in keras
        }
        return found or None


def _several(loss: Any, value: torch.Tensor) -> str:
    """Returns what is said of a loss that is several numbers; a check looks for its first words."""
    told = getattr(loss, "__name__", type(loss).__name__)
    return (
        f"the loss returned several numbers, a tensor of shape {tuple(value.shape)}, from {told}; "
        "expected one, the mean over all samples: return the .mean() of it, as Keras takes it"
    )


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
        mask, logits = mask_of(output), getattr(output, "_keras_logits", None)
        shape = port.keras["forward/eval/output"].shape
        output = from_returned(output, shape, port.returned)
        if logits is not None:  # which turning loses
            output = keras_logits.carrying(output, from_returned(logits, shape, port.returned))
        output = activated(output, form, facts.get("output_activation"))
        labels = port.tensor(targets[""]).to(port.device)
        if by_label is not None:
            weights = sample_weights(labels, by_label, getattr(torch, port.dtype))
        value: torch.Tensor = own(output, labels, weights, mask=mask)
        return value

    return of_one


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
