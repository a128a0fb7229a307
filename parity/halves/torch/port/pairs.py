"""Pairs the calls of a port with Keras's layers, and finds the order of their features.

calls -> nodes of the port -> pairing with Keras's nodes -> a PairedLayer for each pair
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.halves.torch.call import Call
from parity.halves.torch.port.dense_axes import flat_features, flat_shape, with_flat_axes
from parity.halves.torch.port.feature_order import Orders, feature_orders
from parity.halves.torch.port.joining import ends_of
from parity.halves.torch.port.matching import matched_weights
from parity.halves.torch.port.paired_layer import PairedLayer, with_shared_axes
from parity.halves.torch.port.pairing import Pairing, exchanged, pair_calls
from parity.halves.torch.port.traced_axes import Traced
from parity.halves.torch.port.two_directions import with_directions


def node_of(call: Call) -> dict[str, Any]:
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
    taken: set[str] = set()
    found = ends_of(keras, nodes, pairing)
    for (row, column), ends in zip(pairing.pairs, found, strict=True):
        node, call = keras[row], calls[column]
        names = [name for name in node["weights"] if name not in taken]
        taken |= set(names)
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
