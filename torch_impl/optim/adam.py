"""Adam and AdamW by Keras's equations, with torch's fused kernel or the compiled loop."""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

import numpy as np
import torch

from torch_impl import native
from torch_impl.optim.base import CommonArguments, KerasOptimizer, Parameters
from torch_impl.optim.batch import Group, Tensors, have_same_layout
from torch_impl.optim.rounding import numpy_dtype, power, through_float32
from torch_impl.schedule.base import LearningRateSchedule

# --------------------------------------------------------------------------------------------------
#
# Keras's step of Adam by torch's fused kernel, which takes all parameters of a group at once.


def fused_step(
    tensors: tuple[Tensors, Tensors, Tensors, Tensors, Sequence[torch.Tensor]],
    betas: tuple[float, float],
    alpha: float,
    epsilon: float,
) -> bool:
    """Makes a step, if torch's kernel can make it.

        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        w -= alpha * m / (sqrt(v) + epsilon)

    The kernel adds epsilon to sqrt(v / (1 - b2**t)) and divides the rate by 1 - b1**t. For the
    greatest t both of these powers are 0, and what is left are Keras's equations: alpha already has
    Keras's corrections.

    Args:
        tensors: parameters, gradients, m, v, and the greatest v for amsgrad or nothing.
        betas: b1 and b2, each below 1.
        alpha: rate of the step with its corrections.
        epsilon: added to sqrt(v).

    Returns:
        Whether the step was made: False for gradients and slots that lie in memory otherwise than
        their parameters, which the kernel would mix up.
    """
    parameters, gradients, momentums, velocities, greatest = tensors
    others = (*gradients, *momentums, *velocities, *greatest)
    pairs = zip(itertools.cycle(parameters), others, strict=False)
    if max(betas) >= 1 or not all(have_same_layout(*pair) for pair in pairs):
        return False
    last = torch.tensor(torch.finfo(torch.float32).max, device=parameters[0].device)
    torch._fused_adam_(
        parameters,
        gradients,
        momentums,
        velocities,
        list(greatest),
        [last] * len(parameters),
        lr=alpha,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=0.0,  # Keras's is decoupled, and comes before
        eps=epsilon,
        amsgrad=bool(greatest),
        maximize=False,
    )
    return True


# --- The compiled step of Adam (`adam.c`), for parameters on the CPU ------------------------------


SOURCE = Path(__file__).with_name("adam.c")
_NAMES = {torch.float32: "adam_float32", torch.float64: "adam_float64"}

# Takes (weight, gradient, momentum, velocity), 1 - beta_1, 1 - beta_2, alpha, epsilon.
Step = Callable[[Sequence[torch.Tensor], float, float, float, float], None]


def compiled_step(
    parameters: Sequence[torch.Tensor],
    others: Sequence[torch.Tensor],
    typical: Callable[[], Callable[[], object]],
) -> Step | None:
    """Returns the function that makes a step of one parameter, or None if torch has to do it.

    Args:
        parameters: those of one group, which have one dtype.
        others: their gradients; and each of their slots, in the order of the parameters.
        typical: prepares a typical step: see `native.fast`.
    """
    library = native.fast(SOURCE, typical)
    pairs = zip(itertools.cycle(parameters), others, strict=False)
    if library is None or not all(_is_for_the_loop(*pair) for pair in pairs):
        return None
    return _step(library, parameters[0].dtype)


def _is_for_the_loop(parameter: torch.Tensor, other: torch.Tensor) -> bool:
    is_on_cpu = parameter.device.type == "cpu"
    return is_on_cpu and parameter.dtype in _NAMES and have_same_layout(parameter, other)


@functools.cache
def _step(library: ctypes.CDLL, dtype: torch.dtype) -> Step:
    loop = library[_NAMES[dtype]]
    loop.restype = None
    loop.argtypes = (
        [ctypes.c_void_p] * 4 + [ctypes.c_int64] + [ctypes.c_double] * 4 + [ctypes.c_int]
    )

    def step(
        tensors: Sequence[torch.Tensor], weight_1: float, weight_2: float, alpha: float, eps: float
    ) -> None:
        pointers = (tensor.data_ptr() for tensor in tensors)
        threads = torch.get_num_threads()
        loop(*pointers, tensors[0].numel(), weight_1, weight_2, alpha, eps, threads)

    return step


# --- Adam and AdamW by Keras's equations ----------------------------------------------------------


def typical() -> Callable[[], object]:
    """Returns what makes a step of a small network, by the loop or by torch's operations."""
    weight = torch.nn.Parameter(torch.zeros(2**16, dtype=torch.float32, device="cpu"))
    weight.grad = torch.ones_like(weight)
    return Adam([weight]).step


