"""Keras's step of Adam by torch's fused kernel, which takes all parameters of a group at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch_impl.optim.batch import Tensors, lie_alike


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
        Whether the step was made: False for gradients that lie in memory otherwise than their
        parameters, which the kernel would mix up.
    """
    parameters, gradients, momentums, velocities, greatest = tensors
    pairs = zip(parameters, gradients, strict=True)
    if max(betas) >= 1 or not all(lie_alike(*pair) for pair in pairs):
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
