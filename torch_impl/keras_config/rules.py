"""Regularisers and constraints of the weights and outputs of a twin's layer, from its config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from torch_impl import constraints, regularizers
from torch_impl.constraints import Constraint
from torch_impl.keras_config.graph import Config
from torch_impl.keras_config.settings import given, holder, setting
from torch_impl.layouts import variables
from torch_impl.regularizers import L1L2, Regularizer
from torch_impl.weights import put


@dataclass(frozen=True)
class LayerRules:
    """What Keras adds to the loss for a layer, and does with its weights after a step.

    Attributes:
        regularizers: of weights, by their names below the layer.
        constraints: of weights, likewise.
        activity: of the layer's outputs.
    """

    regularizers: dict[str, Regularizer]
    constraints: dict[str, Constraint]
    activity: Regularizer | None = None

    def __bool__(self) -> bool:
        return bool(self.regularizers or self.constraints or self.activity)

    def weight_terms(self, module: nn.Module) -> Iterator[torch.Tensor]:
        """Yields the penalties of the weights that are trained, each a scalar."""
        for variable in variables(module) if self.regularizers else ():
            regularizer = self.regularizers.get(variable.name)
            if regularizer and any(tensor.requires_grad for tensor in variable.tensors):
                yield regularizer(variable.to_keras(variable.tensors))

    def output_terms(self, outputs: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yields the penalty of each output, divided by the batch size."""
        for output in outputs if self.activity else ():
            penalty = self.activity(output)  # type: ignore[misc]
            if output.ndim:  # Keras: 0 / 0 is 0
                penalty = penalty / len(output) if len(output) else penalty * 0
            yield penalty

    @torch.no_grad()
    def constrain(self, module: nn.Module) -> None:
        """Replaces the weights that are trained and have a constraint."""
        for variable in variables(module) if self.constraints else ():
            constraint = self.constraints.get(variable.name)
            if constraint and any(tensor.requires_grad for tensor in variable.tensors):
                value = constraint(variable.to_keras(variable.tensors))
                for tensor, part in zip(variable.tensors, variable.to_torch(value), strict=True):
                    put(variable, tensor, part)


def rules_of(module: nn.Module, layer: Config) -> LayerRules:
    """Returns the rules of a layer.

    Args:
        module: its twin.
        layer: its entry in the config of a model.

    Raises:
        ValueError: a regulariser or constraint is none of Keras's, or belongs to no weight here.
    """
    config = layer["config"]
    found = LayerRules({}, {}, regularizers.from_config(config.get("activity_regularizer")))
    if layer["class_name"] == "ActivityRegularization":
        found = LayerRules({}, {}, L1L2(config["l1"], config["l2"]))
    waiting = set(given(layer, "regularizer", "constraint"))
    waiting.discard((config.get("name", ""), "activity_regularizer"))
    for variable in variables(module) if waiting else ():
        own = holder(layer, variable.name)
        if entry := setting(own, variable.name, "regularizer"):
            regularizer = regularizers.from_config(entry[1])
            assert regularizer is not None
            found.regularizers[variable.name] = regularizer
            waiting.discard((own.get("name", ""), entry[0]))
        if entry := setting(own, variable.name, "constraint"):
            constraint = constraints.from_config(entry[1])
            assert constraint is not None
            found.constraints[variable.name] = constraint
            waiting.discard((own.get("name", ""), entry[0]))
    # A layer without a bias may still have a regulariser for it.
    left = sorted(name for _, name in waiting if not name.startswith(("bias", "beta", "gamma")))
    if left:
        raise ValueError(f"{left[0]} of a layer inside of it, or of no weight: expected None")
    return found
