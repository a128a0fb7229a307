"""Optimizers by Keras's rules, which differ from torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

Rate = float | Callable[[int], float]
Tensors = list[torch.Tensor]


def in_float32(value: float) -> float:
    """Returns a number as Keras rounds it, also where weights are float64."""
    return float(np.float32(value))


class KerasOptimizer(torch.optim.Optimizer):
    """A step in Keras's order: the rate, clipping, weight decay, then the rule.

    The decay makes weights smaller by themselves; that of most optimizers of torch goes
    through the gradient. The steps are counted once for all weights.

    Args:
        params: the weights.
        learning_rate: a number, or a function of the number of earlier steps.
        weight_decay: of all weights.
        clip: what is made of all gradients before a step.
        settings: of the rule.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
        **settings: Any,
    ) -> None:
        self.schedule = learning_rate if callable(learning_rate) else None
        rate = learning_rate(0) if callable(learning_rate) else learning_rate
        self.decay, self.clip = weight_decay or 0.0, clip
        super().__init__(params, {"lr": rate, "step": 0, **settings})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Makes a step for all weights that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = self.param_groups
        weights = [p for group in groups for p in group["params"] if p.grad is not None]
        gradients = [p.grad for p in weights]
        if self.clip is not None:
            gradients = self.clip(gradients)
        of_weight = dict(zip(weights, gradients, strict=True))
        for group in groups:
            group["step"] += 1
            if self.schedule is not None:
                group["lr"] = self.schedule(group["step"] - 1)
            for weight in group["params"]:
                if weight in of_weight:
                    # The rate is a variable of the dtype of the weights.
                    is_double = weight.dtype == torch.float64
                    rate = group["lr"] if is_double else in_float32(group["lr"])
                    if self.decay:
                        weight.sub_(weight * in_float32(self.decay) * rate)
                    self.update(weight, of_weight[weight], rate, group)
        return loss

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        raise NotImplementedError

    def slot(self, weight: torch.Tensor, name: str, start: float = 0.0) -> torch.Tensor:
        """Returns a tensor that is kept for a weight."""
        state = self.state[weight]
        if name not in state:
            state[name] = torch.full_like(weight, start)
        kept: torch.Tensor = state[name]
        return kept


class SGD(KerasOptimizer):
    """Gradient descent; with momentum, m = momentum * m - rate * gradient.

    The rate is part of m: after a cut, earlier steps keep theirs. torch's is not.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"momentum": in_float32(momentum), "nesterov": nesterov}
        super().__init__(params, learning_rate, weight_decay, clip, **settings)

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        step = gradient * rate
        if not group["momentum"]:
            weight.sub_(step)
            return
        m = self.slot(weight, "momentum").mul_(group["momentum"]).sub_(step)
        weight.add_(m * group["momentum"] - step if group["nesterov"] else m)


class Adam(KerasOptimizer):
    """Adam whose epsilon is added to sqrt(v), not to sqrt(v / (1 - beta_2**t))."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        amsgrad: bool = False,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"betas": (beta_1, beta_2), "eps": epsilon, "amsgrad": amsgrad}
        super().__init__(params, learning_rate, weight_decay, clip, **settings)

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        (beta_1, beta_2), t = group["betas"], group["step"]
        m = self.slot(weight, "exp_avg").lerp_(gradient, 1 - beta_1)
        v = self.slot(weight, "exp_avg_sq").lerp_(gradient.square(), 1 - beta_2)
        if group["amsgrad"]:
            most = self.slot(weight, "max_exp_avg_sq")
            v = most.copy_(torch.maximum(most, v))
        power_1, power_2 = (in_float32(beta) ** t for beta in (beta_1, beta_2))
        size = rate * (1 - power_2) ** 0.5 / (1 - power_1)
        weight.addcdiv_(m, v.sqrt() + group["eps"], value=-size)


