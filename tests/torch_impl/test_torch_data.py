"""The batches of a run: which samples, in which order, in which layout."""

import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits

from parity.programs.run_spec import Augmentation, RunSpec
from parity.programs.settings import DTYPES
from torch_impl import train
from torch_impl.seeds import KerasSeeds
from torch_impl.train import (
    ArrayBatches,
    FlowBatches,
    OwnBatches,
    evaluation_data,
    to_tensors,
    training_data,
    validation_data,
)

AUGMENTATION = Augmentation(rotation_range=10, width_shift_range=0.1, horizontal_flip=True)
SPECS = {"arrays": RunSpec(), "flow": RunSpec(augmentation=AUGMENTATION)}


def seeds_of(spec):
    return KerasSeeds(spec.seed)


def orders_of(batches, num_epochs=3):
    return [tuple(torch.cat([b.index for b in batches]).tolist()) for _ in range(num_epochs)]


@one_test
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("mode", ["seeded", "independent"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 32, 70, 1000])
def test_an_epoch_holds_every_sample_once_and_keeps_the_last_batch(
    name, mode, dtype, batch_size, color_data
):
    spec = SPECS[name].replace(mode=mode, dtype=dtype, batch_size=batch_size)
    torch.manual_seed(3)
    seeds, untouched = seeds_of(spec), seeds_of(spec)
    batches = training_data(spec, color_data, seeds)
    kinds = {"arrays": ArrayBatches, "flow": FlowBatches}
    assert type(batches) is (OwnBatches if mode == "independent" else kinds[name])
    fed = list(batches)
    sizes = [min(batch_size, 70 - start) for start in range(0, 70, batch_size)]
    assert len(batches) == len(fed) == len(sizes)
    assert sorted(len(batch.x) for batch in fed) == sorted(sizes)
    index = torch.cat([batch.index for batch in fed])
    assert sorted(index.tolist()) == list(range(70))
    np.testing.assert_array_equal(torch.cat([b.y for b in fed]), color_data.y_train[index])
    images = torch.cat([batch.x for batch in fed])
    assert images.dtype == getattr(torch, dtype)
    is_equal = np.array_equal(images.permute(0, 2, 3, 1).numpy(), color_data.x_train[index])
    assert is_equal == (name == "arrays")
    assert (fed[0].params is None) == (name == "arrays" or mode == "independent")
    orders = {*orders_of(batches)}
    assert len(orders) == (1 if name == "arrays" else 3)
    if mode == "seeded" and name == "arrays":
        assert orders == {tuple(seeds_of(spec).fit_order(70).tolist())}
    if mode == "independent":
        assert tuple(seeds_of(spec).fit_order(70).tolist()) not in orders
        assert seeds.python.getstate() == untouched.python.getstate()
        assert seeds.numpy.get_state()[2] == untouched.numpy.get_state()[2]


def test_batches_are_the_same_however_many_are_augmented_at_once(monkeypatch, color_data):
    spec = SPECS["flow"].replace(batch_size=6)  # 11 batches, and a smaller one

    def fed():
        return list(training_data(spec, color_data, seeds_of(spec)))

    at_once = fed()
    for number in (1, 2):
        monkeypatch.setattr(train, "AHEAD", number * 6 * 12 * 20 * 3)
        for batch, expected in zip(fed(), at_once, strict=True):
            ours, theirs = ((each.x, each.y, each.index) for each in (batch, expected))
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
            np.testing.assert_equal(batch.params, expected.params)


@one_test
@pytest.mark.parametrize(("name", "sizes"), [("arrays", [7, 7, 6]), ("flow", [20])])
@pytest.mark.parametrize("mode", ["seeded", "independent"])
def test_validation_and_evaluation_come_in_order_and_as_they_are(name, sizes, mode, color_data):
    """`fit` passes its batch size on for arrays; for a flow it has none, and 32 is the default."""
    spec = SPECS[name].replace(batch_size=7, mode=mode)
    if mode == "seeded":
        assert [len(batch.y) for batch in validation_data(spec, color_data)] == sizes
    for part, batches in (
        ("val", validation_data(spec, color_data)),
        ("train", evaluation_data(spec, color_data)),
    ):
        x, y = (getattr(color_data, f"{axis}_{part}") for axis in "xy")
        assert orders_of(batches, 2) == [tuple(range(len(x)))] * 2
        assert_same_bits(torch.cat([batch.x for batch in batches]).permute(0, 2, 3, 1).numpy(), x)
        np.testing.assert_array_equal(torch.cat([b.y for b in batches]), y)


def test_tensors_have_channels_first_in_channels_last_memory(color_data):
    x, y = to_tensors(RunSpec(), color_data.x_train, color_data.y_train)
    assert x.shape == (70, 3, 12, 20)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert (x[4, 2, 11, 19], y.dtype) == (color_data.x_train[4, 11, 19, 2], torch.int64)
    x.zero_()  # a copy: the data of the run are read-only
    assert color_data.x_train.any()
