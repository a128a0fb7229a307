"""PairedLayer: a Keras node and its torch call, and how their arrays turn into each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.halves.torch.call import Call
from parity.halves.torch.kinds import RECURRENT
from parity.halves.torch.port.carried import NAMES, Carried, ordered
from parity.halves.torch.port.pairing import Pairing, exchanged, pair_calls
from parity.halves.torch.port.portable import (
    GLOBAL_POOLS,
    WINDOWED,
    Axes,
    Traced,
    as_keras,
    flat_features,
    flat_shape,
    from_portable,
    shaped,
    to_portable,
    traced_channels_first,
    with_flat_axes,
)
from parity.traces.port_facts import PortNode
from parity.traces.trace import KerasTrace
from torch_impl.layouts import Variable
from torch_impl.weights import match

# --- Where a paired layer begins and ends, if the two programs split their layers differently -----
#
# Keras pads inside a convolution, or before it in a separate layer. A PyTorch program may do it the
# other way, or may pad too much and crop afterwards. A padding or cropping call without a partner
# is joined to the layer next to it if that makes the shapes fit.


_JOINED = frozenset(("zero_padding", "cropping"))
MOST = 2  # calls that are joined on one side of a layer

Nodes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Ends:
    """Numbers of the nodes and calls that a pair begins and ends with.

    Attributes:
        keras_first: the Keras node that takes the inputs of the layer.
        keras_last: the Keras node that gives the output of the layer.
        torch_first: the torch call that takes the inputs of the layer.
        torch_last: the torch call that gives the output of the layer.
    """

    keras_first: int
    keras_last: int
    torch_first: int
    torch_last: int


def ends_of(keras: Nodes, torch: Nodes, pairing: Pairing) -> list[Ends]:
    """Returns the ends of each pair.

    Args:
        keras: nodes with kind, input_shapes, output_shape, sources.
        torch: the same, but with input_forms and output_shapes: the shapes as they are, and with
            the channels last.
        pairing: pairs the two.
    """
    free = set(pairing.keras_left), set(pairing.torch_left)
    ends = []
    for row, column in pairing.pairs:
        starts = _fitting(
            _before(keras, row, free[0]),
            _before(torch, column, free[1]),
            lambda a, b: keras[a]["input_shapes"][:1] and _input(keras[a]) in _inputs(torch[b]),
        )
        stops = _fitting(
            _after(keras, row, free[0]),
            _after(torch, column, free[1]),
            lambda a, b: keras[a]["output_shape"] in torch[b]["output_shapes"],
        )
        ends.append(Ends(starts[0], stops[0], starts[1], stops[1]))
    return ends


def _fitting(rows: list[int], columns: list[int], fits: Any) -> tuple[int, int]:
    """Returns the nearest two that fit, or those of the pair itself if none fit."""
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
    for i, j in sorted(pairs, key=sum):
        if fits(rows[i], columns[j]):
            return rows[i], columns[j]
    return rows[0], columns[0]


def _before(nodes: Nodes, number: int, free: set[int]) -> list[int]:
    chain = [number]
    while len(chain) <= MOST:
        sources = nodes[chain[-1]]["sources"]
        source = sources[0] if sources else None
        # -1 is an input of the model, None a call that was not watched.
        if source is None or source not in free or nodes[source]["kind"] not in _JOINED:
            break
        chain.append(source)
    return chain


def _after(nodes: Nodes, number: int, free: set[int]) -> list[int]:
    chain = [number]
    while len(chain) <= MOST:
        takers = [n for n, node in enumerate(nodes) if chain[-1] in node["sources"]]
        if len(takers) != 1 or takers[0] not in free or nodes[takers[0]]["kind"] not in _JOINED:
            break
        chain.append(takers[0])
    return chain


def _input(node: Mapping[str, Any]) -> list[int]:
    shape: list[int] = node["input_shapes"][0]
    return shape


def _inputs(node: Mapping[str, Any]) -> list[list[int]]:
    forms: list[list[list[int]]] = node["input_forms"]
    return forms[0] if forms else []


# --- Which weight of a Keras layer belongs into which variable of a call, by their names ----------


def matched_weights(names: Sequence[str], call: Call) -> dict[str, str]:
    """Returns Keras's name of each weight of a layer -> its name in the module, if they match."""
    targets = [variable.name for variable in call.variables]
    # Two convolutions in torch can have the two kernels of one Keras layer.
    local = {
        name.partition(".")[2].replace("depthwise_", "").replace("pointwise_", ""): name
        for name in names
    }
    try:
        found = match(list(local), targets, by_kind=True)
    except ValueError:
        return {}
    return {local[short]: target for short, target in found.items()}


