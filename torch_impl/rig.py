"""Rig: a port on the test bench: built, its calls paired with Keras's layers, weights carried over.

factory -> Port -> calls of one forward pass -> pairs -> weights carried over
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.bundle import Bundle
from parity.errors import InputError
from parity.joining import Ends, ends_of
from parity.pairing import Pairing, pair_calls
from torch_impl.call_places import line_of
from torch_impl.calls import Call, first_tensor, recorded_calls
from torch_impl.layouts import Variable, variables
from torch_impl.portable import from_portable, to_portable
from torch_impl.subject import build_subject
from torch_impl.weights import assign, match, read

# Kinds of layers whose samples are images or signals: channels first in torch.
_SPATIAL = frozenset(
    [
        "conv",
        "depthwise_conv",
        "separable_conv",
        "conv_transpose",
        "max_pool",
        "average_pool",
        "global_max_pool",
        "global_average_pool",
        "zero_padding",
        "cropping",
        "upsampling",
        "batch_norm",
        "group_norm",
    ]
)


@dataclass(frozen=True)
class PairedLayer:
    """A Keras node and the torch call that stands for it.

    Attributes:
        node: facts of the Keras node.
        call: as it was in the pass that found the pairs.
        variables: Keras's name of a weight -> its name in the module.
        rows: order of the features that enter, after a flatten of channels first: the portable
            position of each; None where both halves have the same order.
        features: the same for what leaves it.
        ends: numbers of the nodes and calls with which it begins and ends.
    """

    node: Mapping[str, Any]
    call: Call
    variables: Mapping[str, str]
    rows: np.ndarray | None = None
    features: np.ndarray | None = None
    ends: Ends = field(kw_only=True)


class Rig:
    """A port with Keras's weights.

    Args:
        factory: of the port.
        seed: of the factory's random numbers.
        bundle: what Keras computed.
        device: on which the port computes.

    Raises:
        InputError: the factory or `layers` of the port cannot be used.
    """

    def __init__(
        self, factory: Callable[[], Any], seed: int, bundle: Bundle, device: str = "cpu"
    ) -> None:
        self.port = build_subject(factory, seed)
        self.port.module.to(device)  # in place, so that the optimizer keeps its parameters
        self.device = device
        self.bundle = bundle
        self.problems: list[str] = []  # of carrying weights
        module = self.port.module
        self._state = copy.deepcopy(module.state_dict())
        self.calls, self.output = self._discovered()
        self.nodes = [_node(call) for call in self.calls]
        self.pairing = self._paired()
        self.pairs = self._layers()
        self.carry()

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self.port.module

    def arguments(self, purpose: str) -> tuple[Any, ...]:
        """Returns the arguments of the module for a recorded batch."""
        arrays: list[np.ndarray] = []
        while (key := f"input/{purpose}/{len(arrays)}") in self.bundle:
            arrays.append(self.bundle[key])
        if self.port.feed is not None:
            fed = self.port.feed(*arrays)
            return self._moved(fed if isinstance(fed, tuple) else (fed,))
        return self._moved(tuple(self._fed(array, number) for number, array in enumerate(arrays)))

    def target(self, key: str) -> Any:
        """Returns recorded targets, `key` their name in the bundle, as the loss takes them."""
        array = self.bundle[key]
        if self.port.target is not None:
            return self._moved(self.port.target(array))
        return self._moved(torch.from_numpy(np.array(array)))

    def masks(self, mode: str) -> Callable[[int, torch.Tensor, float], torch.Tensor]:
        """Returns what an active dropout does in a pass: Keras's mask, at the port's own rate.

        Args:
            mode: of the pass in the bundle: "train", "step1", ...; one without masks drops nothing.
        """
        dropouts = [n for n, call in enumerate(self.calls) if call.kind == "dropout"]
        pairs = {
            dropouts.index(column): pair
            for (_, column), pair in zip(self.pairing.pairs, self.pairs, strict=True)
            if column in dropouts
        }

        def dropped(number: int, x: torch.Tensor, rate: float) -> torch.Tensor:
            pair = pairs.get(number)
            key = f"mask/{mode}/{pair.node['name']}" if pair else ""
            if pair is None or key not in self.bundle or rate >= 1:
                return x
            mask = self.native(pair, self.bundle[key], x)
            if mask is None:
                return x
            return torch.where(mask != 0, x * (1 / (1 - rate)), torch.zeros_like(x))

        return dropped

    def forward(self, mode: str, purpose: str, *, training: bool) -> tuple[list[Call], Any]:
        """Calls the module; returns what it called, and its output."""
        self.module.train(training)
        with recorded_calls(self.module, self.masks(mode)) as calls:
            output = first_tensor(self.module(*self.arguments(purpose)))
        return calls, output

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Brings parameters and buffers back at the end of the block."""
        before = copy.deepcopy(self.module.state_dict())
        try:
            yield
        finally:
            self.module.load_state_dict(before)

    def _moved(self, value: Any) -> Any:
        """Tensors on the device of the check."""
        if isinstance(value, torch.Tensor):
            return value.to(self.device)
        if isinstance(value, list | tuple):
            return type(value)(self._moved(item) for item in value)
        return value

    # --- weights ---------------------------------------------------------------------------------

    def carry(self) -> None:
        """Puts Keras's weights into the module: the port's own way, or by the table of layouts."""
        weights = {name: self.bundle[f"weights/{name}"] for name in self.bundle.facts["weights"]}
        if self.port.load is not None:
            with torch.no_grad():
                self.port.load(self.module, weights)
            return
        for pair in self.pairs:
            if pair.call.module is None:
                continue
            arrays = {
                local: self._to_module(pair, name, weights[name])
                for name, local in pair.variables.items()
            }
            for local, array in arrays.items():
                try:
                    assign(pair.call.module, {local: array})
                except ValueError as error:
                    self.problems.append(f"{pair.node['name']}: {error}")

    def weights(self) -> dict[str, np.ndarray]:
        """Returns all weights that have a partner, by Keras's names, in the portable layout."""
        return self._read(gradient=False)

    def gradients(self) -> dict[str, np.ndarray]:
        """Returns the gradients likewise."""
        return self._read(gradient=True)

    def set_gradients(self, gradients: Mapping[str, np.ndarray]) -> None:
        """Sets the gradients of all parameters, those without a partner to zero."""
        for parameter in self.module.parameters():
            parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
        for pair, name, variable in self.variables():
            if name not in gradients:
                continue
            array = torch.from_numpy(self._to_module(pair, name, gradients[name]).copy())
            parts = variable.to_torch(array)
            if variable.gradient_of is not None:
                # Two biases for one of Keras: each has the gradient of the sum.
                parts = (parts[0],) * len(parts)
            for tensor, part in zip(variable.tensors, parts, strict=True):
                if tensor.requires_grad:
                    tensor.grad = part.to(tensor).contiguous()

    def variables(self) -> Iterator[tuple[PairedLayer, str, Variable]]:
        """Yields (pair, Keras's name, variable of the module) for every weight with a partner."""
        for pair in self.pairs:
            if pair.call.module is None:
                continue
            by_name = {variable.name: variable for variable in variables(pair.call.module)}
            for name, local in pair.variables.items():
                yield pair, name, by_name[local]

    def _read(self, gradient: bool) -> dict[str, np.ndarray]:
        found = {}
        for pair in self.pairs:
            if pair.call.module is None:
                continue
            arrays = read(pair.call.module, gradient=gradient)
            for name, local in pair.variables.items():
                if local in arrays:
                    found[name] = self.to_keras(pair, name, arrays[local])
        return found

    def _to_module(self, pair: PairedLayer, name: str, array: np.ndarray) -> np.ndarray:
        order = _order(pair, name, array)
        return array if order is None else array[order]

    def to_keras(self, pair: PairedLayer, name: str, array: np.ndarray) -> np.ndarray:
        """Puts the rows of a weight, or of what has its layout, into Keras's order."""
        order = _order(pair, name, array)
        return array if order is None else array[np.argsort(order)]

    def chain(self, pair: PairedLayer) -> list[Call]:
        """Returns the calls that a pair consists of, in order: its own, and what was joined."""
        own = next(n for n, call in enumerate(self.calls) if call is pair.call)
        numbers = [pair.ends.torch_last]
        while numbers[0] != pair.ends.torch_first:
            source = self.calls[numbers[0]].sources[0]
            assert source is not None
            numbers.insert(0, source)
        assert own in numbers
        return [self.calls[number] for number in numbers]

    def portable(
        self,
        pair: PairedLayer,
        node: Mapping[str, Any],
        call: Call,
        tensor: torch.Tensor,
        theirs: np.ndarray | None,
        *,
        is_input: bool = False,
    ) -> np.ndarray:
        """Returns an input or the output of a pair as Keras has it.

        Args:
            pair: whose features may stand in another order.
            node: Keras's node that the tensor belongs to; that of the pair, or one joined to it.
            call: likewise, of the port.
            tensor: input or output of the call.
            theirs: what Keras has in its place.
            is_input: which of them.
        """
        if is_input:
            forms = node["input_shapes"]
            # A layer of several inputs has them in any order; all are of one rank.
            fits = [shape for shape in forms if sorted(shape) == sorted(tensor.shape)]
            expected, order = (fits or forms or [[]])[0], pair.rows
        else:
            expected, order = node["output_shape"], pair.features
        array = to_portable(tensor, call.kind, expected, theirs)
        if order is not None and array.ndim == 2 and array.shape[1] == len(order):
            return array[:, np.argsort(order)]
        return array

    def native(
        self, pair: PairedLayer, array: np.ndarray, like: torch.Tensor
    ) -> torch.Tensor | None:
        """The inverse, for inputs; None where the shape does not fit."""
        if pair.rows is not None and array.ndim == 2 and array.shape[1] == len(pair.rows):
            array = array[:, pair.rows]
        return from_portable(array, like, pair.call.kind)

    # --- pairs -----------------------------------------------------------------------------------

    def _discovered(self) -> tuple[list[Call], torch.Tensor]:
        """The calls of one pass in train mode, in which no dropout drops anything."""
        module = self.module
        module.train()
        identity: Any = lambda number, x, rate: x  # noqa: E731
        try:
            with torch.no_grad(), recorded_calls(module, identity) as calls:
                output = first_tensor(module(*self.arguments("probe")))
        except Exception as error:  # the port's own code may raise anything
            shapes = [tuple(self.bundle["input/probe/0"].shape)]
            what = f"{type(error).__name__}: {error}, {line_of(error) or 'inside of torch'}"
            raise InputError(
                f"the torch module cannot take the batch that Keras took, of shape {shapes[0]} in "
                f"Keras's layout ({what}); a Port with `feed` says how it is fed"
            ) from error
        module.load_state_dict(self._state)
        return calls, output

    def _fed(self, array: np.ndarray, number: int) -> torch.Tensor:
        tensor = torch.from_numpy(np.array(array))
        if getattr(self.module, "channels_last", False) or tensor.ndim < 3:
            return tensor
        if tensor.ndim == 3:
            shape = list(array.shape[1:])  # the last batches are smaller than that of the nodes
            first = next(
                (
                    node
                    for node in self.bundle.facts["nodes"]
                    if shape in [given[1:] for given in node["input_shapes"]]
                ),
                None,
            )
            if first is None or first["kind"] not in _SPATIAL:
                return tensor
        return tensor.movedim(-1, 1).contiguous()

    def _paired(self) -> Pairing:
        weights = self.bundle.facts["weights"]
        keras = [
            {**node, "weights": {name: weights[name]["shape"] for name in node["weights"]}}
            for node in self.bundle.facts["nodes"]
        ]
        return pair_calls(keras, self.nodes, self.port.layers)

    def _layers(self) -> list[PairedLayer]:
        """The pairs, with the order of features behind a flatten of channels first."""
        layers: list[PairedLayer] = []
        order: np.ndarray | None = None
        taken: set[str] = set()
        nodes = self.bundle.facts["nodes"]
        found = ends_of(nodes, self.nodes, self.pairing)
        for (row, column), ends in zip(self.pairing.pairs, found, strict=True):
            node, call = nodes[row], self.calls[column]
            rows = order
            shapes = node["input_shapes"]
            if node["kind"] in ("flatten", "reshape") and shapes and len(shapes[0]) > 2:
                order = rows = None
                is_first = not getattr(self.module, "channels_last", False)
                if len(node["output_shape"]) == 2 and is_first:
                    order = _flatten_order(call, shapes[0])
                layers.append(PairedLayer(node, call, {}, None, order, ends=ends))
                continue
            if node["kind"] == "dense" and order is not None:
                order = None
            if len(node["output_shape"]) != 2:
                order = rows = None
            names = [name for name in node["weights"] if name not in taken]
            taken |= set(names)
            layers.append(PairedLayer(node, call, _matched(names, call), rows, order, ends=ends))
        return layers


