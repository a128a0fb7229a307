"""Layers of several runs draw, share and order as the layers of each do."""

import pytest
import torch
from torch import nn

from torch_impl.ensemble.layers import StackedDropout, StackedFlatten, share
from torch_impl.ensemble.streams import Stream
from torch_impl.layers import Dropout, Flatten

SHAPES = {"images": (4, 5, 6, 7), "features": (4, 9)}


def together(parts):
    """The inputs of all runs as one."""
    if parts[0].ndim == 2:
        return torch.stack(parts)
    return torch.cat([part.movedim(1, -1) for part in parts], dim=-1).movedim(-1, 1)


def streams_of(num):
    streams = []
    for seed in range(num):
        torch.manual_seed(seed)
        streams.append(Stream())
    return streams


def inputs(name, dtype):
    """Of three runs, in the memory in which a layer on its own gets them; one is infinite."""
    parts = [torch.rand(SHAPES[name], dtype=dtype) + 1 for _ in range(3)]
    parts[1][:] = torch.inf
    if name == "images":
        return [part.contiguous(memory_format=torch.channels_last) for part in parts]
    return parts


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_keras_masks_are_those_of_each_layer_to_the_bit(name, dtype):
    layers, alone = ([Dropout(0.4, seed=seed) for seed in (7, 8, 9)] for _ in range(2))
    whole = StackedDropout(layers, streams_of(3))
    for _ in range(2):
        parts = inputs(name, dtype)
        expected = together([layer(part) for layer, part in zip(alone, parts, strict=True)])
        assert torch.equal(whole(together(parts)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_torch_masks_are_those_of_each_layer_to_the_bit(name, dtype):
    layers = [nn.Dropout(0.4) for _ in range(3)]
    whole = StackedDropout(layers, streams_of(3))
    parts = [part.nan_to_num(posinf=3.0) for part in inputs(name, dtype)]
    found = [whole(together(parts)) for _ in range(2)]
    expected = [[], []]
    for seed, (layer, part) in enumerate(zip(layers, parts, strict=True)):
        torch.manual_seed(seed)
        for call in expected:
            call.append(layer(part))
    for actual, call in zip(found, expected, strict=True):
        assert torch.equal(actual, together(call))


def test_a_mask_of_more_samples_begins_with_that_of_fewer():
    """On which the filled up batches of a `flow` rely."""
    for dtype in (torch.float32, torch.float64):
        for shape in SHAPES.values():
            more, fewer = (
                Dropout(0.4, seed=3).draw(torch.Size((num, *shape[1:])), dtype) for num in (32, 7)
            )
            assert torch.equal(more[:7], fewer)


def test_nothing_is_dropped_in_eval_mode_or_at_rate_0():
    x = torch.rand(2, 4, 9)
    layers = [Dropout(0.5, seed=1), Dropout(0.5, seed=2)]
    assert StackedDropout(layers, streams_of(2)).eval()(x) is x
    assert StackedDropout([Dropout(0.0), Dropout(0.0)], streams_of(2))(x) is x
    assert [layer.num_calls for layer in layers] == [0, 0]


def test_features_come_in_keras_order():
    parts = inputs("images", torch.float32)
    expected = torch.stack([Flatten()(part) for part in parts])
    assert torch.equal(StackedFlatten(3)(together(parts)), expected)


def test_parts_of_a_shared_parameter_are_its_memory_and_can_be_joined_again():
    parameters = [nn.Parameter(torch.randn(2, 3)) for _ in range(4)]
    before = torch.stack([parameter.detach().clone() for parameter in parameters])
    shared = share(parameters, torch.t, torch.t)
    assert torch.equal(shared.whole, before.transpose(1, 2))
    shared.whole.data[2] += 1
    assert torch.equal(parameters[2], before[2] + 1)
    assert torch.equal(shared.part(shared.whole, 3), before[3])
    assert torch.equal(shared.join([p.data for p in parameters]), shared.whole)