# --------------------------------------------------------------------------------------------------
#
# PairedLayer: a Keras node and its torch call, and how arrays of one turn into those of the other.
#
# A weight or an activation of one half goes in, and comes out in the layout of the other half.
# After a flatten of channels first, the features of a port have another order, which is kept here.


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
        index = next(n for n, call in enumerate(calls) if call is self.call)
        numbers = [self.ends.torch_last]
        while numbers[0] != self.ends.torch_first:
            source = calls[numbers[0]].sources[0]
            assert source is not None
            numbers.insert(0, source)
        assert index in numbers
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


# --------------------------------------------------------------------------------------------------
#
# A bidirectional layer of Keras that a port writes as two layers, one of them on a turned input.
#
# The pairing of calls and nodes goes in. For each such layer come out the two calls, and the ways
# in which they may hold its weights.


def with_directions(
    keras: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], pairing: Pairing
) -> Pairing:
    """Returns a pairing in which bidirectional layers with two calls are marked as such.

    Args:
        keras: nodes of Keras, with the shapes of their weights.
        nodes: of the port.
        pairing: pairs the two.
    """
    partners = dict(pairing.pairs)
    free = list(pairing.torch_left)
    found = []
    for row, node in enumerate(keras):
        if node["kind"] != "bidirectional" or not node["weights"]:
            continue
        shapes = [list(shape) for shape in node["weights"].values()]
        half = shapes[: len(shapes) // 2]
        current = [partners[row]] if row in partners else []
        fitting = [
            n
            for n in sorted([*current, *free])
            if nodes[n]["kind"] in RECURRENT
            and sorted(nodes[n]["weights"].values()) == sorted(half)
        ]
        if len(shapes) % 2 or len(fitting) < 2 or not set(current) <= set(fitting[:2]):
            continue
        found.append((row, fitting[0], fitting[1]))
        partners.pop(row, None)
        free = [n for n in [*free, *current] if n not in fitting[:2]]
    if not found:
        return pairing
    used = set(partners.values())
    return replace(
        pairing,
        pairs=tuple(partners.items()),
        keras_left=tuple(n for n in range(len(keras)) if n not in partners),
        torch_left=tuple(n for n in range(len(nodes)) if n not in used),
        directions=tuple(found),
    )


def ways_of(
    keras: KerasTrace, calls: Sequence[Call], pairing: Pairing
) -> list[list[list[Carried]]]:
    """Returns for each bidirectional layer the ways in which two calls may hold its weights.

    The first is that the earlier call walks forward.

    Args:
        keras: what Keras computed.
        calls: of the port.
        pairing: of both.
    """
    nodes = keras.facts["nodes"]
    return [
        list(_ways(nodes[row], (calls[first], calls[second])))
        for row, first, second in pairing.directions
    ]


def _ways(node: Mapping[str, Any], both: tuple[Call, Call]) -> Iterator[list[Carried]]:
    names = node["weights"]
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    for order in (both, both[::-1]):
        yield [
            Carried(name, variable, NAMES, node["name"])
            for half, call in zip(halves, order, strict=True)
            for name, local in matched_weights(half, call).items()
            for variable in call.variables
            if variable.name == local
        ]


# --- The order of features between images and vectors, where a port has its channels first --------
#
# A port that flattens (N, C, H, W), or views a vector as (N, C, H, W), has its features in another
# order than Keras. The nodes and calls of both go in; for every node of Keras comes out in which
# order the port has its features.


Order = np.ndarray | None


@dataclass
class Orders:
    """The orders of features by the number of the Keras node; a node without one has Keras's.

    Attributes:
        rows: of what goes into a node: the port's position n has Keras's position `rows[n]`.
        features: of what comes out.
    """

    rows: dict[int, np.ndarray] = field(default_factory=dict)
    features: dict[int, np.ndarray] = field(default_factory=dict)


def feature_orders(
    keras: Sequence[Mapping[str, Any]],
    calls: Sequence[Call],
    partners: Mapping[int, int],
    axes: Traced,
    *,
    is_first: bool,
) -> Orders:
    """Finds the orders of features.

    Args:
        keras: nodes of the Keras model.
        calls: calls of the port.
        partners: number of a Keras node -> number of its call.
        axes: orders of the axes of the port's tensors.
        is_first: whether a tensor has its channels first if neither its shape nor `axes` tells it.
    """
    orders = Orders()
    flattened: dict[int, Order] = {}
    for number, node in enumerate(keras):
        shapes = node["input_shapes"]
        is_down = node["kind"] in ("flatten", "reshape") and shapes and len(shapes[0]) > 2
        if is_down and len(node["output_shape"]) == 2 and number in partners:
            column = partners[number]
            known = axes.taken[column]
            flattened[number] = _flattened(calls[column], shapes[0], known, is_first=is_first)
    for number, node in enumerate(keras):
        _go_down(flattened, number, node, orders)
    for number, node in enumerate(keras):
        shapes, made = node["input_shapes"], node["output_shape"]
        is_up = node["kind"] == "reshape" and shapes and len(shapes[0]) == 2 < len(made)
        if is_up and number in partners and number not in orders.rows:
            column = partners[number]
            order = _viewed(calls[column], made, axes.made[column], is_first=is_first)
            if order is not None:
                _go_back(keras, number, order, orders)
    return orders


def _go_down(
    flattened: Mapping[int, Order], number: int, node: Mapping[str, Any], orders: Orders
) -> None:
    """Passes the orders of the inputs of a node on to its output."""
    shapes, made = node["input_shapes"], node["output_shape"]
    if number in flattened:
        _keep(orders.features, number, flattened[number])
        return
    if not shapes or len(shapes[0]) != 2:
        return
    given = [_of_source(node, n, shape, orders) for n, shape in enumerate(shapes)]
    _keep(orders.rows, number, given[0])
    if len(made) != 2:
        return
    if node["kind"] == "concatenate":
        if any(order is not None for order in given):
            _keep(orders.features, number, _joined(given, [shape[1] for shape in shapes]))
    elif not _has_kernel(node) and made[1] == shapes[0][1]:
        found = (order for order in given if order is not None)
        _keep(orders.features, number, next(found, None))


def _keep(orders: dict[int, np.ndarray], number: int, order: Order) -> None:
    if order is not None and not (order == np.arange(len(order))).all():
        orders[number] = order


def _of_source(node: Mapping[str, Any], n: int, shape: Sequence[int], orders: Orders) -> Order:
    source = node["sources"][n] if n < len(node["sources"]) else None
    if source is None and orders.features:  # made by something that was not watched
        source = max(orders.features)
    order = orders.features.get(-1 if source is None else source)
    return order if order is not None and len(order) == shape[1] else None


def _joined(given: Sequence[Order], sides: Sequence[int]) -> np.ndarray:
    starts = np.cumsum([0, *sides[:-1]])
    parts = zip(given, sides, starts, strict=True)
    return np.concatenate(
        [start + (np.arange(side) if order is None else order) for order, side, start in parts]
    )


def _has_kernel(node: Mapping[str, Any]) -> bool:
    return any(name.endswith("kernel") for name in node["weights"])


def _go_back(
    keras: Sequence[Mapping[str, Any]], number: int, order: np.ndarray, orders: Orders
) -> None:
    """Gives the order of a vector that is viewed as an image to the layers that make it."""
    orders.rows[number] = order
    before = keras[number]["sources"][0]
    while before is not None and before >= 0:
        node = keras[before]
        if node["output_shape"] != keras[number]["input_shapes"][0] or before in orders.features:
            return
        orders.features[before] = order
        if _has_kernel(node) or len(node["sources"]) != 1:
            return
        orders.rows[before] = order
        before = node["sources"][0]


def _flattened(call: Call, shape: Sequence[int], known: Axes | None, *, is_first: bool) -> Order:
    """Returns Keras's position of each feature of a flattened tensor; None if all are in place."""
    if not call.inputs:
        return None
    x, y = call.inputs[0], call.output
    if y.ndim != 2 or not _has_channels_first(x.shape, shape, known, is_first=is_first):
        return None
    return _channels_first(shape) if torch.equal(y, x.flatten(1)) else None


def _viewed(call: Call, shape: Sequence[int], known: Axes | None, *, is_first: bool) -> Order:
    """Returns Keras's position of each feature of a vector that a port views as channels first."""
    if not call.inputs:
        return None
    x, y = call.inputs[0], call.output
    if x.ndim != 2 or not _has_channels_first(y.shape, shape, known, is_first=is_first):
        return None
    return _channels_first(shape) if torch.equal(y, x.reshape(y.shape)) else None


def _has_channels_first(
    ours: Sequence[int], shape: Sequence[int], known: Axes | None, *, is_first: bool
) -> bool:
    """Whether a tensor has its channels first: by its shape, else by how it came about."""
    if list(ours) != [shape[0], shape[-1], *shape[1:-1]]:
        return False
    if list(ours) != list(shape):
        return True
    if known in (as_keras(len(shape)), traced_channels_first(len(shape))):
        return known == traced_channels_first(len(shape))
    return is_first


def _channels_first(shape: Sequence[int]) -> np.ndarray:
    """Returns Keras's positions of the features of (C, ...), for Keras's shape (N, ..., C)."""
    positions = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    return np.moveaxis(positions, -1, 0).reshape(-1)


# --- Pairs the calls of a port with Keras's layers, and finds the order of their features ---------
#
# calls -> nodes of the port -> pairing with Keras's nodes -> a PairedLayer for each pair


def node_of(call: Call) -> PortNode:
    """Returns the facts of a call by which its pair is found."""
    shared = (with_shared_axes(call, variable) for variable in call.variables)
    found = ((v.name, with_flat_axes(call, v, v.to_keras(v.tensors))) for v in shared)
    # A count of samples is not a weight. Keras's half leaves it out too.
    weights = {name: list(value.shape) for name, value in found if value.is_floating_point()}
    return {
        "name": call.name,
        "kind": call.kind,
        "module": None if call.module is None else type(call.module).__name__,
        "where": call.where,
        "weights": weights,
        "input_forms": [_forms(x) for x in call.inputs],
        "output_shapes": _forms(call.output) + ([] if call.final is None else _forms(call.final)),
        "sources": call.sources,
        "origins": call.origins,
        "rate": call.rate,
        "is_active": call.is_active,
    }


def _forms(tensor: torch.Tensor) -> list[list[int]]:
    """Returns the shape of a tensor as it is, and with the channels last; of a sequence, too."""
    shape = list(tensor.shape)
    if len(shape) < 3:
        return [shape]
    found = [shape, [shape[0], *shape[2:], shape[1]]]
    return found if len(shape) < 4 else [*found, [*shape[:2], *shape[3:], shape[2]]]


def paired_calls(
    facts: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]], layers: Mapping[str, str]
) -> Pairing:
    """Pairs the nodes of a port with Keras's.

    Args:
        facts: of what Keras left.
        nodes: of the port.
        layers: pairs that the user gives: Keras layer -> module.

    Raises:
        InputError: `layers` names a call that does not exist.
    """
    keras = _with_shapes(facts)
    return with_directions(keras, nodes, pair_calls(keras, nodes, layers))