def _order(pair: PairedLayer, name: str, array: np.ndarray) -> np.ndarray | None:
    """How the first axis of a weight is ordered in the module, if not as in Keras."""
    is_kernel = name.endswith("kernel")
    order = pair.rows if is_kernel or pair.features is not None else None
    fits = order is not None and array.ndim >= 1 and array.shape[0] == len(order)
    return order if fits else None


def _matched(names: Sequence[str], call: Call) -> dict[str, str]:
    """Keras's names of the weights of a layer -> names in the module, as far as they match."""
    if call.module is None:
        return {}
    targets = [variable.name for variable in variables(call.module)]
    local = {name.partition(".")[2]: name for name in names}
    try:
        found = match(list(local), targets, by_kind=True)
    except ValueError:
        return {}
    return {local[short]: target for short, target in found.items()}


def _flatten_order(call: Call, shape: Sequence[int]) -> np.ndarray | None:
    """Where each feature of a flattened torch tensor stands in Keras's order; None if in place."""
    x, y = call.inputs[0], call.output
    channels_first = [shape[0], shape[-1], *shape[1:-1]]
    if list(x.shape) != channels_first or y.ndim != 2:
        return None
    if not torch.equal(y, x.flatten(1)):
        return None
    positions = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    order = np.moveaxis(positions, -1, 0).reshape(-1)
    return None if (order == np.arange(len(order))).all() else order


def _forms(tensor: torch.Tensor) -> list[list[int]]:
    """Its shape, as it is and with the channels last."""
    shape = list(tensor.shape)
    return [shape] if len(shape) < 3 else [shape, [shape[0], *shape[2:], shape[1]]]


def _node(call: Call) -> dict[str, Any]:
    weights: dict[str, list[int]] = {}
    if call.module is not None:
        try:
            found = read(call.module).items()
            # A count of samples is no weight, in Keras's half neither.
            weights = {name: list(a.shape) for name, a in found if a.dtype.kind == "f"}
        except ValueError:  # such as an LSTM of two layers
            weights = {}
    return {
        "name": call.name,
        "kind": call.kind,
        "where": call.where,
        "weights": weights,
        "input_forms": [_forms(x) for x in call.inputs],
        "output_shapes": _forms(call.output) + ([] if call.final is None else _forms(call.final)),
        "sources": call.sources,
        "rate": call.rate,
        "is_active": call.is_active,
    }
