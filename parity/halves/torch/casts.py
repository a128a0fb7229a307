"""Computes in float64 what a port casts to another dtype, and notes where it does.

A port may cast to float32 in its code (`x.float()`, `softmax(x, -1, dtype=torch.float32)`), or
compute under `torch.autocast`. In a check in float64, inside the block, such a cast leaves a tensor
of float64 as it is, and gives float64 of whole numbers and of masks; autocast is off. What remains
is what the program computes apart from how it rounds, as in Keras's half.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from parity.halves.torch.factories import is_by_image_layers, is_by_user, where

_CASTS = frozenset(("float", "half", "bfloat16", "to", "type", "type_as"))
_TOOLS = ("torch.amp", "torch.optim")  # of a training, which refuse other dtypes than theirs
_LOWER = frozenset((torch.float32, torch.float16, torch.bfloat16))


@contextmanager
def without_casts(dtype: str) -> Iterator[list[str]]:
    """Leaves out casts of float64 inside the block; yields a list of the lines that have some.

    Args:
        dtype: of the check; without effect unless it is "float64".
    """
    found: list[str] = []
    if dtype != "float64":
        yield found
        return

    def note(name: str) -> None:
        line = f"{name} at {where() or 'torch'}"
        if line not in found:
            found.append(line)

    enter: Any = torch.autocast.__enter__

    def entered(context: Any) -> Any:
        if context._enabled:
            note("autocast")
            context._enabled = False
        return enter(context)

    torch.autocast.__enter__ = entered  # type: ignore[method-assign]
    try:
        with _WithoutCasts(note):
            yield found
    finally:
        torch.autocast.__enter__ = enter  # type: ignore[method-assign]


class _WithoutCasts(TorchFunctionMode):
    def __init__(self, note: Any) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        keywords, name = keywords or {}, getattr(function, "__name__", "")
        if sys._getframe(1).f_globals.get("__name__", "").startswith(_TOOLS):
            return function(*arguments, **keywords)
        if self._is_asked(name, [*arguments, *keywords.values()]):
            arguments = [_wider(each) for each in arguments]
            keywords = {key: _wider(each) for key, each in keywords.items()}
        output = function(*arguments, **keywords)
        if name not in _CASTS or not isinstance(output, torch.Tensor) or not arguments:
            return output
        given = arguments[0]
        # Keras's random layers of images compute in float32 too.
        if output.dtype not in _LOWER or is_by_image_layers() or not torch.is_tensor(given):
            return output
        if given.dtype == torch.float64:
            self._note(f"{name}()")
            return given.to(device=output.device)
        # A mask, or whole numbers: the cast itself rounds nothing, but what follows would.
        return output if given.is_floating_point() else output.to(torch.float64)

    def _is_asked(self, name: str, given: list[Any]) -> bool:
        """Whether the user's code wants float32 of what is none; notes it if that is float64."""
        if name == "view" or not any(map(_is_lower, given)) or not is_by_user():
            return False
        dtype = next((each.dtype for each in given if isinstance(each, torch.Tensor)), None)
        if dtype == torch.float64:
            self._note(f"{name}()")
        return dtype not in _LOWER


def _wider(value: Any) -> Any:
    return torch.float64 if _is_lower(value) else value


def _is_lower(value: Any) -> bool:
    return isinstance(value, torch.dtype) and value in _LOWER
