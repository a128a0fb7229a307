"""Adagrad by Keras's equations."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors
from torch_impl.optim.rounding import through_float32
from torch_impl.schedule.base import LearningRateSchedule


class Adagrad(KerasOptimizer):
    """Adagrad as Keras computes it.

        a += g * g
        w -= lr * g / sqrt(a + epsilon)

    The slot a equals Keras's bit for bit. Torch's square roots can differ in the last bit.

    Differs from torch.optim.Adagrad in:
    1. a starts at 0.1, not at 0, rounded to float32 in float64 runs too;
    2. epsilon is added under the root, and is 1e-7, not 1e-10;
    3. learning_rate is 0.001 by default, not 0.01;
    4. weight_decay is decoupled, see `KerasOptimizer`;
    5. the rate does not decay with the step; use a schedule.

    Source: keras 3.15 `optimizers/adagrad.py`.

    Args:
        initial_accumulator_value: a at the start.
        epsilon: added under the root.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {"accumulator": "accumulator"}

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,  # (3)
        initial_accumulator_value: float = 0.1,  # (1)
        epsilon: float = 1e-7,  # (2)
        weight_decay: float | None = None,  # (4)
        **common: Unpack[CommonArguments],
    ) -> None:
        settings = {"initial_accumulator_value": initial_accumulator_value, "eps": epsilon}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        start = through_float32(group["initial_accumulator_value"])  # (1)
        accumulators = [self._slot(parameter, "accumulator", start) for parameter in parameters]
        torch._foreach_add_(accumulators, torch._foreach_mul(gradients, gradients))
        roots = torch._foreach_add(accumulators, group["eps"])  # (2)
        torch._foreach_sqrt_(roots)
        torch._foreach_addcdiv_(parameters, gradients, roots, value=-self._rate(group))
