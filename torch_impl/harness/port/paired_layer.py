"""PairedLayer: a Keras node and its torch call, and how arrays of one turn into those of the other.

A weight or an activation of one half goes in, and comes out in the layout of the other half. After
a flatten of channels first, the features of a port have another order, which is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from torch_impl.harness.calls import Call
from torch_impl.harness.port.joining import Ends
from torch_impl.harness.port.portable import (
    GLOBAL_POOLS,
    WINDOWED,
    from_portable,
    to_portable,
)


def with_shared_axes(call: Call, array: np.ndarray) -> np.ndarray:
    """Adds axes of length 1 to a weight of a call, where Keras's weight is shared along an axis.

    torch.nn.PReLU has the shape (channels,) or (1,), Keras's with `shared_axes` (1, 1, channels).
    """
    return array.reshape(*[1] * (call.inputs[0].ndim - 2), -1) if _is_shared(call) else array


def _kind(node: Mapping[str, Any], call: Call) -> str:
    """Returns the kind of a node; a pool as large as its image counts as a global pool."""
    is_global = node["kind"] in GLOBAL_POOLS and call.kind in ("max_pool", "average_pool")
    return node["kind"] if is_global else call.kind


def _is_shared(call: Call) -> bool:
    return isinstance(call.module, nn.PReLU)


@dataclass(frozen=True)
class PairedLayer:
    """A Keras node and the torch call that is paired with it.

    Attributes:
        node: facts of the Keras node.
        call: the torch call, from the pass in which the pairs were found.
        variables: Keras's name of a weight -> its name in the module.
        rows: order of the input features after a flatten of channels first: the portable position
            of each; None if both halves have the same order.
        features: the same for the output features.
        ends: numbers of the nodes and calls with which the layer begins and ends.
    """

    node: Mapping[str, Any]
    call: Call
    variables: Mapping[str, str]
    rows: np.ndarray | None = None
    features: np.ndarray | None = None
    ends: Ends = field(kw_only=True)

    def chain(self, calls: Sequence[Call]) -> list[Call]:
        """Returns the calls of a pair in order: its own call, and those joined to it.

        Args:
            calls: all calls of the pass in which the pairs were found.
        """
        own = next(n for n, call in enumerate(calls) if call is self.call)
        numbers = [self.ends.torch_last]
        while numbers[0] != self.ends.torch_first:
            source = calls[numbers[0]].sources[0]
            assert source is not None
            numbers.insert(0, source)
        assert own in numbers
        return [calls[number] for number in numbers]

    def to_module(self, name: str, array: np.ndarray) -> np.ndarray:
        """Puts the rows of a Keras weight, or of an array like it, into the port's order."""
        order = self._order(name, array)
        array = array if order is None else array[order]
        return (
            array.reshape(-1) if _is_shared(self.call) and array.size == array.shape[-1] else array
        )

    def to_keras(self, name: str, array: np.ndarray) -> np.ndarray:
        """Puts the rows of a port's weight, or of an array like it, into Keras's order."""
        order = self._order(name, array)
        return with_shared_axes(self.call, array if order is None else array[np.argsort(order)])

    def portable(
        self,
        node: Mapping[str, Any],
        call: Call,
        tensor: torch.Tensor,
        theirs: np.ndarray | None,
        *,
        is_input: bool = False,
        like: torch.Tensor | None = None,
    ) -> np.ndarray:
        """Returns an input or the output of a call in Keras's layout.

        Args:
            node: the Keras node of the tensor: that of the pair, or one joined to it.
            call: the port's call of the tensor: that of the pair, or one joined to it.
            tensor: input or output of the call.
            theirs: Keras's array in its place.
            is_input: whether the tensor is an input.
            like: the output, if the tensor is its gradient; `theirs` is Keras's output then.
        """
        if is_input:
            forms = node["input_shapes"]
            # A layer may take several inputs in any order; all have the same rank.
            fits = [shape for shape in forms if sorted(shape) == sorted(tensor.shape)]
            expected, order = (fits or forms or [[]])[0], self.rows
        else:
            expected, order = node["output_shape"], self.features
        array = to_portable(tensor, _kind(node, call), expected, theirs, like)
        if order is not None and array.ndim == 2 and array.shape[1] == len(order):
            return array[:, np.argsort(order)]
        return array

    def native(self, array: np.ndarray, like: torch.Tensor) -> torch.Tensor | None:
        """Returns a Keras input in the port's layout; None if the shape does not fit."""
        if self.rows is not None and array.ndim == 2 and array.shape[1] == len(self.rows):
            array = array[:, self.rows]
        return from_portable(array, like, _kind(self.node, self.call))

    def native_output(
        self, array: np.ndarray, call: Call, theirs: np.ndarray | None = None
    ) -> torch.Tensor | None:
        """Returns a Keras output, or its gradient, in the layout of the port's output.

        Args:
            array: of the Keras node with which the pair ends.
            call: the port's call with which it ends.
            theirs: Keras's output, if `array` is its gradient.

        Returns:
            A tensor; of another shape than the port's output if its windows give another shape;
            None if its layout is not known.
        """
        order = self.features
        if order is not None and array.ndim == 2 and array.shape[1] == len(order):
            array = array[:, order]
        like = call.output
        tensor = from_portable(array, like, call.kind, theirs)
        if tensor is None and array.ndim == like.ndim and call.kind in WINDOWED:
            tensor = torch.from_numpy(np.array(array))
            tensor = tensor.movedim(-1, 1).contiguous().to(device=like.device, dtype=like.dtype)
        return tensor

    def _order(self, name: str, array: np.ndarray) -> np.ndarray | None:
        """Returns the order of a weight's first axis in the module, None if it is Keras's."""
        is_kernel = name.endswith("kernel")
        order = self.rows if is_kernel or self.features is not None else None
        fits = order is not None and array.ndim >= 1 and array.shape[0] == len(order)
        return order if fits else None
