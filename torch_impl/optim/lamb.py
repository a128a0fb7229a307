"""Lamb by Keras's equations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch

from torch_impl.optim.arguments import CommonArguments, Parameters
from torch_impl.optim.base import KerasOptimizer
from torch_impl.optim.batch import Batch, Group, Tensors, norms_of
from torch_impl.optim.rounding import numpy_dtype, power
from torch_impl.schedule.base import LearningRateSchedule


class Lamb(KerasOptimizer):
    """Adam with a rate for each layer, as Keras computes it (You et al. 2019).

        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        u = m / (1 - b1**t) / (sqrt(v / (1 - b2**t)) + epsilon)
        w -= lr * |w| / |u| * u

    The norms are those of one whole weight, also if that is two parameters: see `join_norms`. A
    weight or an update of zeros alone has the factor 1.

    Torch 2.13 has no Lamb. Differs from the algorithm of the paper in:
    1. weight_decay is no part of u, and decays the weights before, see `KerasOptimizer`;
    2. the norms are not bounded;
    3. the powers are those of b1 and b2 rounded to float32, in float64 runs too;
    4. epsilon is 1e-7 by default, and learning_rate 0.001.

    Source: keras 3.15 `optimizers/lamb.py`.

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
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        **common: Unpack[CommonArguments],
    ) -> None:
        settings = {"betas": (beta_1, beta_2), "eps": epsilon}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    @classmethod
    def takes_norms(cls, settings: Mapping[str, Any]) -> bool:
        """Whether it takes norms, which it always does."""
        return True

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        dtype: Any = numpy_dtype(parameters[0].dtype)
        beta_1, beta_2 = group["betas"]
        t = self._num_updates(group)
        of_momentum, of_velocity = (float(1 - power(b, t, dtype)) for b in (beta_1, beta_2))  # (3)
        momentums = [self._slot(parameter, "momentum") for parameter in parameters]
        velocities = [self._slot(parameter, "velocity") for parameter in parameters]
        torch._foreach_lerp_(momentums, gradients, 1 - beta_1)
        torch._foreach_lerp_(velocities, torch._foreach_mul(gradients, gradients), 1 - beta_2)
        roots = torch._foreach_div(velocities, of_velocity)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, group["eps"])
        updates = torch._foreach_div(momentums, of_momentum)
        torch._foreach_div_(updates, roots)
        joined = Batch(group, parameters, gradients).joined
        norms = norms_of(parameters, joined), norms_of(list(updates), joined)
        for parameter, update, of_weight, of_update in zip(
            parameters, updates, *norms, strict=True
        ):
            has_ratio = (of_weight > 0) & (of_update > 0)
            ratio = torch.where(has_ratio, of_weight / of_update, 1.0)
            parameter.sub_(ratio * self._rate(group) * update)
