"""Packed sequences of torch, as the padded ones that Keras has: (N, T, features), and back.

The steps behind the end of a sequence are zeros. T is that of the longest sequence.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def padded(packed: PackedSequence) -> torch.Tensor:
    """Returns a packed sequence as a tensor, (N, T, features), as a part of the graph."""
    with torch._C.DisableTorchFunction():  # it is no call of the port
        return pad_packed_sequence(packed, batch_first=True)[0]


def repacked(tensor: torch.Tensor, like: PackedSequence) -> PackedSequence:
    """Returns a tensor, (N, T, features), packed as another sequence of the same lengths."""
    with torch._C.DisableTorchFunction():
        lengths = pad_packed_sequence(like, batch_first=True)[1]
        return pack_padded_sequence(tensor, lengths, batch_first=True, enforce_sorted=False)


def packed_in(value: Any) -> list[PackedSequence]:
    """Returns the packed sequences in nested arguments, in order."""
    if isinstance(value, PackedSequence):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [packed for item in value for packed in packed_in(item)]
    return []


def data_alone(value: Any) -> Any:
    """Returns nested arguments with the data of each packed sequence in its place."""
    if isinstance(value, PackedSequence):
        return value.data
    if isinstance(value, dict):
        return {name: data_alone(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [data_alone(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def first_padded(output: Any) -> torch.Tensor | None:
    """Returns the first of what a module returned if it is a packed sequence, else None."""
    first = output
    while isinstance(first, tuple | list) and not isinstance(first, PackedSequence) and first:
        first = first[0]
    return padded(first) if isinstance(first, PackedSequence) else None
