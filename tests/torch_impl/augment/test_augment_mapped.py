"""MappedBatches: the batches of Dataset.map with Keras's layers, image for image."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from torch import nn

from torch_impl import KerasSeeds, layers
from torch_impl.augment import MappedBatches
from torch_impl.layers import initialise

X, Y = np.random.default_rng(0).random((13, 6, 8, 3), dtype="float32"), np.arange(13)
FIRST = np.moveaxis(X, -1, 1)


def both(*, by_sample, **settings):
    """What `tf.data` makes of X in two epochs, and MappedBatches of the same."""
    keras.utils.set_random_seed(7)
    chain = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(0.2, 0.1)]

    def change(x, y):
        for layer in chain:
            x = layer(x, training=True)
        return x, y

    dataset = tf.data.Dataset.from_tensor_slices((X, Y))
    if by_sample:
        dataset = dataset.map(change).batch(4, **settings)
    else:
        dataset = dataset.batch(4, **settings).map(change)
    net = nn.Sequential(layers.RandomFlip("horizontal"), layers.RandomTranslation(0.2, 0.1))
    initialise(net, KerasSeeds(7))
    net.eval()
    maps = {"maps": [], "sample_maps": [net]} if by_sample else {"maps": [net]}
    batches = MappedBatches((FIRST, Y, None), batch_size=4, **maps, **settings)
    return [list(dataset.as_numpy_iterator()) for _ in range(2)], [list(batches) for _ in range(2)]


@one_test
@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("by_sample", [False, True])
def test_every_image_of_every_epoch_is_that_of_tf_data(by_sample, drop):
    theirs, ours = both(by_sample=by_sample, drop_remainder=drop)
    for epoch, own in zip(theirs, ours, strict=True):
        for (x, y), (images, labels) in zip(epoch, own, strict=True):
            np.testing.assert_array_equal(images.movedim(1, -1), x)
            np.testing.assert_array_equal(labels, y)
    assert not np.array_equal(ours[0][0][0], ours[1][0][0])


def test_a_function_gets_all_parts_and_shuffled_samples_keep_their_labels():
    def doubled(x, y, weight):
        return x * 2, y, weight

    batches = list(MappedBatches((FIRST, Y, Y / 2), [doubled], 5, shuffle=True))
    x, y, weight = (torch.cat(column) for column in zip(*batches, strict=True))
    assert sorted(y.tolist()) == Y.tolist() != y.tolist()
    assert torch.equal(weight, (y / 2).to(weight))
    np.testing.assert_array_equal(x, FIRST[y.numpy()] * 2)


@one_test
@pytest.mark.parametrize(
    ("parts", "size", "message"),
    [
        ((FIRST, Y[:3]), 4, r"parts of \[13, 3\] samples: expected the same number in all"),
        ((FIRST, Y), 0, "batch_size=0: expected an integer of at least 1"),
    ],
)
def test_what_makes_no_batches_is_an_error(parts, size, message):
    with pytest.raises(ValueError, match=message):
        MappedBatches(parts, [], size)