def other_pairings(
    facts: Mapping[str, Any],
    nodes: Sequence[Mapping[str, Any]],
    layers: Mapping[str, str],
    pairing: Pairing,
) -> Iterator[Pairing]:
    """Yields pairings that are possible too; the arguments are those of `paired_calls`."""
    return exchanged(_with_shapes(facts), nodes, pairing, layers)


def _with_shapes(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    weights = facts["weights"]
    return [
        {
            **node,
            "weights": {name: flat_shape(node, weights[name]["shape"]) for name in node["weights"]},
            "output_shape": flat_features(node),
        }
        for node in facts["nodes"]
    ]


def paired_layers(
    keras: Sequence[Mapping[str, Any]],
    nodes: Sequence[Mapping[str, Any]],
    calls: Sequence[Call],
    pairing: Pairing,
    *,
    axes: Traced,
    is_first: bool | None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> list[PairedLayer]:
    """Returns the pairs, with the order of features after a flatten of channels first.

    Args:
        keras: nodes of the Keras model.
        nodes: nodes of the port.
        calls: calls of the port, one for each node.
        pairing: pairs the nodes of both.
        axes: orders of the axes of the port's tensors.
        is_first: whether a tensor has its channels first of which neither its shape nor `axes`
            tells it; None: the port has the channels last, as Keras does, everywhere.
        shapes: of Keras's weights, by name, where they may have more axes than those of a port.
    """
    partners = dict(pairing.pairs)
    orders = Orders()
    if is_first is not None:
        orders = feature_orders(keras, calls, partners, axes, is_first=is_first)
    layers: list[PairedLayer] = []
    used_names: set[str] = set()
    found = ends_of(keras, nodes, pairing)
    for (row, column), ends in zip(pairing.pairs, found, strict=True):
        node, call = keras[row], calls[column]
        names = [name for name in node["weights"] if name not in used_names]
        used_names |= set(names)
        layers.append(
            PairedLayer(
                node,
                call,
                matched_weights(names, call),
                orders.rows.get(row),
                orders.features.get(row),
                axes.taken[column],
                axes.made[column],
                ends=ends,
                shapes={name: (shapes or {})[name] for name in names if name in (shapes or {})},
            )
        )
    return layers


def differ(some: Sequence[PairedLayer], others: Sequence[PairedLayer]) -> bool:
    """Whether the features of some layers have another order than those of the same layers."""
    orders = [
        (one, other)
        for a, b in zip(some, others, strict=True)
        for one, other in ((a.rows, b.rows), (a.features, b.features))
    ]
    return any(
        one is not other if one is None or other is None else not np.array_equal(one, other)
        for one, other in orders
    )
