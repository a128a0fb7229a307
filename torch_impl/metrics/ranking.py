"""The greatest of several classes, by TensorFlow's rules for ties, NaN and infinity.

Source: keras 3.15 `backend/tensorflow/numpy.py` (`argmax`), `metrics/metrics_utils.py`
(`_filter_top_k`); tensorflow 2.21 `core/kernels/in_topk_op.h`.
"""

from __future__ import annotations

import torch

NOT_IN_TOP_K = -1e10  # what Keras sets other outputs to


def argmax(x: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """Returns the index of the greatest entry, the first one of equal entries.

    Differs from torch.argmax in:
    1. NaN is never the greatest; a row of NaN gives 0. In torch, NaN is greater than any number;
    2. -0.0 is less than 0.0. Keras sets it to the negative number that is closest to 0.

    Args:
        x: of any dtype.
        axis: along which entries are compared.
    """
    if not x.is_floating_point():
        return x.to(torch.uint8 if x.dtype == torch.bool else x.dtype).argmax(axis)
    limits = torch.finfo(x.dtype)
    x = x.nan_to_num(nan=limits.min, posinf=torch.inf, neginf=limits.min)  # (1)
    x = torch.where((x == 0) & x.signbit(), -limits.tiny, x)  # (2)
    return x.argmax(axis)


def in_top_k(y_pred: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    """Returns whether each label is among the k classes with the greatest outputs.

    A label is in if fewer than k outputs are greater than its own, so that ties are in: more than k
    classes may be. It is out if it is no class, or if any output of its row is NaN or infinite.

    Args:
        y_pred: (N, classes), floating point.
        labels: (N,) integers.
        k: at least 1.

    Returns:
        (N,) booleans.
    """
    is_class = (labels >= 0) & (labels < y_pred.shape[-1])
    own = y_pred.gather(-1, torch.where(is_class, labels, 0)[:, None])
    num_greater = (y_pred > own).sum(-1)
    return (num_greater < k) & is_class & y_pred.isfinite().all(-1)


def only_top_k(y_pred: torch.Tensor, k: int) -> torch.Tensor:
    """Sets all but the k greatest outputs of each row to -1e10; the first of equal ones stay."""
    chosen = y_pred.argsort(dim=-1, descending=True, stable=True)[..., :k]
    is_in = torch.zeros_like(y_pred).scatter(-1, chosen, 1.0)
    return y_pred * is_in + NOT_IN_TOP_K * (1 - is_in)
