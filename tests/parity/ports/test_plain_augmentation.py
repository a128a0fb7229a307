"""Augmentation in plain torch: Keras's pixels for given numbers, and its ranges."""

import numpy as np
import torch
from rows import each_row

from torch_impl.augment import ImageDataGenerator, KerasTransform
from torch_impl.plain.augmentation import Augmentation, sampled, shifts

BAR = 1e-13  # of pixels in [0, 1]: two orders of the same products, in float64
FILLS = {"nearest": "border", "reflect": "reflection", "constant": "zeros"}


TORCH_IN_FLOAT64 = True


def numbers(number):
    rng = np.random.default_rng(number)
    ranges = {"theta": (-40, 40), "shear": (-20, 20), "tx": (-3, 3), "ty": (-3, 3)}
    ranges |= {"zx": (0.6, 1.4), "zy": (0.6, 1.4)}
    return {name: rng.uniform(*bounds, number) for name, bounds in ranges.items()}


@each_row("order, mode", [(0, "nearest"), (1, "bilinear")])
@each_row("fill", FILLS)
@each_row("shape", [(5, 3, 9, 7), (4, 1, 8, 8), (3, 2, 1, 6)])
def test_images_moved_by_given_numbers_have_keras_s_pixels(shape, fill, order, mode):
    x, drawn = torch.rand(shape), numbers(shape[0])
    theirs = KerasTransform(fill_mode=fill, cval=0.3, interpolation_order=order)
    angles = [torch.deg2rad(torch.tensor(drawn[name])) for name in ("theta", "shear")]
    rest = [torch.tensor(drawn[name]) for name in ("tx", "ty", "zx", "zy")]
    made = sampled(x, (*angles, *rest), FILLS[fill], 0.3, mode)
    assert (made - theirs.transform(x, drawn)).abs().max() <= BAR
    assert (made - x).abs().max() > 0.01


def test_what_draws_nothing_is_what_keras_standardizes():
    x = torch.rand(6, 3, 4, 5)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    generator = ImageDataGenerator(
        rescale=0.5,
        samplewise_center=True,
        samplewise_std_normalization=True,
        featurewise_center=True,
        featurewise_std_normalization=True,
        data_format="channels_first",
    )
    generator.mean, generator.std = (torch.tensor(v)[:, None, None] for v in (mean, std))
    theirs = torch.stack([generator.standardize(image) for image in x])
    own = Augmentation(rescale=0.5, own_mean=True, own_std=True, mean=mean, std=std)
    assert (own(x) - theirs).abs().max() <= BAR


def test_one_of_two_images_is_flipped():
    x = torch.rand(400, 1, 2, 3)
    made = Augmentation(horizontal_flip=True)(x)
    is_flipped = (made == x.flip(-1)).all((1, 2, 3))
    assert ((made == x).all((1, 2, 3)) ^ is_flipped).all()
    assert abs(int(is_flipped.sum()) - 200) < 50  # five standard deviations


@each_row("limit, choices", [([2, 3], {-3, -2, 2, 3}), (3, {-2, -1, 0, 1, 2}), ([0.5], {-4, 4})])
def test_a_list_or_a_whole_number_gives_choices(limit, choices):
    assert set(shifts(200, limit, 8).tolist()) == choices


def test_fractions_are_of_the_side_and_channels_stay_in_their_range():
    assert 1.9 < float(shifts(500, 0.25, 8).abs().max()) <= 2
    assert float(shifts(500, 3.0, 8).abs().max()) > 2.9
    x = torch.rand(20, 3, 4, 4)
    made = Augmentation(channel_shift=0.5)(x)
    assert (made >= x.amin((1, 2, 3), True)).all()
    assert (made <= x.amax((1, 2, 3), True)).all()
    assert (made - x).abs().max() > 0.3
