"""Adamax by Keras's equations."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors
from torch_impl.optim.rounding import numpy_dtype, power
from torch_impl.schedule.base import LearningRateSchedule


class Adamax(KerasOptimizer):
    """Adamax as Keras computes it (Kingma & Ba 2015, section 7.1), bit for bit.

        m += (1 - b1) * (g - m)
        u = max(b2 * u, |g|)
        w -= lr * m / ((1 - b1**t) * (u + epsilon))

    Differs from torch.optim.Adamax in:
    1. epsilon is added to u, while torch takes max(b2 * u, |g| + epsilon): with zero gradients
       torch's u falls to epsilon, and Keras's denominator never falls below it;
    2. epsilon is 1e-7 by default, not 1e-8;
    3. learning_rate is 0.001 by default, not 0.002;
    4. the power of b1 starts from a value rounded to float32, in float64 runs too;
    5. t counts the updates of the optimizer, not those in which a parameter had a gradient;
    6. weight_decay is decoupled, see `KerasOptimizer`.

    Source: keras 3.15 `optimizers/adamax.py`.

    Args:
        beta_1: decay of m.
        beta_2: decay of u.
        epsilon: added to u.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {"momentum": "momentum", "norm": "norm"}

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,  # (3)
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,  # (2)
        weight_decay: float | None = None,  # (6)
        **common: Unpack[CommonArguments],
    ) -> None:
        settings = {"betas": (beta_1, beta_2), "eps": epsilon}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        dtype: Any = numpy_dtype(parameters[0].dtype)
        beta_1, beta_2 = group["betas"]
        correction = float(1 - power(beta_1, self._num_updates(group), dtype))  # (4) (5)
        momentums = [self._slot(parameter, "momentum") for parameter in parameters]
        norms = [self._slot(parameter, "norm") for parameter in parameters]
        changes = torch._foreach_sub(gradients, momentums)
        torch._foreach_mul_(changes, 1 - beta_1)
        torch._foreach_add_(momentums, changes)
        torch._foreach_mul_(norms, beta_2)
        torch._foreach_maximum_(norms, torch._foreach_abs(gradients))
        divisors = torch._foreach_add(norms, group["eps"])  # (1)
        torch._foreach_mul_(divisors, correction)
        steps = torch._foreach_mul(momentums, self._rate(group))
        torch._foreach_div_(steps, divisors)
        torch._foreach_sub_(parameters, steps)
