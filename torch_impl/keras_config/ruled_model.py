"""RuledModel: the regularisers and constraints of the layers of a twin, for its training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from torch_impl.keras_config.rules import LayerRules
from torch_impl.penalty import RegularizedLoss


class RuledModel(nn.Module):
    """A twin whose layers, its children, may have regularisers and constraints.

    Attributes:
        keras_names: name of a child -> Keras's name of the layer.
        output_terms: penalties of outputs in the last call.
        is_penalised: whether the penalties have been asked for.
        is_constrained: whether an optimizer applies the constraints.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keras_names: dict[str, str] = {}
        self._rules: dict[str, LayerRules] = {}
        self.output_terms: list[torch.Tensor] = []
        self.is_penalised = self.is_constrained = False

    @property
    def penalty(self) -> TwinPenalty:
        """The penalties of the layers, for `RegularizedLoss`."""
        self.is_penalised = True
        return TwinPenalty(self)

    def weight_terms(self) -> Iterator[torch.Tensor]:
        """Yields the penalties of the weights that are trained, each a scalar."""
        for module, rules in self._ruled_layers():
            yield from rules.weight_terms(module)

    def _ruled_layers(self, seen: set[int] | None = None) -> Iterator[tuple[nn.Module, LayerRules]]:
        """Yields the layers with their rules, each once, those of inner models too."""
        seen = set() if seen is None else seen
        for name, module in self.named_children():
            if isinstance(module, RuledModel):
                yield from module._ruled_layers(seen)
            elif self.keras_names[name] in self._rules and id(module) not in seen:
                seen.add(id(module))
                yield module, self._rules[self.keras_names[name]]

    def constrain(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Replaces the weights that have a constraint in the config, as Keras does after a step.

        Args:
            optimizer: does so after each of its steps from now on; None: it is done once, now.
        """
        if optimizer is not None:
            self.is_constrained = True
            optimizer.register_step_post_hook(lambda *_: self.constrain())
            return
        for module, rules in self._ruled_layers():
            rules.constrain(module)

    def rules_by_layer(self) -> dict[str, LayerRules]:
        """Returns the layers that have regularisers or constraints, those of inner models too."""
        found = {name: rules for name, rules in self._rules.items() if rules}
        for name, module in self.named_children():
            if isinstance(module, RuledModel):
                inner = module.rules_by_layer()
                found |= {f"{self.keras_names[name]}/{key}": value for key, value in inner.items()}
        return found

    def left_out(self, loss: Any) -> list[str]:
        """Returns a sentence for each part of Keras's training that nothing has asked for.

        Args:
            loss: of the training; a `RegularizedLoss` has its penalties, whichever they are.
        """
        rules = self.rules_by_layer()
        penalised = [name for name, rule in rules.items() if rule.is_penalised]
        constrained = [name for name, rule in rules.items() if rule.constraints]
        told = []
        if penalised and not self.is_penalised and not isinstance(loss, RegularizedLoss):
            told.append(
                f"layers {penalised} have regularisers, and the loss has no penalty: expected "
                "RegularizedLoss(loss, module.penalty) of torch_impl.penalty"
            )
        if constrained and not self.is_constrained:
            told.append(
                f"layers {constrained} have constraints, and nothing applies them: expected "
                "module.constrain(optimizer)"
            )
        return told


class TwinPenalty:
    """The penalties of a twin's layers, by the regularisers in the config.

        criterion = RegularizedLoss(losses.MeanSquaredError(), twin.penalty)

    Penalties of outputs are those of the last call of the twin. Frozen weights have no penalty.

    Args:
        model: the twin.
    """

    def __init__(self, model: RuledModel) -> None:
        self.model = model

    def terms(self) -> Iterator[torch.Tensor]:
        """Yields the penalties, each a scalar: those of outputs first, as in Keras."""
        yield from self.model.output_terms
        yield from self.model.weight_terms()

    def __repr__(self) -> str:
        return f"TwinPenalty({', '.join(self.model.rules_by_layer())})"
