"""The order of features where images become vectors, and where vectors become images."""

import numpy as np
import torch
from torch import nn

from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.paired_layer import feature_orders
from parity.halves.torch.port.portable import traced


def node(kind, given, made, sources, weights=()):
    return {
        "kind": kind,
        "input_shapes": [list(shape) for shape in given],
        "output_shape": list(made),
        "sources": sources,
        "weights": list(weights),
    }


def calls_of(net, *given):
    with torch.no_grad(), recorded_calls(net, lambda number, x, rate: x) as calls:
        net(*given)
    return calls


def orders_of(nodes, calls, partners, *, is_first=True, given=None):
    return feature_orders(nodes, calls, partners, traced(calls, [given]), is_first=is_first)


def order(*sides):
    """Keras's position of each feature of (C, H, W), for (H, W, C)."""
    return np.arange(np.prod(sides)).reshape(sides).transpose(2, 0, 1).reshape(-1)


def test_a_flatten_goes_through_activations_to_the_rows_of_a_kernel():
    nodes = [
        node("flatten", [(2, 4, 3, 5)], (2, 60), [-1]),
        node("activation:relu", [(2, 60)], (2, 60), [0]),
        node("dense", [(2, 60)], (2, 60), [1], ["dense.kernel"]),
        node("dense", [(2, 60)], (2, 2), [2], ["dense_1.kernel"]),
    ]
    net = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(60, 60), nn.Linear(60, 2))
    found = orders_of(nodes, calls_of(net, torch.randn(2, 5, 4, 3)), {0: 0, 1: 1, 2: 2, 3: 3})
    assert sorted(found.features) == [0, 1]
    np.testing.assert_equal(found.rows, dict.fromkeys([1, 2], order(4, 3, 5)))


def test_a_joined_vector_has_the_order_of_its_parts():
    nodes = [
        node("flatten", [(2, 2, 1, 3)], (2, 6), [-1]),
        node("concatenate", [(2, 4), (2, 6)], (2, 10), [-1, 0]),
        node("dense", [(2, 10)], (2, 2), [1], ["dense.kernel"]),
    ]

    class Net(nn.Module):
        def forward(self, image, table):
            return torch.cat([table, image.flatten(1)], 1)

    calls = calls_of(Net(), torch.randn(2, 3, 2, 1), torch.randn(2, 4))
    found = orders_of(nodes, calls, {0: 0, 1: 1})
    np.testing.assert_array_equal(found.rows[2], [0, 1, 2, 3, *(4 + order(2, 1, 3))])


def up(shape):
    whole = int(np.prod(shape))
    return [
        node("dense", [(2, 6)], (2, whole), [-1], ["dense.kernel", "dense.bias"]),
        node("batch_norm", [(2, whole)], (2, whole), [0], ["norm.gamma"]),
        node("reshape", [(2, whole)], (2, *shape), [1]),
    ]


def viewed(shape, *after):
    whole = int(np.prod(shape))
    net = nn.Sequential(
        nn.Linear(6, whole), nn.BatchNorm1d(whole), nn.Unflatten(1, shape), *after
    ).eval()
    return calls_of(net, torch.randn(2, 6))


def test_a_view_as_channels_first_gives_its_order_to_the_layers_that_make_the_vector():
    found = orders_of(up((4, 3, 5)), viewed((5, 4, 3)), {0: 0, 1: 1, 2: 2})
    expected = order(4, 3, 5)
    assert sorted(found.features) == [0, 1]
    assert sorted(found.rows) == [1, 2]
    assert (found.features[0] == expected).all()
