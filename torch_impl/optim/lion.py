"""Lion by Keras's equations."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors
from torch_impl.optim.rounding import numpy_dtype, through_float32
from torch_impl.schedule.base import LearningRateSchedule


class Lion(KerasOptimizer):
    """Lion as Keras computes it (Chen et al. 2023), bit for bit.

        w -= lr * sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g

    torch 2.13 has no Lion. Differs from the torch version of the paper's authors in:
    1. learning_rate is 0.001 by default, not 0.0001;
    2. b1 and b2 are rounded to float32, in float64 runs too.

    Source: keras 3.15 `optimizers/lion.py`.

    Args:
        beta_1: share of m in the step, in (0, 1].
        beta_2: decay of m.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.

    Raises:
        ValueError: beta_1 is outside (0, 1].
    """

    SLOTS: ClassVar[dict[str, str]] = {"momentum": "momentum"}

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,  # (1)
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        **common: Unpack[CommonArguments],
    ) -> None:
        if not 0 < beta_1 <= 1:
            raise ValueError(f"beta_1={beta_1!r}: expected a number in (0, 1]")
        super().__init__(params, learning_rate, {"betas": (beta_1, beta_2)}, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        dtype: Any = numpy_dtype(parameters[0].dtype)
        beta_1, beta_2 = (dtype(through_float32(beta)) for beta in group["betas"])  # (2)
        momentums = [self._slot(parameter, "momentum") for parameter in parameters]
        signs = torch._foreach_mul(momentums, float(beta_1))
        torch._foreach_add_(signs, torch._foreach_mul(gradients, float(1 - beta_1)))
        torch._foreach_sign_(signs)
        torch._foreach_mul_(signs, self._rate(group))
        torch._foreach_sub_(parameters, signs)
        torch._foreach_mul_(momentums, float(beta_2))
        torch._foreach_add_(momentums, torch._foreach_mul(gradients, float(1 - beta_2)))
