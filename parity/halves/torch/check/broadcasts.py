"""Outputs and targets that a loss broadcasts: (N, 1) against (N,) makes N x N numbers.

torch broadcasts without an error, and Keras never does that with what `fit` gets. The functions
that a loss calls are watched. The two shapes that meet come out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from parity.halves.torch.port.function_weights import flat_tensors

Shapes = tuple[list[int], list[int]]  # of an output, and of a target

# Functions of pairs of entries. Others, such as a product of matrices, take two shapes as they are.
_BY_ENTRY = frozenset(
    (
        *("add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide"),
        *("pow", "maximum", "minimum", "fmax", "fmin", "where", "lerp", "logaddexp", "xlogy"),
        *("eq", "ne", "lt", "le", "gt", "ge", "addcmul", "logical_and", "logical_or"),
        *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss"),
        *("binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss"),
    )
)
_REFLECTED = ("rsub", "radd", "rmul", "rdiv", "rtruediv", "rpow", "truediv", "isub", "iadd", "imul")


@contextmanager
def seen_broadcasts(output: Any, target: Any) -> Iterator[list[Shapes]]:
    """Watches a loss inside the block; yields a list to which such pairs of shapes are added.

    Args:
        output: of the port: a tensor, or a nest of tensors.
        target: the same.
    """
    watch = _Watch(output, target)
    with watch:
        yield watch.found


class _Watch(TorchFunctionMode):
    def __init__(self, output: Any, target: Any) -> None:
        super().__init__()
        self.found: list[Shapes] = []
        self._alive = [output, target]  # so that no id is used twice
        self._kinds = {id(tensor): "target" for tensor in flat_tensors(target)}
        self._kinds |= {id(tensor): "output" for tensor in flat_tensors(output)}

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        made = function(*arguments, **(keywords or {}))
        given = flat_tensors((arguments, keywords or {}))
        kinds = {kind for x in given if (kind := self._kinds.get(id(x)))}
        if len(kinds) == 2 and _is_by_entry(function):
            self._compare(given)
        if kinds and isinstance(made, torch.Tensor):
            self._kinds[id(made)] = "output" if "output" in kinds else "target"
            self._alive.append(made)
        return made

    def _compare(self, given: list[torch.Tensor]) -> None:
        shapes = {self._kinds[id(x)]: x.shape for x in given if id(x) in self._kinds}
        output, target = shapes["output"], shapes["target"]
        try:
            both = math.prod(torch.broadcast_shapes(output, target))
        except RuntimeError:
            return
        if both > max(math.prod(output), math.prod(target)):
            self.found.append((list(output), list(target)))


def _is_by_entry(function: Any) -> bool:
    name = str(getattr(function, "__name__", "")).strip("_")
    return name in _BY_ENTRY or name in _REFLECTED
