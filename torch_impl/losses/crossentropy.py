"""The crossentropies: exact from logits, with Keras's clipping from probabilities.

Source: keras 3.15 `losses/losses.py`, `backend/tensorflow/nn.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from torch_impl.clip import clip
from torch_impl.losses.logits import reachable_logits, sigmoid_crossentropy, softmax_crossentropy
from torch_impl.losses.reduction import EPSILON, Loss

_NO_LABEL = -(2**62)  # by default, torch ignores labels of -100


class Smoothed(Loss):
    """Base of the losses with smoothed targets."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits, self.axis = from_logits, axis
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(Smoothed):
    """-sum(y * log(p)) with targets y of the shape of the outputs, each a distribution.

    Differs from torch.nn.CrossEntropyLoss in:
    1. outputs are probabilities unless `from_logits`; they are divided by their sum and then
       clipped to [1e-7, 1 - 1e-7]: the loss is at most 16.1, and the gradient is 0 outside;
    2. probabilities that carry their logits (see `torch_impl.losses.logits`) are not clipped;
    3. from logits, the gradient is softmax - y, even if y does not sum to 1;
    4. the classes are the last axis, not axis 1.

    Args:
        from_logits: whether outputs are logits.
        label_smoothing: in [0, 1]; y becomes y * (1 - s) + s / classes, as in torch.
        axis: of the classes.
        reduction: see `Loss`.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample; both tensors are (N, ..., classes)."""
        _check_same_shape(y_pred, y_true)
        smoothing = self.label_smoothing
        if smoothing:  # Keras counts the classes along the last axis, whatever `axis` is
            y_true = y_true * (1.0 - smoothing) + smoothing / y_true.shape[-1]
        output, from_logits = reachable_logits(y_pred, self.from_logits)  # (2)
        if from_logits:
            return softmax_crossentropy(output, y_true, self.axis)  # (3) (4)
        output = output / output.sum(self.axis, keepdim=True)
        return -(y_true * _clip(output).log()).sum(self.axis)  # (1)


class SparseCategoricalCrossentropy(Loss):
    """-log(p[y]) with labels y, integers in [0, classes).

    Differs from torch.nn.CrossEntropyLoss in:
    1. outputs are probabilities unless `from_logits`; they are clipped to [1e-7, 1 - 1e-7] and then
       divided by their sum, the reverse of the order in `CategoricalCrossentropy`;
    2. probabilities that carry their logits (see `torch_impl.losses.logits`) are not clipped,
       unless `ignore_class` is set;
    3. no label is ignored unless it is `ignore_class`; torch ignores -100;
    4. the classes are the last axis, not axis 1.

    Args:
        from_logits: whether outputs are logits.
        ignore_class: label whose samples do not count; the mean is taken over the others.
        reduction: see `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits, self.ignore_class = from_logits, ignore_class

    def forward(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        sample_weight: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns the loss of a batch.

        Args:
            y_pred: (N, ..., classes).
            y_true: (N, ...) or (N, ..., 1) labels.
            sample_weight: see `Loss`.
            mask: see `Loss`.
        """
        if (
            self.from_logits
            and self.ignore_class is None
            and self.reduction in ("sum_over_batch_size", "mean")
            and sample_weight is None
            and mask is None
            and (y_pred.ndim, y_true.ndim) == (2, 1)
            and len(y_true)
            and not hasattr(y_pred, "_keras_logits")
        ):
            # One kernel for the common case, where torch and Keras agree.
            return F.cross_entropy(y_pred, y_true.long(), ignore_index=_NO_LABEL)  # (3)
        return super().forward(y_pred, y_true, sample_weight, mask)

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each sample, (N, ...); `y_pred` is (N, ..., classes)."""
        y_true = self._labels(y_true, y_pred.ndim)
        if y_true.shape != y_pred.shape[:-1]:
            raise ValueError(
                f"y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}: expected "
                "one label for each row of classes"
            )
        if self.ignore_class is not None:
            is_valid = y_true != self.ignore_class
            y_true = torch.where(is_valid, y_true, 0)
            y_pred = torch.where(is_valid[..., None], y_pred, 0)
        output, from_logits = reachable_logits(y_pred, self.from_logits)  # (2)
        if not from_logits:
            output = _clip(output).log()  # (1)
        losses = F.cross_entropy(
            output.reshape(-1, output.shape[-1]),  # (4)
            y_true.reshape(-1),
            ignore_index=_NO_LABEL,  # (3)
            reduction="none",
        ).reshape(y_true.shape)
        return losses if self.ignore_class is None else torch.where(is_valid, losses, 0)

    def _cast(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
        return y_true.long()

    def _mask(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor | None:
        if self.ignore_class is None:
            return None
        return self._labels(y_true, y_pred.ndim) != self.ignore_class

    @staticmethod
    def _labels(y_true: torch.Tensor, num_axes: int) -> torch.Tensor:
        return y_true[..., 0] if y_true.ndim == num_axes and y_true.shape[-1] == 1 else y_true


class BinaryCrossentropy(Smoothed):
    """mean(-y * log(p) - (1 - y) * log(1 - p)) over the last axis.

    Differs from torch.nn.BCELoss and torch.nn.BCEWithLogitsLoss in:
    1. probabilities are clipped to [1e-7, 1 - 1e-7], where the gradient becomes 0; BCELoss clips
       logarithms at -100;
    2. probabilities that carry their logits (see `torch_impl.losses.logits`) are not clipped;
    3. `label_smoothing`: y becomes y * (1 - s) + s / 2.

    Args:
        from_logits: whether outputs are logits.
        label_smoothing: in [0, 1].
        axis: of the mean.
        reduction: see `Loss`.
    """

    def values(self, y_pred: torch.Tensor, y_true: torch.Tensor) -> torch.Tensor:
        """Returns the mean of each sample; both tensors have one shape."""
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing  # (3)
        return binary_crossentropy(y_pred, y_true, self.from_logits).mean(self.axis)


def binary_crossentropy(
    y_pred: torch.Tensor, y_true: torch.Tensor, from_logits: bool
) -> torch.Tensor:
    """Returns the crossentropy of each entry, before the mean of `BinaryCrossentropy`."""
    _check_same_shape(y_pred, y_true)
    output, from_logits = reachable_logits(y_pred, from_logits)  # (2)
    if from_logits:
        return sigmoid_crossentropy(output, y_true)
    output = _clip(output)  # (1)
    return -(y_true * output.log() + (1 - y_true) * (1 - output).log())


def _clip(probabilities: torch.Tensor) -> torch.Tensor:
    return clip(probabilities, EPSILON, 1.0 - EPSILON)


def _check_same_shape(y_pred: torch.Tensor, y_true: torch.Tensor) -> None:
    if y_pred.shape != y_true.shape:
        raise ValueError(
            f"y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}: expected the "
            "same shape"
        )
