"""Optimizers by Keras's equations, as torch optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch


class Adam(torch.optim.Optimizer):
    """Adam as Keras computes it ("epsilon hat", Kingma & Ba 2015, section 2, last remark).

        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        w -= w * weight_decay * lr
        w -= lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + epsilon)

    Differs from torch.optim.Adam in:
    1. epsilon is added to sqrt(v), not to sqrt(v / (1 - b2**t)): at t = 1 it weighs 31.6 times as
       much;
    2. its default is 1e-7, not 1e-8;
    3. the powers of b1 and b2 start from values rounded to float32, in float64 runs too;
    4. the learning rate is rounded to the dtype of the weights, as Keras's variable is;
    5. t counts the steps of the optimizer, not those in which a parameter had a gradient;
    6. weight_decay is decoupled, as in torch.optim.AdamW: it does not pass through the moments. As
       the betas it is rounded to float32 first.

    Settings and slots have torch's names: "lr", "betas", "eps"; "exp_avg" is m, "exp_avg_sq" is v.
    Source: keras 3.15 `optimizers/adam.py`.

    Args:
        params: parameters or groups of them, all of one dtype.
        learning_rate: at the start; `param_groups[i]["lr"]` holds it and can be changed.
        beta_1: decay of m.
        beta_2: decay of v.
        epsilon: added to sqrt(v).
        weight_decay: of all parameters, biases included; 0 as Keras's None.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]],
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,  # (2)
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": learning_rate, "betas": (beta_1, beta_2), "eps": epsilon, "step": 0}
        super().__init__(params, {**defaults, "weight_decay": weight_decay})
        for group in self.param_groups:
            group["lr"] = float(_numpy_dtype(group["params"][0].dtype)(group["lr"]))  # (4)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            group["step"] += 1  # (5)
            alpha = self._alpha(group)
            beta_1, beta_2 = group["betas"]
            decay = float(np.float32(group["weight_decay"])) * group["lr"]  # (6)
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
                # lerp(a, b, w) = a + w * (b - a), one pass over memory.
                m = state["exp_avg"].lerp_(gradient, 1 - beta_1)
                v = state["exp_avg_sq"].lerp_(gradient * gradient, 1 - beta_2)
                if decay:
                    # Not a factor of 1 - decay, which float32 rounds to a multiple of 6e-8.
                    parameter.sub_(parameter, alpha=decay)
                parameter.addcdiv_(m, v.sqrt().add_(group["eps"]), value=-alpha)  # (1)
        return loss

    @staticmethod
    def _alpha(group: dict[str, Any]) -> float:
        """Lr * sqrt(1 - b2**t) / (1 - b1**t), in the dtype of the weights."""
        dtype = _numpy_dtype(group["params"][0].dtype)
        one, t = dtype(1), dtype(group["step"])
        power_1, power_2 = (dtype(np.float32(beta)) ** t for beta in group["betas"])  # (3)
        return float(dtype(group["lr"]) * np.sqrt(one - power_2) / (one - power_1))  # (4)


def _numpy_dtype(dtype: torch.dtype) -> Any:
    return np.float64 if dtype == torch.float64 else np.float32
