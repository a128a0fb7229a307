"""RMSprop by Keras's equations: plain, with momentum, centered."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors, mix_squares
from torch_impl.schedule.base import LearningRateSchedule


class RMSprop(KerasOptimizer):
    """RMSprop as Keras computes it.

        v = rho * v + (1 - rho) * g * g
        a = rho * a + (1 - rho) * g;  d = v - a * a + epsilon           centered
                                      d = v + epsilon                   else
        w -= lr * g / sqrt(d)                                           without momentum
        m = momentum * m + lr * g / sqrt(d);  w -= m                    with it

    The slots v and a equal Keras's bit for bit. If rounding makes a centered d negative, the NaN
    appears in the same step as in Keras. Torch's square roots can differ in the last bit.

    Differs from torch.optim.RMSprop in:
    1. epsilon is added under the root, where 1e-7 has the effect of 3e-4 outside the root;
    2. its default is 1e-7, not 1e-8;
    3. the decay of v is called rho and is 0.9 by default, not "alpha" of 0.99;
    4. learning_rate is 0.001 by default, not 0.01;
    5. the rate is part of m, so that a change of the rate does not act on earlier steps;
    6. weight_decay is decoupled, see `KerasOptimizer`.

    Source: keras 3.15 `optimizers/rmsprop.py`.

    Args:
        rho: decay of v and of a.
        momentum: 0 for none.
        epsilon: added under the root.
        centered: whether the mean of the gradient is subtracted, so that d is a variance.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {
        name: name for name in ("velocity", "momentum", "average_gradient")
    }

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,  # (4)
        rho: float = 0.9,  # (3)
        momentum: float = 0.0,
        epsilon: float = 1e-7,  # (2)
        centered: bool = False,
        weight_decay: float | None = None,  # (6)
        **common: Unpack[CommonArguments],
    ) -> None:
        settings = {"rho": rho, "momentum": momentum, "eps": epsilon, "centered": centered}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        rate, rho = self._rate(group), group["rho"]
        velocities = [self._slot(parameter, "velocity") for parameter in parameters]
        mix_squares(velocities, gradients, rho)
        if group["centered"]:
            averages = [self._slot(parameter, "average_gradient") for parameter in parameters]
            torch._foreach_mul_(averages, rho)
            torch._foreach_add_(averages, torch._foreach_mul(gradients, 1 - rho))
            roots = torch._foreach_sub(velocities, torch._foreach_mul(averages, averages))
            torch._foreach_add_(roots, group["eps"])  # (1)
        else:
            roots = torch._foreach_add(velocities, group["eps"])  # (1)
        torch._foreach_sqrt_(roots)
        if group["momentum"] > 0:
            slots = [self._slot(parameter, "momentum") for parameter in parameters]
            torch._foreach_mul_(slots, group["momentum"])
            torch._foreach_addcdiv_(slots, gradients, roots, value=rate)  # (5)
            torch._foreach_sub_(parameters, slots)
        else:
            torch._foreach_addcdiv_(parameters, gradients, roots, value=-rate)
