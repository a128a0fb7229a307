"""SGD, Lamb and Lion by Keras's equations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch

from torch_impl.optim.base import CommonArguments, KerasOptimizer, Parameters, check_fraction
from torch_impl.optim.batch import Batch, Group, Tensors, norms_of
from torch_impl.optim.rounding import numpy_dtype, power, through_float32
from torch_impl.schedule.base import LearningRateSchedule

# --- Gradient descent by Keras's equations: plain, with momentum, with Nesterov's momentum --------


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


# --- Lamb by Keras's equations --------------------------------------------------------------------


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


# --- Lion by Keras's equations --------------------------------------------------------------------


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
