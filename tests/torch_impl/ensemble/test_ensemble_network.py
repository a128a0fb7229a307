"""One network computes what those of all runs compute, and names what it cannot."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from parity.programs.run_spec import MODELS, RunSpec
from torch_impl.data import Batch
from torch_impl.ensemble.batch import stacked
from torch_impl.ensemble.network import StackedNetwork
from torch_impl.ensemble.streams import Stream
from torch_impl.layers import Dropout, Flatten, SpatialDropout
from torch_impl.models import build_model

SEEDS = (3, 4, 5)


def models_of(name):
    specs = [RunSpec(model=name, dtype="float64", seed=seed) for seed in SEEDS]
    return [build_model(spec, (12, 20, 3), 5)[0] for spec in specs]


def batches():
    return [Batch(torch.rand(4, 3, 12, 20).double(), torch.zeros(4).long(), None, None)] * 3


def stack(models):
    return StackedNetwork(models, [Stream() for _ in models])


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_gradients_are_those_of_each_network(name):
    ours, theirs = models_of(name), models_of(name)
    network = stack(ours)
    parts = batches()
    logits = network.train()(stacked(parts).x)
    assert logits.shape == (3, 4, 5)
    logits.square().sum().backward()
    for number, (model, batch) in enumerate(zip(theirs, parts, strict=True)):
        expected = model.train()(batch.x)
        expected.square().sum().backward()
        torch.testing.assert_close(logits[number], expected, rtol=1e-12, atol=1e-13)
        parameters = dict(model.named_parameters())
        shared = dict(network.shared())
        assert shared.keys() == parameters.keys()
        for key, parameter in parameters.items():
            gradient = shared[key].part(shared[key].whole.grad, number)
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-12, atol=1e-12)


def test_the_models_have_the_weights_of_the_network_in_memory_of_the_usual_order():
    models = models_of("capacity")
    before = [{k: p.detach().clone() for k, p in m.named_parameters()} for m in models]
    network = stack(models)
    with torch.no_grad():
        for _, shared in network.shared():
            shared.whole.add_(1)
    for model, values in zip(models, before, strict=True):
        for key, parameter in model.named_parameters():
            assert torch.equal(parameter, values[key] + 1)
        assert model.conv2.weight.is_contiguous(memory_format=torch.channels_last)
        assert model.dense1.weight.is_contiguous()


def test_counters_of_masks_are_those_of_the_models():
    models = models_of("dropout")
    network = stack(models)
    network.train()(stacked(batches()).x)
    network.eval()(stacked(batches()).x)
    assert [(m.dropout1.num_calls, m.dropout2.num_calls) for m in models] == [(1, 1)] * 3


def test_layers_without_a_bias():
    def model():
        conv, dense = nn.Conv2d(3, 2, 3, bias=False), nn.Linear(360, 5, bias=False)
        return nn.Sequential(conv, Flatten(), dense).double()

    models = [model(), model()]
    parts = batches()[:2]
    expected = [part(batch.x) for part, batch in zip(models, parts, strict=True)]
    torch.testing.assert_close(stack(models)(stacked(parts).x), torch.stack(expected))


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([nn.Conv2d(3, 3, 3), nn.GELU()], r"layer part1 \(GELU.*expected Conv2d, Linear"),
        ([nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)], r"layer part1 \(BatchNorm2d"),
        ([SpatialDropout(0.5)], r"layer part0 \(SpatialDropout"),
        ([Dropout(0.5, noise_shape=(None, 1, 1, None))], "expected noise_shape=None"),
        ([nn.Conv2d(3, 3, 3, groups=3)], "expected groups=1"),
        ([nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")], "padding_mode='zeros'"),
        ([nn.Linear(20, 5)], "expected it behind Flatten"),
        ([Flatten(), nn.Linear(720, 5), Flatten()], "layer part2 .* expected it before Flatten"),
    ],
)
def test_what_cannot_be_stacked_is_named(layers, told):
    model = nn.Sequential(OrderedDict((f"part{k}", layer) for k, layer in enumerate(layers)))
    with pytest.raises(ValueError, match=told):
        stack([model])
