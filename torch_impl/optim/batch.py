"""Batch: the parameters and gradients of an optimizer's step, clipped by Keras's rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

# --- Batch: the parameters and gradients that a step of an optimizer uses -------------------------


Group = dict[str, Any]
Tensors = list[torch.Tensor]


class Batch(NamedTuple):
    """The parameters of a group that have a gradient, and their gradients."""

    group: Group
    parameters: Tensors
    gradients: Tensors

    @property
    def joined(self) -> list[list[int]]:
        """Numbers of the gradients that have one norm; see `KerasOptimizer.join_norms`."""
        places = {id(parameter): place for place, parameter in enumerate(self.parameters)}
        return [
            [places[id(p)] for p in (self.group["params"][n] for n in numbers) if id(p) in places]
            for numbers in self.group["joined"]
        ]

    def changed(self, change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Batch:
        """Returns a batch with the gradients `change(parameter, gradient)`."""
        pairs = zip(self.parameters, self.gradients, strict=True)
        return self._replace(gradients=[change(*pair) for pair in pairs])


def norms_of(tensors: Tensors, joined: Sequence[Sequence[int]] = ()) -> list[torch.Tensor]:
    """Returns the Euclidean norm of each tensor; those whose numbers are joined have one."""
    squares = [tensor.square().sum() for tensor in tensors]
    for numbers in joined:
        if numbers:
            whole = torch.stack([squares[number] for number in numbers]).sum()
            for number in numbers:
                squares[number] = whole
    return [square.sqrt() for square in squares]


def mix_squares(slots: Tensors, values: Tensors, rho: float) -> None:
    """Sets each slot to rho * slot + (1 - rho) * value * value, in Keras's order."""
    squares = torch._foreach_mul(values, values)
    torch._foreach_mul_(squares, 1 - rho)
    torch._foreach_mul_(slots, rho)
    torch._foreach_add_(slots, squares)


def with_gradients(group: Group) -> Batch:
    """Returns the parameters of a group that have a gradient.

    Raises:
        ValueError: for a sparse gradient.
    """
    parameters, gradients = [], []
    for parameter in group["params"]:
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.layout != torch.strided:
            raise ValueError(
                f"a gradient of layout {gradient.layout}: expected a dense one; build the "
                "torch.nn.Embedding with sparse=False"
            )
        parameters.append(parameter)
        gradients.append(gradient)
    return Batch(group, parameters, gradients)


def have_same_layout(parameter: torch.Tensor, gradient: torch.Tensor) -> bool:
    """Whether both hold their values in the same order, without gaps, and in the same dtype."""
    is_dense = parameter.is_contiguous() or (
        parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    )
    steps = zip(parameter.stride(), gradient.stride(), parameter.shape, strict=True)
    return (
        is_dense
        and parameter.device == gradient.device
        and parameter.dtype == gradient.dtype
        and all(a == b or size == 1 for a, b, size in steps)
    )


# --- Clips gradients by Keras's three rules, without changing its inputs --------------------------
#
# No rule equals `torch.nn.utils.clip_grad_norm_`, which divides by the norm + 1e-6 and changes
# `.grad`.


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
