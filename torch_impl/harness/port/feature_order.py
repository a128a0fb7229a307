"""The order of features between images and vectors, where a port has its channels first.

A port that flattens (N, C, H, W), or views a vector as (N, C, H, W), has its features in another
order than Keras. The nodes and calls of both go in; for every node of Keras comes out in which
order the port has its features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from torch_impl.harness.call import Call
from torch_impl.harness.kinds import RECURRENT

_CHANNELS_LAST = frozenset((*RECURRENT, "bidirectional", "dense", "layer_norm"))

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
    *,
    channels_last: bool,
) -> Orders:
    """Finds the orders of features.

    Args:
        keras: nodes of the Keras model.
        calls: calls of the port.
        partners: number of a Keras node -> number of its call.
        channels_last: whether the port has the channels last, as Keras does.
    """
    orders = Orders()
    if channels_last:
        return orders
    for number, node in enumerate(keras):
        _go_down(keras, calls, partners, number, node, orders)
    for number, node in enumerate(keras):
        shapes, made = node["input_shapes"], node["output_shape"]
        is_up = node["kind"] == "reshape" and shapes and len(shapes[0]) == 2 < len(made)
        if is_up and number in partners and number not in orders.rows:
            order = _viewed(calls[partners[number]], made, calls)
            if order is not None:
                _go_back(keras, number, order, orders)
    return orders


def _go_down(
    keras: Sequence[Mapping[str, Any]],
    calls: Sequence[Call],
    partners: Mapping[int, int],
    number: int,
    node: Mapping[str, Any],
    orders: Orders,
) -> None:
    """Passes the orders of the inputs of a node on to its output."""
    shapes, made = node["input_shapes"], node["output_shape"]
    if node["kind"] in ("flatten", "reshape") and shapes and len(shapes[0]) > 2:
        if len(made) == 2 and number in partners:
            order = _flattened(calls[partners[number]], shapes[0], calls)
            _keep(orders.features, number, order)
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


def _flattened(call: Call, shape: Sequence[int], calls: Sequence[Call]) -> Order:
    """Returns Keras's position of each feature of a flattened tensor; None if all are in place."""
    if not call.inputs:
        return None
    x, y = call.inputs[0], call.output
    source = call.sources[0] if call.sources else None
    if source is not None and source >= 0 and calls[source].kind == "permute":
        before = calls[source].inputs[0].movedim(1, -1)
        # With as many channels as pixels, the shape does not show that channels are last now.
        if before.shape == x.shape and torch.equal(before, x):
            return None
    channels_first = [shape[0], shape[-1], *shape[1:-1]]
    if list(x.shape) != channels_first or y.ndim != 2:
        return None
    return _channels_first(shape) if torch.equal(y, x.flatten(1)) else None


def _viewed(call: Call, shape: Sequence[int], calls: Sequence[Call]) -> Order:
    """Returns Keras's position of each feature of a vector that a port views as channels first."""
    if not call.inputs:
        return None
    x, y = call.inputs[0], call.output
    channels_first = [shape[0], shape[-1], *shape[1:-1]]
    if x.ndim != 2 or list(y.shape) != channels_first or not torch.equal(y, x.reshape(y.shape)):
        return None
    if channels_first == list(shape):  # the shape does not tell: what takes it does
        number = next(n for n, other in enumerate(calls) if other is call)
        takers = [other.kind for other in calls if number in other.sources]
        if not takers or takers[0] == "permute" or takers[0] in _CHANNELS_LAST:
            return None
    return _channels_first(shape)


def _channels_first(shape: Sequence[int]) -> np.ndarray:
    """Returns Keras's positions of the features of (C, ...), for Keras's shape (N, ..., C)."""
    positions = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    return np.moveaxis(positions, -1, 0).reshape(-1)
