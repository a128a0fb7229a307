"""Rules by which Keras clips gradients; torch's adds 1e-6 to the norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

Gradients = list[torch.Tensor]


def clip_norm(limit: float) -> Callable[[Gradients], Gradients]:
    """Returns what makes a gradient shorter whose own norm is greater than a limit."""

    def clip(gradients: Gradients) -> Gradients:
        norms = [g.square().sum().sqrt().clamp(min=limit) for g in gradients]
        return [g * limit / norm for g, norm in zip(gradients, norms, strict=True)]

    return clip


def clip_joined_norm(
    limit: float, joined: Sequence[Sequence[torch.nn.Parameter]]
) -> Callable[[Gradients], Gradients]:
    """Returns the same, with one norm for the weights in each set, as if joined."""

    def clip(gradients: Gradients) -> Gradients:
        squares = [g.square().sum() for g in gradients]
        for weights in joined:
            own = [weight.grad for weight in weights]
            at = [i for i, g in enumerate(gradients) if any(g is x for x in own)]
            total = (
                torch.stack([squares[i] for i in at]).sum() if at else torch.zeros(())
            )
            for i in at:
                squares[i] = total
        norms = [square.sqrt().clamp(min=limit) for square in squares]
        return [g * limit / norm for g, norm in zip(gradients, norms, strict=True)]

    return clip


def clip_value(limit: float) -> Callable[[Gradients], Gradients]:
    """Returns what cuts off the entries of gradients."""
    return lambda gradients: [g.clamp(-limit, limit) for g in gradients]


def clip_global_norm(limit: float) -> Callable[[Gradients], Gradients]:
    """Returns what makes all gradients shorter whose common norm exceeds a limit."""

    def clip(gradients: Gradients) -> Gradients:
        if not gradients:  # a step that trains nothing
            return []
        norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
        return [g * (limit / norm.clamp(min=limit)) for g in gradients]

    return clip
