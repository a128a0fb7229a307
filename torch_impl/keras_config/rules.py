"""Regularisers and constraints of the weights and outputs of a twin's layer, from its config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from torch_impl import constraints, regularizers
from torch_impl.constraints import Constraint
from torch_impl.keras_config.graph import Config
from torch_impl.keras_config.settings import given, holder, setting
from torch_impl.layers import EinsumDense
from torch_impl.layouts import variables
from torch_impl.regularizers import L1L2, Regularizer

# Keras gives the regulariser of their output to each of their projections. The second one has it
# itself, too.
_PROJECTING = ("MultiHeadAttention", "GroupQueryAttention")


class Projections:
    """The penalties of the outputs of projections inside of a layer.

    Args:
        module: the layer, whose projections are its children.
        regularizer: of each output.
    """

    def __init__(self, module: nn.Module, regularizer: Regularizer) -> None:
        self.regularizer = regularizer
        self._terms: list[torch.Tensor] = []
        for child in module.children():
            if isinstance(child, EinsumDense):
                child.register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self._terms.append(_of_output(self.regularizer, output))

    def take(self) -> list[torch.Tensor]:
        """Returns the penalties since the last time."""
        terms, self._terms = self._terms, []
        return terms


def _of_output(regularizer: Regularizer, output: torch.Tensor) -> torch.Tensor:
    """Returns the penalty of an output, divided by the batch size; 0 of an empty batch."""
    penalty = regularizer(output)
    if not output.ndim:
        return penalty
    return penalty / len(output) if len(output) else penalty * 0


@dataclass(frozen=True)
class LayerRules:
    """What Keras adds to the loss for a layer, and does with its weights after a step.

    Attributes:
        regularizers: of weights, by their names below the layer.
        constraints: of weights, likewise.
        activity: of the layer's outputs.
        projections: penalties inside of the layer.
    """

    regularizers: dict[str, Regularizer]
    constraints: dict[str, Constraint]
    activity: Regularizer | None = None
    projections: Projections | None = None

    def __bool__(self) -> bool:
        return bool(self.is_penalised or self.constraints)

    @property
    def is_penalised(self) -> bool:
        """Whether something of the layer has a regulariser."""
        return bool(self.regularizers or self.activity or self.projections)

    def weight_terms(self, module: nn.Module) -> Iterator[torch.Tensor]:
        """Yields the penalties of the weights that are trained, each a scalar."""
        for variable in variables(module) if self.regularizers else ():
            regularizer = self.regularizers.get(variable.name)
            if regularizer and any(tensor.requires_grad for tensor in variable.tensors):
                yield regularizer(variable.to_keras(variable.tensors))

    def output_terms(self, outputs: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yields the penalty of each output, divided by the batch size."""
        yield from self.projections.take() if self.projections else ()
        if self.activity:
            yield from (_of_output(self.activity, output) for output in outputs)

    def constrain(self, module: nn.Module) -> None:
        """Replaces the weights that are trained and have a constraint."""
        for variable in variables(module) if self.constraints else ():
            if constraint := self.constraints.get(variable.name):
                constraints.apply(variable, constraint)


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
    if found.activity and layer["class_name"] in _PROJECTING:
        projections = Projections(module, found.activity)
        has_itself = layer["class_name"] == "GroupQueryAttention"
        found = LayerRules({}, {}, found.activity if has_itself else None, projections)
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
