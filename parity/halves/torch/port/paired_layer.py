"""PairedLayer: a Keras node and its torch call, and how arrays of one turn into those of the other.

A weight or an activation of one half goes in, and comes out in the layout of the other half. After
a flatten of channels first, the features of a port have another order, which is kept here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import Call
from parity.halves.torch.kinds import RECURRENT
from parity.halves.torch.port.carried import ordered
from parity.halves.torch.port.dense_axes import shaped
from parity.halves.torch.port.joining import Ends
from parity.halves.torch.port.portable import (
    GLOBAL_POOLS,
    WINDOWED,
    from_portable,
    to_portable,
)
from parity.halves.torch.port.traced_axes import Axes
from torch_impl.layouts import Variable


def with_shared_axes(call: Call, variable: Variable) -> Variable:
    """Adds axes of length 1 to a weight of a call, where Keras's weight is shared along an axis.

    torch.nn.PReLU has the shape (channels,) or (1,), Keras's with `shared_axes` (1, 1, channels).
    """
    if call.kind != "prelu" or variable.tensors[0].ndim != 1 or not call.inputs:
        return variable
    ones = [1] * (call.inputs[0].ndim - 2)

    def to_torch(array: torch.Tensor) -> tuple[torch.Tensor, ...]:
        is_shared = array.numel() == array.shape[-1]
        return variable.to_torch(array.reshape(-1) if is_shared else array)

    return replace(
        variable,
        to_keras=lambda tensors: variable.to_keras(tensors).reshape(*ones, -1),
        to_torch=to_torch,
    )


def _kind(node: Mapping[str, Any], call: Call) -> str:
    """Returns the kind of a node; a pool as large as its image counts as a global pool."""
    if node["kind"] == "attention":
        return "attention"
    is_global = node["kind"] in GLOBAL_POOLS and call.kind in ("max_pool", "average_pool")
    return node["kind"] if is_global else call.kind


def _merged(tensor: torch.Tensor | None, node: Mapping[str, Any], expected: Sequence[int]) -> Any:
    """Merges the two directions that torch concatenates, if Keras merges them in another way."""
    mode = node["config"].get("merge_mode")
    if tensor is None or mode not in ("sum", "mul", "ave") or tensor.ndim < 2:
        return tensor
    if list(tensor.shape) != [*expected[:-1], 2 * expected[-1]]:
        return tensor
    there, back = tensor.chunk(2, dim=-1)
    return there * back if mode == "mul" else (there + back) / (2 if mode == "ave" else 1)


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
        taken: order of the axes in which the inputs of the port's call are Keras's; None: it is not
            known, and their shape and values decide.
        made: the same for its output.
        ends: numbers of the nodes and calls with which the layer begins and ends.
        shapes: of Keras's weights, by name, if they are known.
    """

    node: Mapping[str, Any]
    call: Call
    variables: Mapping[str, str]
    rows: np.ndarray | None = None
    features: np.ndarray | None = None
    taken: Axes | None = None
    made: Axes | None = None
    ends: Ends = field(kw_only=True)
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict, kw_only=True)

    @property
    def is_step(self) -> bool:
        """Whether the call is one step of the layer: a cell, which the port calls in a loop."""
        is_recurrent = self.node["kind"] in (*RECURRENT, "conv_lstm") and self.call.inputs
        return bool(is_recurrent) and self.call.inputs[0].ndim < len(self.node["input_shapes"][0])

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

    def weights(self) -> Iterator[tuple[str, Variable]]:
        """Yields Keras's name of each weight, and the variable that has its layout and order."""
        by_name = {variable.name: variable for variable in self.call.variables}
        for name, local in self.variables.items():
            variable = with_shared_axes(self.call, by_name[local])
            shape = variable.to_keras(variable.tensors).shape
            variable = ordered(variable, tuple(self._orders(name, shape)))
            yield name, shaped(variable, self.shapes.get(name, shape))

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
            if isinstance(call.module, nn.RNNBase) and list(tensor.shape[1:]) in forms[1:]:
                tensor = tensor[0]  # a state: torch has (1, N, units)
            # A layer may take several inputs in any order; all have the same rank.
            fits = [shape for shape in forms if sorted(shape) == sorted(tensor.shape)]
            expected, order, known = (fits or forms or [[]])[0], self.rows, self.taken
        else:
            expected, order, known = node["output_shape"], self.features, self.made
        if not is_input:
            tensor, like = (_merged(x, node, expected) for x in (tensor, like))
        array = to_portable(tensor, _kind(node, call), expected, theirs, like, known)
        if is_input and self._is_turned(array):
            array = array[:, ::-1].copy()
        if order is not None and array.ndim == 2 and array.shape[1] == len(order):
            return array[:, np.argsort(order)]
        return array

    def native(
        self, array: np.ndarray, like: torch.Tensor, *, is_output: bool = False
    ) -> torch.Tensor | None:
        """Returns a Keras input in the port's layout; None if the shape does not fit.

        Args:
            array: Keras's.
            like: the port's tensor in its place.
            is_output: whether it is an output of the layer instead.
        """
        if not is_output and self._is_turned(array):
            array = array[:, ::-1].copy()
        order = self.features if is_output else self.rows
        if order is not None and array.ndim == 2 and array.shape[1] == len(order):
            array = array[:, order]
        known = self.made if is_output else self.taken
        return from_portable(array, like, _kind(self.node, self.call), known=known)

    def _is_turned(self, array: np.ndarray) -> bool:
        """Whether the port turns an input around before the layer, as Keras does inside of it."""
        walks_back = self.node["kind"] in RECURRENT and self.node["config"].get("go_backwards")
        return bool(walks_back) and array.ndim > 2 and isinstance(self.call.module, nn.RNNBase)

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
        tensor = from_portable(array, like, call.kind, theirs, self.made)
        if tensor is None and array.ndim == like.ndim and call.kind in WINDOWED:
            tensor = torch.from_numpy(np.array(array))
            tensor = tensor.movedim(-1, 1).contiguous().to(device=like.device, dtype=like.dtype)
        return tensor

    def _orders(self, name: str, shape: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (axis of a weight, the port's order along it) where it is not Keras's."""
        is_kernel = name.endswith("kernel") and len(shape) > 1
        if is_kernel and self.rows is not None and shape[0] == len(self.rows):
            yield 0, self.rows
        if len(shape) not in (1, 2) or (len(shape) == 2 and not is_kernel):
            return
        if self.features is not None and shape[-1] == len(self.features):
            yield len(shape) - 1, self.features
