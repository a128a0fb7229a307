"""Optimizers by Keras's equations, as torch optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch


class Adam(torch.optim.Adam):
    """Adam as Keras computes it ("epsilon hat", Kingma & Ba 2015, section 2, last remark).

    m += (1 - b1) * (g - m);  v += (1 - b2) * (g * g - v);
    w -= lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + epsilon)

    Differs from torch.optim.Adam in:
    1. epsilon is added to sqrt(v), not to sqrt(v / (1 - b2**t)): at t = 1 it weighs 31.6 times
    more;
    2. its default is 1e-7, not 1e-8;
    3. the powers of b1 and b2 start from values rounded to float32, in float64 runs too;
    4. the learning rate is rounded to the dtype of the weights, as Keras's variable is.

    The arithmetic is torch's own fused kernel, one pass over the weights, which computes w -= lr' /
    (1 - b1**t) * m / (sqrt(v) / sqrt(1 - b2**t) + eps'). With eps' and lr' chosen anew for each
    step both formulas are the same. Source: keras 3.15 `optimizers/adam.py`.

    Args:
        params: parameters or groups of them, all of one dtype.
        learning_rate: at the start; `param_groups[i]["lr"]` holds it and can be changed.
        beta_1: decay of m.
        beta_2: decay of v.
        epsilon: added to sqrt(v).
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,  # (2)
    ) -> None:
        super().__init__(params, lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon, fused=True)
        self._num_steps = 0
        for group in self.param_groups:
            group["lr"] = float(_numpy_dtype(group["params"][0].dtype)(group["lr"]))  # (4)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the step count with the rest: part of load_state_dict, copy and unpickling."""
        super().__setstate__(state)
        steps = (int(parameter_state["step"]) for parameter_state in self.state.values())
        self._num_steps = max(steps, default=0)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for all parameters that have a gradient."""
        self._num_steps += 1
        kept = [(group["lr"], group["eps"]) for group in self.param_groups]
        try:
            for group in self.param_groups:
                group["lr"], group["eps"] = self._torch_settings(group, self._num_steps)
            return super().step(closure)
        finally:
            for group, (lr, eps) in zip(self.param_groups, kept, strict=True):
                group["lr"], group["eps"] = lr, eps

    @staticmethod
    def _torch_settings(group: dict[str, Any], t: int) -> tuple[float, float]:
        """The lr' and eps' with which torch's formula gives Keras's step t."""
        dtype = _numpy_dtype(group["params"][0].dtype)
        beta_1, beta_2 = group["betas"]
        power_1 = dtype(np.float32(beta_1)) ** dtype(t)  # (3)
        power_2 = dtype(np.float32(beta_2)) ** dtype(t)
        one = dtype(1)
        alpha = dtype(group["lr"]) * np.sqrt(one - power_2) / (one - power_1)  # (4)
        # Undo what the kernel does with the same t, in Python floats as it does.
        correction_1, correction_2 = 1 - beta_1**t, 1 - beta_2**t
        root = correction_2**0.5
        return float(alpha) * correction_1 / root, group["eps"] / root  # (1)


def _numpy_dtype(dtype: torch.dtype) -> Any:
    return np.float64 if dtype == torch.float64 else np.float32
