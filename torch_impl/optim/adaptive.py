"""Adadelta, Adagrad, Adamax, Nadam, RMSprop and Ftrl by Keras's equations."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import torch

from torch_impl.optim.base import CommonArguments, KerasOptimizer, Parameters
from torch_impl.optim.batch import Group, Tensors, mix_squares
from torch_impl.optim.rounding import numpy_dtype, power, through_float32
from torch_impl.schedule.base import LearningRateSchedule

# --- Adadelta by Keras's equations ----------------------------------------------------------------


class Adadelta(KerasOptimizer):
    """Adadelta as Keras computes it (Zeiler 2012).

        a = rho * a + (1 - rho) * g * g
        d = g * sqrt(b + epsilon) / sqrt(a + epsilon)
        b = rho * b + (1 - rho) * d * d
        w -= lr * d

    The slot a ("accumulated_grad") equals Keras's bit for bit, b ("accumulated_delta_var") up to
    the last bit of torch's square roots.

    Differs from torch.optim.Adadelta in:
    1. learning_rate is 0.001 by default, not 1.0 as in the paper;
    2. rho is 0.95 by default, not 0.9;
    3. epsilon is 1e-7 by default, not 1e-6;
    4. weight_decay is decoupled, see `KerasOptimizer`.

    Source: keras 3.15 `optimizers/adadelta.py`.

    Args:
        rho: decay of a and of b.
        epsilon: added under the roots.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {
        name: name for name in ("accumulated_grad", "accumulated_delta_var")
    }

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,  # (1)
        rho: float = 0.95,  # (2)
        epsilon: float = 1e-7,  # (3)
        weight_decay: float | None = None,  # (4)
        **common: Unpack[CommonArguments],
    ) -> None:
        settings = {"rho": rho, "eps": epsilon}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        rho, epsilon = group["rho"], group["eps"]
        of_gradients = [self._slot(parameter, "accumulated_grad") for parameter in parameters]
        of_deltas = [self._slot(parameter, "accumulated_delta_var") for parameter in parameters]
        mix_squares(of_gradients, gradients, rho)
        deltas = list(torch._foreach_add(of_deltas, epsilon))
        torch._foreach_sqrt_(deltas)
        torch._foreach_mul_(deltas, gradients)
        roots = torch._foreach_add(of_gradients, epsilon)
        torch._foreach_sqrt_(roots)
        torch._foreach_div_(deltas, roots)
        mix_squares(of_deltas, deltas, rho)
        torch._foreach_mul_(deltas, self._rate(group))
        torch._foreach_sub_(parameters, deltas)


# --- Adagrad by Keras's equations -----------------------------------------------------------------


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


# --- Adamax by Keras's equations ------------------------------------------------------------------


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


# --- Nadam by Keras's equations -------------------------------------------------------------------


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


# --- RMSprop by Keras's equations: plain, with momentum, centered ---------------------------------


class RMSprop(KerasOptimizer):
    """RMSprop as Keras computes it.

        v = rho * v + (1 - rho) * g * g
        a = rho * a + (1 - rho) * g;  d = v - a * a + epsilon           centered
                                      d = v + epsilon                   else
        w -= lr * g / sqrt(d)                                           without momentum
        m = momentum * m + lr * g / sqrt(d);  w -= m                    with it

    The slots v and a equal Keras's bit for bit. If rounding makes a centered d negative, the NaN
    appears in the same step as in Keras. Torch's square roots can differ in the last bit.

    Differs from torch.optim.RMSprop in:
    1. epsilon is added under the root, where 1e-7 has the effect of 3e-4 outside the root;
    2. its default is 1e-7, not 1e-8;
    3. the decay of v is called rho and is 0.9 by default, not "alpha" of 0.99;
    4. learning_rate is 0.001 by default, not 0.01;
    5. the rate is part of m, so that a change of the rate does not act on earlier steps;
    6. weight_decay is decoupled, see `KerasOptimizer`.

    Source: keras 3.15 `optimizers/rmsprop.py`.

    Args:
        rho: decay of v and of a.
        momentum: 0 for none.
        epsilon: added under the root.
        centered: whether the mean of the gradient is subtracted, so that d is a variance.
        params, learning_rate, weight_decay, common: see `KerasOptimizer`.
    """

    SLOTS: ClassVar[dict[str, str]] = {
        name: name for name in ("velocity", "momentum", "average_gradient")
    }

    def __init__(
        self,
        params: Parameters,
        learning_rate: float | LearningRateSchedule = 0.001,  # (4)
        rho: float = 0.9,  # (3)
        momentum: float = 0.0,
        epsilon: float = 1e-7,  # (2)
        centered: bool = False,
        weight_decay: float | None = None,  # (6)
        **common: Unpack[CommonArguments],
    ) -> None:
        settings = {"rho": rho, "momentum": momentum, "eps": epsilon, "centered": centered}
        super().__init__(params, learning_rate, settings, weight_decay, **common)

    def _update(self, group: Group, parameters: Tensors, gradients: Tensors) -> None:
        rate, rho = self._rate(group), group["rho"]
        velocities = [self._slot(parameter, "velocity") for parameter in parameters]
        mix_squares(velocities, gradients, rho)
        if group["centered"]:
            averages = [self._slot(parameter, "average_gradient") for parameter in parameters]
            torch._foreach_mul_(averages, rho)
            torch._foreach_add_(averages, torch._foreach_mul(gradients, 1 - rho))
            roots = torch._foreach_sub(velocities, torch._foreach_mul(averages, averages))
            torch._foreach_add_(roots, group["eps"])  # (1)
        else:
            roots = torch._foreach_add(velocities, group["eps"])  # (1)
        torch._foreach_sqrt_(roots)
        if group["momentum"] > 0:
            slots = [self._slot(parameter, "momentum") for parameter in parameters]
            torch._foreach_mul_(slots, group["momentum"])
            torch._foreach_addcdiv_(slots, gradients, roots, value=rate)  # (5)
            torch._foreach_sub_(parameters, slots)
        else:
            torch._foreach_addcdiv_(parameters, gradients, roots, value=-rate)


# --- Ftrl by Keras's equations --------------------------------------------------------------------


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
