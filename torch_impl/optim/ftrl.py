"""Ftrl by Keras's equations."""

from __future__ import annotations

from typing import ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors
from torch_impl.optim.rounding import through_float32
from torch_impl.schedule.base import LearningRateSchedule


class Ftrl(KerasOptimizer):
    """Follow the regularised leader as Keras computes it (McMahan et al. 2013).

        n = a + g * g;  q = -learning_rate_power
        z += g + 2 * l2_shrinkage * w - (n**q - a**q) / lr * w
        w = (clip(z, -l1, l1) - z) / (n**q / lr + 2 * l2 + beta / lr);  a = n

    The weight that a step leaves comes from z and a alone, so that an entry of z within l1 makes a
    weight of 0. With weight_decay, w is decayed before, which enters z.

    Torch 2.13 has no Ftrl. As in `Adagrad`, a starts at 0.1, rounded to float32 in float64 runs
    too. Torch's powers can differ in the last bit.

    Source: keras 3.15 `optimizers/ftrl.py`.

    Args:
        learning_rate_power: minus q, at most 0.
        initial_accumulator_value: a at the start, at least 0.
        l1_regularization_strength: l1, at least 0.
        l2_regularization_strength: l2, at least 0.
        l2_shrinkage_regularization_strength: l2_shrinkage, at least 0.
        beta: of the paper.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.

    Raises:
        ValueError: one of them has another sign.
    """

    SLOTS: ClassVar[dict[str, str]] = {"accumulator": "accumulator", "linear": "linear"}

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        weight_decay: float | None = None,
        **common: Unpack[CommonArguments],
    ) -> None:
        at_least_0 = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for name, value in at_least_0.items():
            if value < 0:
                raise ValueError(f"{name}={value!r}: expected a number of at least 0")
        if learning_rate_power > 0:
            raise ValueError(
                f"learning_rate_power={learning_rate_power!r}: expected a number of at most 0"
            )
        settings = {"learning_rate_power": learning_rate_power, "beta": beta, **at_least_0}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        start = through_float32(group["initial_accumulator_value"])
        rate, q = self._rate(group), -group["learning_rate_power"]
        l1 = group["l1_regularization_strength"]
        of_shrinkage = 2 * group["l2_shrinkage_regularization_strength"]
        of_l2 = 2 * group["l2_regularization_strength"] + group["beta"] / rate
        accumulators = [self._slot(parameter, "accumulator", start) for parameter in parameters]
        linears = [self._slot(parameter, "linear") for parameter in parameters]
        before = torch._foreach_pow(accumulators, q)
        torch._foreach_add_(accumulators, torch._foreach_mul(gradients, gradients))
        after = torch._foreach_pow(accumulators, q)
        moved = torch._foreach_sub(after, before)
        torch._foreach_div_(moved, rate)
        torch._foreach_mul_(moved, parameters)
        added = torch._foreach_add(gradients, parameters, alpha=of_shrinkage)
        torch._foreach_sub_(added, moved)
        torch._foreach_add_(linears, added)
        torch._foreach_div_(after, rate)
        torch._foreach_add_(after, of_l2)
        for parameter, linear, divisor in zip(parameters, linears, after, strict=True):
            parameter.copy_((linear.clamp(-l1, l1) - linear) / divisor)
