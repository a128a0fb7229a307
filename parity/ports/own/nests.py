"""The nests of tensors that a stub takes: their types, and their shapes in words.

What `parity.halves.keras.check.taken_nests` tells goes in. Text comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.ports.form import literal

Nest = Mapping[str, Any]
TENSOR = "torch.Tensor"


def type_of(nest: Nest | None) -> str:
    """Returns the type of an argument; None: it is one tensor."""
    if nest is None or "shape" in nest:
        return TENSOR
    is_dict = "dict" in nest
    inner = [each for _, each in nest["dict"]] if is_dict else nest["list"]
    kinds = " | ".join(dict.fromkeys(map(type_of, inner)))
    return f"dict[str, {kinds}]" if is_dict else f"list[{kinds}]"


def nest_text(nest: Nest) -> str:
    """Returns a nest with its shapes: '{"a": (N, 3), "b": (N, 3)}'."""
    if "shape" in nest:
        return shape_text(nest["shape"])
    if "dict" in nest:
        inner = [f"{literal(key)}: {nest_text(each)}" for key, each in nest["dict"]]
        return f"{{{', '.join(inner)}}}"
    return f"[{', '.join(map(nest_text, nest['list']))}]"


def shape_text(shape: Sequence[int | None]) -> str:
    """Returns a shape with a batch of N: "(N, 3)"; "?" stands for a size that varies."""
    parts = ["N", *("?" if size is None else str(size) for size in shape[1:])]
    return f"({', '.join(parts)})" if len(parts) > 1 else "(N,)"
