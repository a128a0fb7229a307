"""The mean of each channel of an image, added up in the order of TensorFlow's kernels.

Keras takes the mean of the rows first, then that of the columns. TensorFlow's sums (Eigen's
`TensorReduction.h`, with registers of AVX) add a number of rows one after the other if they are
fewer than 16 or the numbers of a row do not fill a register, and else in four sums of every fourth
row. A row of single numbers is added up register by register. The last bit of a mean follows its
order, and so does every pixel that a contrast changes. Sources: tensorflow 2.21
`core/kernels/reduction_ops_common.h`; the orders were read off `tf.reduce_sum` of numbers of which
some absorb others.
"""

from __future__ import annotations

import functools
import operator

import torch

_REGISTER = 32  # bytes of AVX
_ROUNDS = 4  # sums at a time
_FEWEST = 16  # rows that are added up in four sums


def channel_mean(images: torch.Tensor) -> torch.Tensor:
    """Returns the mean of each channel of each image.

    Args:
        images: (N, C, H, W), float32 or float64. On another device than a processor, and for rows
            of one channel with more than 1,024 registers, sums have another order.

    Returns:
        (N, C, 1, 1), of the dtype of the images.
    """
    if images.device.type != "cpu":
        return images.mean(dim=-2, keepdim=True).mean(dim=-1, keepdim=True)
    count, channels, height, width = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(count, height, width * channels)
    columns = _sums(rows) / height
    means = _sums(columns.reshape(count, width, channels)) / width
    return means.reshape(count, channels, 1, 1)


def _sums(values: torch.Tensor) -> torch.Tensor:
    """Returns the sums along the middle axis of (N, K, L), as (N, L)."""
    count, number, length = values.shape
    lanes = _REGISTER // values.element_size()
    if length == 1:
        return _of_rows(values[:, :, 0], lanes)[:, None]
    rows = values.movedim(1, 0)
    if number < _FEWEST or length < lanes:
        return _one_by_one(rows)
    in_four = _in_four(rows)
    # A register that would reach beyond the row, or the end, is filled number by number.
    places = torch.arange(count * length).reshape(count, length)
    first = places // lanes * lanes
    is_filled = (first + lanes <= count * length) & (first % length + lanes <= length)
    return in_four if is_filled.all() else torch.where(is_filled, in_four, _one_by_one(rows))


def _of_rows(rows: torch.Tensor, lanes: int) -> torch.Tensor:
    """Returns the sums of the rows of (N, K), as (N,)."""
    whole = rows.shape[1] // lanes * lanes
    rest = _one_by_one(rows[:, whole:].movedim(1, 0), rows.new_zeros(len(rows)))
    if not whole:
        return rest
    sums = _in_four(rows[:, :whole].reshape(len(rows), -1, lanes).movedim(1, 0))
    while sums.shape[-1] > 1:
        sums = functools.reduce(torch.add, sums.chunk(2, dim=-1))
    return sums[:, 0] + rest


def _in_four(rows: torch.Tensor) -> torch.Tensor:
    """Returns the sum of rows (K, ...), of every fourth one first."""
    whole = len(rows) // _ROUNDS * _ROUNDS
    if not whole:
        return _one_by_one(rows)
    parts = _one_by_one(rows[:whole].reshape(-1, _ROUNDS, *rows.shape[1:]))
    return _one_by_one(rows[whole:], _one_by_one(parts))


def _one_by_one(rows: torch.Tensor, start: torch.Tensor | None = None) -> torch.Tensor:
    """Returns the sum of rows (K, ...), one after the other."""
    given = rows.unbind(0) if start is None else (start, *rows.unbind(0))
    total: torch.Tensor = functools.reduce(operator.add, given)
    return total
