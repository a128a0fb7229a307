"""Maps of images by hand: where pixels go, and how an image continues outside."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from image_pairs import SEEDS, pixels, same

from torch_impl.layers.image.projective import FILL_MODES, INTERPOLATIONS, transform

ROW = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])


def shifted(by, fill_mode, interpolation="nearest", fill_value=0.0):
    maps = torch.tensor([[1.0, 0.0, by, 0.0, 1.0, 0.0]])
    options = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": fill_value}
    return transform(ROW, maps, **options)[0, 0, 0].tolist()


def test_halves_are_rounded_away_from_zero_and_interpolated_between_pixels():
    assert shifted(0.5, "nearest") == [2, 3, 4, 4]
    assert shifted(-0.5, "constant", fill_value=9.0) == [9, 2, 3, 4]
    assert shifted(0.25, "constant", "bilinear", 8.0) == [1.25, 2.25, 3.25, 5.0]


@one_test
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_any_map_gives_tensorflows_pixels(fill_mode, interpolation):
    for seed in SEEDS:
        generator = np.random.default_rng(abs(seed))
        height, width = generator.integers(1, 9, 2)
        x = pixels((4, height, width, 2), seed=abs(seed), dtype="float64")
        maps = generator.normal(size=(4, 8)).astype(np.float32) * 3
        maps[:, 6:] = 0
        expected = tf.raw_ops.ImageProjectiveTransformV3(
            images=x,
            transforms=maps,
            output_shape=[height, width],
            fill_value=1.5,
            interpolation=interpolation.upper(),
            fill_mode=fill_mode.upper(),
        )
        ours = transform(
            torch.tensor(x).movedim(-1, 1),
            torch.tensor(maps[:, :6]),
            interpolation=interpolation,
            fill_mode=fill_mode,
            fill_value=1.5,
        )
        assert same(ours.movedim(1, -1).numpy(), expected)
