"""Probabilities that carry their logits, and TensorFlow's crossentropies of logits.

Keras's softmax and sigmoid attach their input to their output, as the attribute `_keras_logits`. A
crossentropy that finds it is computed from the logits, without the clipping at 1e-7. Any operation
in between loses the attribute, in Keras as here. (In the graphs of `fit`, Keras undoes a softmax or
sigmoid at the end of a model even without the attribute.)

Source: keras 3.15 `activations/activations.py`, `backend/tensorflow/nn.py` (`_get_logits`);
tensorflow 2.21 `python/ops/nn_impl.py`, `core/kernels/xent_op.h`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

Axis = int | Sequence[int] | None


def softmax(logits: torch.Tensor, axis: Axis = -1) -> torch.Tensor:
    """Returns the softmax along an axis, which carries its logits.

    Args:
        logits: real numbers.
        axis: one, several that are taken together, or None for all axes.
    """
    return carrying(over_axes(torch.softmax, logits, axis), logits)


def over_axes(
    function: Callable[[torch.Tensor, int], torch.Tensor], x: torch.Tensor, axis: Axis
) -> torch.Tensor:
    """Returns what a function along an axis gives along several axes that are taken together.

    Args:
        function: of (tensor, axis), which returns a tensor of the same shape.
        x: its tensor.
        axis: one, several, or None for all.
    """
    if isinstance(axis, int):
        return function(x, axis)
    axes = range(x.ndim) if axis is None else axis
    last = range(-len(axes), 0)
    moved = x.movedim(tuple(axes), tuple(last))
    joined = function(moved.flatten(-len(axes)) if len(axes) > 1 else moved, -1)
    return joined.reshape(moved.shape).movedim(tuple(last), tuple(axes))


def sigmoid(logits: torch.Tensor) -> torch.Tensor:
    """Returns the sigmoid, which carries its logits."""
    return carrying(logits.sigmoid(), logits)


def carrying(output: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Returns the output of a softmax or sigmoid, which carries its logits from now on."""
    output._keras_logits = logits  # type: ignore[attr-defined]
    return output


def channels_last(output: torch.Tensor) -> torch.Tensor:
    """Turns an output (N, C, ...) into Keras's layout (N, ..., C); it carries its logits on.

    Args:
        output: of a model, with at least two axes, such as images (N, C, H, W).
    """
    turned = output.movedim(1, -1)
    logits = getattr(output, "_keras_logits", None)
    return turned if logits is None else carrying(turned, logits.movedim(1, -1))


def reachable_logits(output: torch.Tensor, from_logits: bool) -> tuple[torch.Tensor, bool]:
    """Returns the tensor from which a crossentropy is computed, and whether it has logits.

    Args:
        output: of a model; logits that it carries are used, whichever function attached them.
        from_logits: whether `output` itself is logits; warns if it carries other logits.
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
    1. its gradient is precise for confidently right outputs, where sigmoid(x) - 1 cancels.
    """
    is_positive = logits >= 0
    # The gradients of abs and clamp at 0 would add up to -z instead of 1/2 - z. The tail comes
    # first, so that torch adds its gradient last, to 1 - z; another order would cancel digits.
    tail = torch.where(is_positive, -logits, logits).exp().log1p()  # (1)
    return torch.where(is_positive, logits, 0) - logits * target + tail


def softmax_crossentropy(logits: torch.Tensor, target: torch.Tensor, axis: int) -> torch.Tensor:
    """Returns -sum(target * log(softmax(logits))) along an axis.

    Differs from torch.nn.CrossEntropyLoss with probabilities in:
    1. its gradient is softmax - target, which is right only if the target sums to 1, as TensorFlow
       assumes. If not, for example with two labels for a sample, it is not the gradient of the
       value.
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
