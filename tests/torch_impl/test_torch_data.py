"""The batches of a run: which samples, in which order, in which layout."""

import numpy as np
import pytest
import torch
from helpers import assert_same_bits

from parity.spec import DTYPES, Augmentation, RunSpec
from torch_impl.data import ArrayBatches, FlowBatches, to_tensors, training_data, validation_data
from torch_impl.seeds import KerasSeeds

AUGMENTATION = Augmentation(rotation_range=10, width_shift_range=0.1, horizontal_flip=True)
SPECS = {"arrays": RunSpec(), "flow": RunSpec(augmentation=AUGMENTATION)}


def seeds_of(spec):
    return KerasSeeds(spec.seed)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_an_epoch_holds_every_sample_once_and_keeps_the_partial_batch(spec, color_data):
    batches = training_data(spec, color_data, seeds_of(spec))
    fed = list(batches)
    assert len(batches) == len(fed) == 3
    assert sorted(len(batch.y) for batch in fed) == [6, 32, 32]
    index = torch.cat([batch.index for batch in fed])
    assert sorted(index.tolist()) == list(range(70))
    np.testing.assert_array_equal(torch.cat([b.y for b in fed]), color_data.y_train[index])


def test_arrays_come_in_the_order_of_fit_the_same_in_every_epoch(color_data):
    spec = SPECS["arrays"]
    batches = training_data(spec, color_data, seeds_of(spec))
    expected = KerasSeeds(spec.seed).fit_order(70)
    for _ in range(3):
        assert torch.equal(torch.cat([batch.index for batch in batches]), expected)


def test_a_flow_comes_in_another_order_in_every_epoch(color_data):
    spec = SPECS["flow"]
    batches = training_data(spec, color_data, seeds_of(spec))
    orders = {tuple(torch.cat([batch.index for batch in batches]).tolist()) for _ in range(3)}
    assert len(orders) == 3


def test_arrays_are_fed_as_they_are_and_a_flow_augments(color_data):
    for name, spec in SPECS.items():
        for batch in training_data(spec, color_data, seeds_of(spec)):
            images = batch.x.permute(0, 2, 3, 1).numpy()
            is_equal = np.array_equal(images, color_data.x_train[batch.index])
            assert is_equal == (name == "arrays")
            assert (batch.params is None) == (name == "arrays")


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_same_seed_repeats_the_feed_and_another_differs(spec, color_data):
    def feed(seed):
        batches = training_data(spec, color_data, KerasSeeds(seed))
        return [batch for _ in range(2) for batch in batches]

    for ours, again in zip(feed(1), feed(1), strict=True):
        assert torch.equal(ours.index, again.index)
        assert torch.equal(ours.x, again.x)
    assert not torch.equal(feed(1)[0].index, feed(2)[0].index)


@pytest.mark.parametrize(("spec", "sizes"), [("arrays", [7, 7, 6]), ("flow", [20])])
def test_validation_comes_in_order_in_batches_of_the_training_or_of_32(spec, sizes, color_data):
    """`fit` passes its batch size on for arrays; for a flow it has none, and 32 is the default."""
    spec = SPECS[spec].replace(batch_size=7)
    for _ in range(2):
        fed = list(validation_data(spec, color_data))
        assert [len(batch.y) for batch in fed] == sizes
        assert torch.cat([batch.index for batch in fed]).tolist() == list(range(20))
        images = torch.cat([batch.x for batch in fed]).permute(0, 2, 3, 1).numpy()
        assert_same_bits(images, color_data.x_val)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_have_channels_first_in_channels_last_memory(dtype, color_data):
    spec = RunSpec(dtype=dtype)
    x, y = to_tensors(spec, color_data.x_train, color_data.y_train)
    assert x.shape == (70, 3, 12, 20)
    assert x.dtype == getattr(torch, dtype)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x[4, 2, 11, 19] == color_data.x_train[4, 11, 19, 2]
    assert y.dtype == torch.int64
    x.zero_()  # a copy: the data of the run are read-only
    assert color_data.x_train.any()


def test_the_kind_of_batches_follows_from_the_spec(color_data):
    kinds = {name: type(training_data(s, color_data, seeds_of(s))) for name, s in SPECS.items()}
    assert kinds == {"arrays": ArrayBatches, "flow": FlowBatches}


@pytest.mark.parametrize("batch_size", [1, 70, 1000])
def test_any_batch_size_feeds_all_samples(batch_size, color_data):
    spec = RunSpec(batch_size=batch_size)
    batches = training_data(spec, color_data, seeds_of(spec))
    assert len(batches) == len(list(batches)) == max(1, 70 // batch_size)
    assert sum(len(batch.y) for batch in batches) == 70
