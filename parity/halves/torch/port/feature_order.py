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

from parity.halves.torch.call import Call
from parity.halves.torch.port.traced_axes import Axes, Traced, as_keras, channels_first

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
    if known in (as_keras(len(shape)), channels_first(len(shape))):
        return known == channels_first(len(shape))
    return is_first


def _channels_first(shape: Sequence[int]) -> np.ndarray:
    """Returns Keras's positions of the features of (C, ...), for Keras's shape (N, ..., C)."""
    positions = np.arange(int(np.prod(shape[1:]))).reshape(shape[1:])
    return np.moveaxis(positions, -1, 0).reshape(-1)
