"""Nadam by Keras's equations."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Group, Tensors
from torch_impl.optim.rounding import numpy_dtype, power, through_float32
from torch_impl.schedule.base import LearningRateSchedule


class Nadam(KerasOptimizer):
    """Adam with Nesterov's momentum as Keras computes it (Dozat 2016).

        u(t) = b1 * (1 - 0.5 * 0.96**t);  p(t) = u(1) * ... * u(t)
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        n = u(t + 1) * m / (1 - p(t) * u(t + 1)) + (1 - u(t)) * g / (1 - p(t))
        w -= lr * n / (sqrt(v / (1 - b2**t)) + epsilon)

    Differs from torch.optim.NAdam in:
    1. the exponent of 0.96 is t, and t * 0.004 in torch: torch's u starts at b1 / 2 and needs some
       thousand steps to reach b1, Keras's some hundred;
    2. epsilon is 1e-7 by default, not 1e-8;
    3. learning_rate is 0.001 by default, not 0.002;
    4. 0.96, b1 and b2 are rounded to float32, in float64 runs too, but not in p;
    5. t counts the updates of the optimizer, not those in which a parameter had a gradient;
    6. weight_decay is decoupled, see `KerasOptimizer`.

    `param_groups[i]["u_product"]` has the product p.
    Source: keras 3.15 `optimizers/nadam.py`.

    Args:
        beta_1: decay of m.
        beta_2: decay of v.
        epsilon: added to the root.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {"momentum": "momentum", "velocity": "velocity"}

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
        settings = {"betas": (beta_1, beta_2), "eps": epsilon, "u_product": 1.0}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        of_momentum, of_gradient, of_velocity = self._factors(group)
        beta_1, beta_2 = (through_float32(beta) for beta in group["betas"])  # (4)
        momentums = [self._slot(parameter, "momentum") for parameter in parameters]
        velocities = [self._slot(parameter, "velocity") for parameter in parameters]
        torch._foreach_lerp_(momentums, gradients, 1 - beta_1)
        torch._foreach_lerp_(velocities, torch._foreach_mul(gradients, gradients), 1 - beta_2)
        steps = torch._foreach_mul(momentums, of_momentum)
        torch._foreach_add_(steps, gradients, alpha=of_gradient)
        roots = torch._foreach_div(velocities, of_velocity)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, group["eps"])
        torch._foreach_addcdiv_(parameters, steps, roots, value=-self._rate(group))

    def _factors(self, group: Group) -> tuple[float, float, float]:
        """Returns the factors of m and g in n, and the divisor of v, in the weights' dtype."""
        dtype: Any = numpy_dtype(group["params"][0].dtype)
        one, half, t = dtype(1), dtype(0.5), self._num_updates(group)  # (5)
        beta_1, beta_2 = group["betas"]
        # This is the only place where Keras rounds neither 0.96 nor beta_1 to float32.
        u = dtype(beta_1), one - half * dtype(0.96) ** dtype(t)
        product = dtype(group["u_product"]) * u[0] * u[1]
        group["u_product"] = float(product)
        now, after = (
            dtype(through_float32(beta_1)) * (one - half * power(0.96, exponent, dtype))  # (1) (4)
            for exponent in (t, t + 1)
        )
        of_momentum = after / (one - product * after)
        of_gradient = (one - now) / (one - product)
        return float(of_momentum), float(of_gradient), float(one - power(beta_2, t, dtype))