class Adam(KerasOptimizer):
    """Adam as Keras computes it ("epsilon hat", Kingma & Ba 2015, section 2, last remark).

        w -= w * weight_decay * lr
        m += (1 - b1) * (g - m)
        v += (1 - b2) * (g * g - v)
        w -= lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + epsilon)

    With `amsgrad`, the last line uses the greatest v so far of each entry.

    Differs from torch.optim.Adam in:
    1. epsilon is added to sqrt(v), not to sqrt(v / (1 - b2**t)): at t = 1 it weighs 31.6 times as
       much;
    2. its default is 1e-7, not 1e-8;
    3. the powers of b1 and b2 start from values rounded to float32, in float64 runs too;
    4. the learning rate is rounded to the dtype of the weights, as Keras's variable is;
    5. t counts the updates of the optimizer, not those in which a parameter had a gradient;
    6. weight_decay is decoupled, as in torch.optim.AdamW: it does not pass through the moments.
       Like the betas, it is rounded to float32 first.

    Settings and slots have torch's names: "lr", "betas", "eps"; "exp_avg" is m, "exp_avg_sq" is v,
    "max_exp_avg_sq" the greatest v. "fused" may be changed between two steps.
    Source: keras 3.15 `optimizers/adam.py`.

    Args:
        params: parameters or groups of them, all of one dtype.
        learning_rate: at the start; `param_groups[i]["lr"]` holds it and can be changed.
        beta_1: decay of m.
        beta_2: decay of v.
        epsilon: added to sqrt(v).
        weight_decay: of all parameters, with biases; 0 is Keras's None.
        amsgrad: whether v never gets smaller (Reddi et al. 2018).
        fused: whether torch's fused kernel makes the step, for all parameters at once; the
            equations are the same.
        common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {
        "momentum": "exp_avg",
        "velocity": "exp_avg_sq",
        "velocity_hat": "max_exp_avg_sq",
    }

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,  # (2)
        weight_decay: float | None = 0.0,
        amsgrad: bool = False,
        fused: bool = False,
        **common: Unpack[CommonArguments],
    ) -> None:
        betas = (beta_1, beta_2)
        settings = {"betas": betas, "eps": epsilon, "amsgrad": amsgrad, "fused": fused}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        alpha = self._alpha(group)
        beta_1, beta_2 = group["betas"]
        momentums = [self._slot(parameter, "exp_avg") for parameter in parameters]
        velocities = [self._slot(parameter, "exp_avg_sq") for parameter in parameters]
        greatest: list[torch.Tensor] = []
        if group["amsgrad"]:
            greatest = [self._slot(parameter, "max_exp_avg_sq") for parameter in parameters]
        if group["fused"] and fused_step(
            (parameters, gradients, momentums, velocities, greatest),
            (beta_1, beta_2),
            alpha,
            group["eps"],
        ):
            return
        others = (*gradients, *momentums, *velocities)
        loop = None if group["amsgrad"] else compiled_step(parameters, others, typical)
        if loop is not None:
            for tensors in zip(parameters, gradients, momentums, velocities, strict=True):
                loop(tensors, 1 - beta_1, 1 - beta_2, alpha, group["eps"])
            return
        # lerp(a, b, w) = a + w * (b - a), one pass over memory.
        torch._foreach_lerp_(momentums, gradients, 1 - beta_1)
        torch._foreach_lerp_(velocities, torch._foreach_mul(gradients, gradients), 1 - beta_2)
        if group["amsgrad"]:
            torch._foreach_maximum_(greatest, velocities)
            velocities = greatest
        roots = torch._foreach_sqrt(velocities)
        torch._foreach_add_(roots, group["eps"])
        torch._foreach_addcdiv_(parameters, momentums, roots, value=-alpha)  # (1)

    def _decay_weights(self, group: Group, parameters: Tensors) -> None:
        decay = through_float32(group["weight_decay"]) * group["lr"]  # (6)
        for parameter in parameters:
            # float32 would round a factor of 1 - decay to a multiple of 6e-8.
            parameter.sub_(parameter, alpha=decay)

    def _alpha(self, group: Group) -> float:
        """Lr * sqrt(1 - b2**t) / (1 - b1**t), in the dtype of the weights."""
        dtype: Any = numpy_dtype(group["params"][0].dtype)
        one, t = dtype(1), self._num_updates(group)  # (5)
        power_1, power_2 = (power(beta, t, dtype) for beta in group["betas"])  # (3)
        return float(dtype(group["lr"]) * np.sqrt(one - power_2) / (one - power_1))  # (4)


class AdamW(Adam):
    """Adam with a weight decay that is not 0 by default.

    Differs from torch.optim.AdamW as `Adam` does from torch.optim.Adam, and in:
    1. the default of the decay is 0.004, not 0.01;
    2. a weight w becomes w - w * decay * lr, not w * (1 - decay * lr), which float32 rounds to
       another factor.

    Source: keras 3.15 `optimizers/adamw.py`.

    Args:
        weight_decay: of all parameters except those that are excluded.
        params, learning_rate, beta_1, beta_2, epsilon, amsgrad, fused, common: see `Adam`.

    Raises:
        ValueError: for a weight decay of None.
    """

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,
        weight_decay: float = 0.004,  # (1)
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        fused: bool = False,
        **common: Unpack[CommonArguments],
    ) -> None:
        if weight_decay is None:
            raise ValueError("weight_decay=None: expected a number; Adam has no decay by default")
        betas = (beta_1, beta_2)
        super().__init__(
            params, learning_rate, *betas, epsilon, weight_decay, amsgrad, fused, **common
        )  # (2) in Adam
