"""The batches of a run: which samples, in which order, in which layout."""

import numpy as np
import pytest
import torch
from helpers import assert_same_bits

from parity.programs.run_spec import Augmentation, RunSpec
from parity.programs.settings import DTYPES
from torch_impl.data import (
    ArrayBatches,
    FlowBatches,
    OwnBatches,
    evaluation_data,
    to_tensors,
    training_data,
    validation_data,
)
from torch_impl.seeds import KerasSeeds

AUGMENTATION = Augmentation(rotation_range=10, width_shift_range=0.1, horizontal_flip=True)
SPECS = {"arrays": RunSpec(), "flow": RunSpec(augmentation=AUGMENTATION)}
INDEPENDENT = {name: spec.replace(mode="independent") for name, spec in SPECS.items()}


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


@pytest.mark.parametrize("batch_size", [1, 32, 70, 1000])
@pytest.mark.parametrize("spec", INDEPENDENT.values(), ids=INDEPENDENT)
def test_an_independent_epoch_holds_every_sample_once_and_keeps_the_last_batch(
    spec, batch_size, color_data
):
    batches = training_data(spec.replace(batch_size=batch_size), color_data, seeds_of(spec))
    assert type(batches) is OwnBatches
    for _ in range(2):
        fed = list(batches)
        assert len(batches) == len(fed)
        sizes = [min(batch_size, 70 - start) for start in range(0, 70, batch_size)]
        assert [len(batch.y) for batch in fed] == [len(batch.x) for batch in fed] == sizes
        index = torch.cat([batch.index for batch in fed])
        assert sorted(index.tolist()) == list(range(70))
        np.testing.assert_array_equal(torch.cat([b.y for b in fed]), color_data.y_train[index])


@pytest.mark.parametrize(("name", "num_orders"), [("arrays", 1), ("flow", 4)])
def test_torchs_seed_decides_the_order_which_changes_where_keras_changes_it(
    name, num_orders, color_data
):
    spec = INDEPENDENT[name]

    def orders(seed):
        torch.manual_seed(seed)
        batches = training_data(spec, color_data, seeds_of(spec))
        return [torch.cat([b.index for b in batches]).tolist() for _ in range(4)]

    first = orders(1)
    # A seeded `fit` has one order of arrays for all epochs, and a flow one for each.
    assert len({tuple(order) for order in first}) == num_orders
    assert orders(1) == first
    assert orders(2) != first
    # Nor is it the order of a seeded run.
    assert KerasSeeds(spec.seed).fit_order(70).tolist() not in first


def test_independent_arrays_are_fed_as_they_are_and_augmented_ones_anew_in_every_epoch(color_data):
    fed = {}
    for name, spec in INDEPENDENT.items():
        torch.manual_seed(3)
        batches = training_data(spec, color_data, seeds_of(spec))
        fed[name] = []
        for _ in range(2):
            images = np.zeros_like(color_data.x_train)
            for batch in batches:
                images[batch.index] = batch.x.permute(0, 2, 3, 1).numpy()
            fed[name].append(images)
    for images in fed["arrays"]:
        assert_same_bits(images, color_data.x_train)
    first, second = fed["flow"]
    for images in (first, second):
        is_changed = (images != color_data.x_train).any(axis=(1, 2, 3))
        assert is_changed.mean() > 0.9
    assert (first != second).any(axis=(1, 2, 3)).mean() > 0.9


def test_a_transform_gets_a_batch_of_images_in_its_order(color_data):
    x, y = to_tensors(RunSpec(), color_data.x_train, color_data.y_train)
    seen = []

    def negated(images):
        seen.append(images.clone())
        return -images

    for batch in OwnBatches(x, y, 32, negated):
        assert torch.equal(seen[-1], x[batch.index])
        assert torch.equal(batch.x, -x[batch.index])
        assert torch.equal(batch.y, y[batch.index])
        assert batch.params is None
    assert [len(images) for images in seen] == [32, 32, 6]


def test_independent_augmentation_stays_within_the_ranges_of_the_spec(color_data):
    """Only flips: every image is the original or its mirror image, about half of them each."""
    spec = RunSpec(mode="independent", augmentation=Augmentation(horizontal_flip=True))
    torch.manual_seed(0)
    batches = training_data(spec, color_data, seeds_of(spec))
    num_flipped = 0
    for _ in range(10):
        for batch in batches:
            images = batch.x.permute(0, 2, 3, 1).numpy()
            originals = color_data.x_train[batch.index]
            for image, original in zip(images, originals, strict=True):
                is_flipped = np.array_equal(image, original[:, ::-1])
                assert is_flipped or np.array_equal(image, original)
                num_flipped += is_flipped
    # 700 throws of a coin, 5 standard deviations.
    assert abs(num_flipped - 350) < 5 * 700**0.5 / 2


def test_an_independent_feed_draws_nothing_from_keras_generators(color_data):
    for spec in INDEPENDENT.values():
        seeds, untouched = seeds_of(spec), seeds_of(spec)
        list(training_data(spec, color_data, seeds))
        assert seeds.python.getstate() == untouched.python.getstate()
        np.testing.assert_array_equal(seeds.numpy.get_state()[1], untouched.numpy.get_state()[1])
        assert seeds.numpy.get_state()[2] == untouched.numpy.get_state()[2]


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_independent_feed_is_of_the_dtype_of_the_spec(dtype, color_data):
    for spec in INDEPENDENT.values():
        for batch in training_data(spec.replace(dtype=dtype), color_data, seeds_of(spec)):
            assert batch.x.dtype == getattr(torch, dtype)
            assert batch.x.shape[1:] == (3, 12, 20)


@pytest.mark.parametrize("mode", ["seeded", "independent"])
@pytest.mark.parametrize("name", SPECS)
def test_evaluation_goes_through_the_training_samples_in_order_and_as_they_are(
    name, mode, color_data
):
    spec = SPECS[name].replace(mode=mode, batch_size=7)
    for _ in range(2):
        fed = list(evaluation_data(spec, color_data))
        assert torch.cat([batch.index for batch in fed]).tolist() == list(range(70))
        images = torch.cat([batch.x for batch in fed]).permute(0, 2, 3, 1).numpy()
        assert_same_bits(images, color_data.x_train)
        np.testing.assert_array_equal(torch.cat([b.y for b in fed]), color_data.y_train)
