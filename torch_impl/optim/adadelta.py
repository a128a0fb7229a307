"""Adadelta by Keras's equations."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors, mix_squares
from torch_impl.schedule.base import LearningRateSchedule


class Adadelta(KerasOptimizer):
    """Adadelta as Keras computes it (Zeiler 2012).

        a = rho * a + (1 - rho) * g * g
        d = g * sqrt(b + epsilon) / sqrt(a + epsilon)
        b = rho * b + (1 - rho) * d * d
        w -= lr * d

    The slot a ("accumulated_grad") equals Keras's bit for bit, b ("accumulated_delta_var") up to
    the last bit of torch's square roots.

    Differs from torch.optim.Adadelta in:
    1. learning_rate is 0.001 by default, not 1.0 as in the paper;
    2. rho is 0.95 by default, not 0.9;
    3. epsilon is 1e-7 by default, not 1e-6;
    4. weight_decay is decoupled, see `KerasOptimizer`.

    Source: keras 3.15 `optimizers/adadelta.py`.

    Args:
        rho: decay of a and of b.
        epsilon: added under the roots.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {
        name: name for name in ("accumulated_grad", "accumulated_delta_var")
    }

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,  # (1)
        rho: float = 0.95,  # (2)
        epsilon: float = 1e-7,  # (3)
        weight_decay: float | None = None,  # (4)
        **common: Unpack[CommonArguments],
    ) -> None:
        settings = {"rho": rho, "eps": epsilon}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        rho, epsilon = group["rho"], group["eps"]
        of_gradients = [self._slot(parameter, "accumulated_grad") for parameter in parameters]
        of_deltas = [self._slot(parameter, "accumulated_delta_var") for parameter in parameters]
        mix_squares(of_gradients, gradients, rho)
        deltas = list(torch._foreach_add(of_deltas, epsilon))
        torch._foreach_sqrt_(deltas)
        torch._foreach_mul_(deltas, gradients)
        roots = torch._foreach_add(of_gradients, epsilon)
        torch._foreach_sqrt_(roots)
        torch._foreach_div_(deltas, roots)
        mix_squares(of_deltas, deltas, rho)
        torch._foreach_mul_(deltas, self._rate(group))
        torch._foreach_sub_(parameters, deltas)
