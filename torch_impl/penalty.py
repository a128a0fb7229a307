"""Penalties: the regularised weights and outputs of a model, and the loss that adds them.

    criterion = RegularizedLoss(
        losses.SparseCategoricalCrossentropy(from_logits=True),
        Penalty(model, {"dense.weight": L2(0.01)}, activities={"conv": L1(1e-4)}),
    )

Source: keras 3.15 `layers/layer.py` (`losses`), `trainers/trainer.py` (`compute_loss`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from torch_impl.layouts import variables
from torch_impl.losses.outputs import takes_weights
from torch_impl.losses.reduction import Loss
from torch_impl.regularizers import L2, Regularizer


class Terms(Protocol):
    """Penalties of a model, as a loss adds them."""

    def terms(self) -> Iterator[torch.Tensor]:
        """Yields the penalties, each a scalar."""


class Penalty:
    """The penalties of a model; in Keras they belong to its layers.

    Frozen weights have no penalty. The penalty of an output is divided by the batch size, counts
    once for every call of its layer, and is reset when the model is called again.

    Args:
        model: has the weights and outputs that are penalised.
        weights: from the name of a parameter, as in `model.named_parameters()`, to its regulariser
            (`kernel_regularizer`, `bias_regularizer` and so on).
        activities: from the name of a module, "" for the model, to the regulariser of its output
            (`activity_regularizer`). Hooks on the model do this; `remove` removes them.

    Raises:
        AttributeError: the model has no parameter or module of that name.
    """

    def __init__(
        self,
        model: nn.Module,
        weights: Mapping[str, Regularizer] | None = None,
        activities: Mapping[str, Regularizer] | None = None,
    ) -> None:
        self.weights = dict(weights or {})
        self.activities = dict(activities or {})
        self._terms = []
        for name, regularizer in self.weights.items():
            layer = model.get_submodule(name.rpartition(".")[0])
            self._terms.append((model.get_parameter(name), layer, regularizer))
        self._of_outputs: list[torch.Tensor] = []
        self._hooks: list[Any] = []
        if self.activities:
            self._hooks.append(model.register_forward_pre_hook(self._forget))
        for name, regularizer in self.activities.items():
            hook = self._watch(regularizer)
            self._hooks.append(model.get_submodule(name).register_forward_hook(hook))

    def terms(self) -> Iterator[torch.Tensor]:
        """Yields the penalties, each a scalar: those of outputs first, as in Keras."""
        yield from self._of_outputs
        for parameter, layer, regularizer in self._terms:
            if parameter.requires_grad:
                yield regularizer(
                    parameter if regularizer.is_layout_free else _keras_layout(parameter, layer)
                )

    def remove(self) -> None:
        """Removes the hooks from the model and forgets the outputs."""
        for hook in self._hooks:
            hook.remove()
        self._of_outputs = []

    def _forget(self, *_: Any) -> None:
        self._of_outputs = []

    def _watch(self, regularizer: Regularizer) -> Any:
        def hook(_layer: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            penalty = regularizer(output)
            if output.ndim and len(output):  # Keras: 0 / 0 is 0
                penalty = penalty / len(output)
            self._of_outputs.append(penalty)

        return hook


class Added:
    """What a module tells of its last pass, to be added to the loss, as Keras's `add_loss` adds.

    It stands in the place of a `Penalty`.

    Args:
        model: has made the pass.
        added: called with the model; returns a scalar.
    """

    def __init__(self, model: nn.Module, added: Callable[[nn.Module], torch.Tensor]) -> None:
        self._model, self._added = model, added

    def terms(self) -> Iterator[torch.Tensor]:
        """Yields what is added."""
        yield self._added(self._model)

    def remove(self) -> None:
        """Does nothing: the model has no hooks."""


class RegularizedLoss(nn.Module):
    """What Keras minimises: the loss plus the penalties of the layers.

    Differs from a torch loss with the weight_decay of a torch optimizer in:
    1. the penalty belongs to the loss: it is part of every reported loss, and its gradient passes
       through the moments of Adam.

    Args:
        loss: any loss that is called with outputs and targets.
        penalty: of the model: a Penalty, the `penalty` of the twin of a Keras model, or what the
            model adds by itself.
    """

    def __init__(self, loss: Loss | nn.Module, penalty: Terms) -> None:
        super().__init__()
        self.loss, self.penalty = loss, penalty

    @property
    def takes_weights(self) -> bool:
        """Whether the loss has the argument `sample_weight`."""
        return takes_weights(self.loss)

    def forward(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns the loss of a batch and the penalties, a scalar.

        Args:
            y_pred: outputs.
            y_true: targets.
            sample_weight: passed to the loss if given; penalties are not weighted.
        """
        weights = () if sample_weight is None else (sample_weight,)
        loss: torch.Tensor = self.loss(y_pred, y_true, *weights)
        for term in self.penalty.terms():
            loss = loss + term  # (1)
        return loss


def kernel_l2(model: nn.Module, l2: float) -> Penalty:
    """Returns the penalty of a model with `L2(l2)` on every Conv2d and Linear kernel.

    Biases have no penalty, and `l2` of 0 gives no penalty at all.
    """
    regularizer = L2(l2)
    kernels = [
        f"{name}.weight" if name else "weight"
        for name, layer in model.named_modules()
        if l2 and isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    return Penalty(model, dict.fromkeys(kernels, regularizer))


def _keras_layout(parameter: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """Returns a weight with its axes in Keras's order, such as (height, width, in, out)."""
    for variable in variables(layer):
        if len(variable.tensors) == 1 and variable.tensors[0] is parameter:
            return variable.to_keras((parameter,))
    return parameter
