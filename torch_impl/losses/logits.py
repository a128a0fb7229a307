"""Probabilities that remember their logits, and crossentropies of logits as TensorFlow has them.

Keras's softmax and sigmoid leave their input on their output, as the attribute `_keras_logits`; a
crossentropy that finds it there is computed from the logits, without the clipping at 1e-7. Any
operation in between loses the attribute, in Keras as here. (In the graphs of `fit`, Keras undoes a
softmax or sigmoid that stands last without the attribute, too.)

Source: keras 3.15 `activations/activations.py`, `backend/tensorflow/nn.py` (`_get_logits`);
tensorflow 2.21 `python/ops/nn_impl.py`, `core/kernels/xent_op.h`.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch


def softmax(logits: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """Returns the softmax along an axis, which carries its logits."""
    return _carrying(logits.softmax(axis), logits)


def sigmoid(logits: torch.Tensor) -> torch.Tensor:
    """Returns the sigmoid, which carries its logits."""
    return _carrying(logits.sigmoid(), logits)


def reachable_logits(output: torch.Tensor, from_logits: bool) -> tuple[torch.Tensor, bool]:
    """Returns what a crossentropy starts from, and whether that are logits.

    Args:
        output: of a model; the logits that it carries are taken, whichever function left them.
        from_logits: whether `output` is said to be logits itself; a warning if it carries some.
    """
    logits = getattr(output, "_keras_logits", None)
    if logits is None:
        return output, from_logits
    if from_logits:
        warnings.warn(
            "from_logits=True, but the output is that of a softmax or a sigmoid, which carries its "
            "logits: the loss is computed from those",
            stacklevel=2,
        )
    return logits, True


def sigmoid_crossentropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns max(x, 0) - x * z + log(1 + exp(-|x|)) of each entry.

    Differs from torch.nn.BCEWithLogitsLoss in:
    1. its gradient keeps its digits at confidently right outputs, where sigmoid(x) - 1 has none.
    """
    is_positive = logits >= 0
    # Not abs and clamp, whose gradients at 0 add up to -z and not to 1/2 - z. The tail comes first:
    # torch then adds its gradient last, to 1 - z, where the two would cancel in another order.
    tail = torch.where(is_positive, -logits, logits).exp().log1p()  # (1)
    return torch.where(is_positive, logits, 0) - logits * target + tail


def softmax_crossentropy(logits: torch.Tensor, target: torch.Tensor, axis: int) -> torch.Tensor:
    """Returns -sum(target * log(softmax(logits))) along an axis.

    Differs from torch.nn.CrossEntropyLoss with probabilities in:
    1. its gradient is softmax - target, which is right only where the target sums to 1: TensorFlow
       assumes it. Elsewhere, as with two labels for a sample, it is not the gradient of the value.
    """
    # Torch's `apply` has no types.
    result: torch.Tensor = _SoftmaxCrossentropy.apply(  # type: ignore[no-untyped-call]
        logits, target, axis
    )
    return result


class _SoftmaxCrossentropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, target: torch.Tensor, axis: int) -> torch.Tensor:
        ctx.save_for_backward(logits, target)
        ctx.axis = axis
        return -(target * logits.log_softmax(axis)).sum(axis)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        logits, target = ctx.saved_tensors
        gradient = gradients[0].unsqueeze(ctx.axis)
        of_logits = gradient * (logits.softmax(ctx.axis) - target)  # (1)
        of_target = -gradient * logits.log_softmax(ctx.axis) if ctx.needs_input_grad[1] else None
        return of_logits, of_target, None


def _carrying(output: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    output._keras_logits = logits  # type: ignore[attr-defined]
    return output
