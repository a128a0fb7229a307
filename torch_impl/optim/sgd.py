"""Gradient descent by Keras's equations: plain, with momentum, with Nesterov's momentum."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters, check_fraction
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors
from torch_impl.optim.rounding import through_float32
from torch_impl.schedule.base import LearningRateSchedule


class SGD(KerasOptimizer):
    """Gradient descent as Keras computes it; weights and slots equal Keras's bit for bit.

        w -= lr * g                                                     without momentum
        m = momentum * m - lr * g;  w += m                              with it
        m = momentum * m - lr * g;  w += momentum * m - lr * g          Nesterov's

    Differs from torch.optim.SGD in:
    1. the rate is part of the slot: after a change of the rate, earlier steps keep the old rate;
       torch's slot has no rate, so that the new rate acts on all of it at once;
    2. learning_rate is 0.01 by default, not 0.001;
    3. weight_decay is decoupled, see `KerasOptimizer`;
    4. there is no dampening; the first step is the same.

    Source: keras 3.15 `optimizers/sgd.py`.

    Args:
        momentum: in [0, 1]; at 0 there is no slot.
        nesterov: whether the momentum is applied once more ahead.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.

    Raises:
        ValueError: momentum is outside [0, 1].
    """

    SLOTS: ClassVar[dict[str, str]] = {"momentum": "momentum"}

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.01,  # (2)
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,  # (3)
        **common: Unpack[CommonArguments],
    ) -> None:
        check_fraction("momentum", momentum)
        settings = {"momentum": momentum, "nesterov": nesterov}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        # Keras computes product and sum separately; a fused operation would round only once.
        steps = torch._foreach_mul(gradients, self._rate(group))
        if group["momentum"] == 0:
            torch._foreach_sub_(parameters, steps)
            return
        # Keras casts the momentum, which rounds it to float32.
        momentum = through_float32(group["momentum"])
        slots = [self._slot(parameter, "momentum") for parameter in parameters]
        torch._foreach_mul_(slots, momentum)
        torch._foreach_sub_(slots, steps)  # (1)
        if group["nesterov"]:
            ahead = torch._foreach_mul(slots, momentum)
            torch._foreach_sub_(ahead, steps)
            torch._foreach_add_(parameters, ahead)
        else:
            torch._foreach_add_(parameters, slots)