class AdamW(Adam):
    """Adam with a weight decay of 0.004, unless another one is given."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        **settings: Any,
    ) -> None:
        super().__init__(params, learning_rate, weight_decay=weight_decay, **settings)


class RMSprop(KerasOptimizer):
    """RMSprop whose epsilon stands under the root, and whose rate is part of m."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"rho": rho, "momentum": momentum, "eps": epsilon}
        super().__init__(
            params, learning_rate, weight_decay, clip, centered=centered, **settings
        )

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        rho = group["rho"]
        v = self.slot(weight, "velocity")
        v.mul_(rho).add_(gradient.square() * (1 - rho))
        divisor = v + group["eps"]
        if group["centered"]:
            mean = self.slot(weight, "average_gradient")
            mean.mul_(rho).add_(gradient * (1 - rho))
            divisor = v - mean.square() + group["eps"]
        step = rate * gradient / divisor.sqrt()
        if group["momentum"]:
            step = self.slot(weight, "momentum").mul_(group["momentum"]).add_(step)
        weight.sub_(step)


class Adagrad(KerasOptimizer):
    """Adagrad that begins with 0.1, and whose epsilon stands under the root."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"start": in_float32(initial_accumulator_value), "eps": epsilon}
        super().__init__(params, learning_rate, weight_decay, clip, **settings)

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        total = self.slot(weight, "accumulator", group["start"]).add_(gradient.square())
        weight.sub_(rate * gradient / (total + group["eps"]).sqrt())


class Adadelta(KerasOptimizer):
    """Adadelta, with Keras's rate of 0.001."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"rho": rho, "eps": epsilon}
        super().__init__(params, learning_rate, weight_decay, clip, **settings)

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        rho, epsilon = group["rho"], group["eps"]
        of_gradients = self.slot(weight, "accumulated_grad")
        of_steps = self.slot(weight, "accumulated_delta_var")
        of_gradients.mul_(rho).add_(gradient.square() * (1 - rho))
        step = gradient * (of_steps + epsilon).sqrt() / (of_gradients + epsilon).sqrt()
        of_steps.mul_(rho).add_(step.square() * (1 - rho))
        weight.sub_(step * rate)


class Adamax(KerasOptimizer):
    """Adamax whose epsilon is added to the norm."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"betas": (beta_1, beta_2), "eps": epsilon}
        super().__init__(params, learning_rate, weight_decay, clip, **settings)

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        beta_1, beta_2 = group["betas"]
        m = self.slot(weight, "momentum").lerp_(gradient, 1 - beta_1)
        norm = self.slot(weight, "norm")
        norm.copy_(torch.maximum(norm * beta_2, gradient.abs()))
        correction = 1 - in_float32(beta_1) ** group["step"]
        weight.sub_(rate * m / ((norm + group["eps"]) * correction))


class Nadam(KerasOptimizer):
    """Adam with Nesterov's momentum, which grows by 0.96**t; torch's is slower."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"betas": (beta_1, beta_2), "eps": epsilon}
        super().__init__(params, learning_rate, weight_decay, clip, **settings)

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        t = group["step"]
        # Keras rounds 0.96 and the betas to float32, but not in the product.
        beta_1, beta_2 = (in_float32(beta) for beta in group["betas"])
        growth = in_float32(0.96)
        now, after = (beta_1 * (1 - 0.5 * growth**n) for n in (t, t + 1))
        product = 1.0
        for n in range(1, t + 1):
            product *= group["betas"][0] * (1 - 0.5 * 0.96**n)
        m = self.slot(weight, "momentum").lerp_(gradient, 1 - beta_1)
        v = self.slot(weight, "velocity").lerp_(gradient.square(), 1 - beta_2)
        ahead = m * (after / (1 - product * after))
        ahead += gradient * ((1 - now) / (1 - product))
        root = (v / (1 - beta_2**t)).sqrt()
        weight.sub_(rate * ahead / (root + group["eps"]))


class Lion(KerasOptimizer):
    """Steps of one size, by the sign of a mean of gradients; torch has none."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        clip: Callable[[Tensors], Tensors] | None = None,
    ) -> None:
        settings = {"betas": (in_float32(beta_1), in_float32(beta_2))}
        super().__init__(params, learning_rate, weight_decay, clip, **settings)

    def update(
        self,
        weight: torch.Tensor,
        gradient: torch.Tensor,
        rate: float,
        group: dict[str, Any],
    ) -> None:
        """Applies the rule to one weight, in place."""
        beta_1, beta_2 = group["betas"]
        m = self.slot(weight, "momentum")
        weight.sub_((m * beta_1 + gradient * (1 - beta_1)).sign() * rate)
        m.mul_(beta_2).add_(gradient * (1 - beta_2))
