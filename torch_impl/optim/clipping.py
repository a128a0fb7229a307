"""Clips gradients by Keras's three rules, without changing its inputs.

No rule equals `torch.nn.utils.clip_grad_norm_`, which divides by the norm + 1e-6 and changes
`.grad`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch_impl.optim.batch import Batch, Tensors, norms_of


def clip(batches: list[Batch], limits: dict[str, Any]) -> list[Batch]:
    """Returns the batches of all groups, clipped by the rule that has a limit.

    A limit of 0 or less means no limit, as in Keras.

    Args:
        batches: one for each group.
        limits: has the keys "clipnorm", "clipvalue" and "global_clipnorm", at most one not None.
    """
    if (limit := limits["clipnorm"] or 0) > 0:
        return [b._replace(gradients=clip_by_norm(b.gradients, limit, b.joined)) for b in batches]
    if (limit := limits["clipvalue"] or 0) > 0:
        return [b._replace(gradients=clip_by_value(b.gradients, limit)) for b in batches]
    if (limit := limits["global_clipnorm"] or 0) > 0:
        clipped = iter(clip_by_global_norm([g for b in batches for g in b.gradients], limit))
        return [b._replace(gradients=[next(clipped) for _ in b.gradients]) for b in batches]
    return batches


def clip_by_norm(
    gradients: Tensors, clipnorm: float, joined: Sequence[Sequence[int]] = ()
) -> list[torch.Tensor]:
    """Returns g * clipnorm / max(norm of g, clipnorm), each gradient by its own norm.

    Gradients whose numbers are joined have one norm.

    Source: `tf.clip_by_norm`, which keras 3.15 `backend/tensorflow/optimizer.py` calls.
    """
    # A gradient that is short enough is also multiplied and divided, which can change its last bit.
    norms = [norm.clamp(min=clipnorm) for norm in norms_of(gradients, joined)]
    return [
        gradient.mul(clipnorm).div_(norm) for gradient, norm in zip(gradients, norms, strict=True)
    ]


def clip_by_global_norm(gradients: Tensors, global_clipnorm: float) -> list[torch.Tensor]:
    """Returns g * global_clipnorm * min(1 / norm, 1 / global_clipnorm), with one norm for all.

    A norm that is infinite or NaN makes all gradients NaN, as in Keras. The norm of gradients of
    two dtypes has the wider one.

    Source: keras 3.15 `optimizers/base_optimizer.py`, `clip_by_global_norm`.
    """
    if not gradients:
        return []
    widest = max((gradient.dtype for gradient in gradients), key=lambda dtype: dtype.itemsize)
    squares = [gradient.square().sum().to(gradients[0].device, widest) for gradient in gradients]
    norm = torch.stack(squares).sum().sqrt()
    factor = global_clipnorm * (1 / norm).clamp(max=1 / global_clipnorm) + (norm - norm)
    return [gradient * factor.to(gradient.device) for gradient in gradients]


def clip_by_value(gradients: Tensors, clipvalue: float) -> list[torch.Tensor]:
    """Returns gradients with each entry clipped to [-clipvalue, clipvalue]."""
    return [gradient.clamp(-clipvalue, clipvalue) for gradient in gradients]
