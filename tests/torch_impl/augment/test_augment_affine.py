"""Images are moved as scipy moves them: the compiled loop bit for bit, torch up to rounding."""

from functools import partial

import numpy as np
import pytest
import scipy.ndimage
import torch
from covering import one_test
from helpers import matches_scipy_to_the_bit

from torch_impl import native
from torch_impl.augment import affine
from torch_impl.augment.affine import FILL_MODES, IDENTITY, matrices, move


def test_an_image_at_rest_keeps_every_bit_beside_one_that_moves(engine):
    """Even a pixel that is no number stays alone; scipy spreads it where the image moves."""
    images = torch.tensor(random_case(3, (3, 3, 6, 9), "float32")[0])
    images[:, :, 1, 2] = float("nan")
    flips = np.array([[False, False], [True, True], [False, False]])
    maps = np.stack([IDENTITY, IDENTITY, [[1, 0, 0.25], [0, 1, 0]]])
    expected = torch.stack([images[0], images[1].flip(1, 2)])
    for order in (0, 1, 3):
        moved = move(images, maps, flips, fill_mode="nearest", cval=5.0, order=order)
        torch.testing.assert_close(moved[:2], expected, rtol=0, atol=0, equal_nan=True)
        assert (moved[2].isnan().sum() > 3) == (order > 0)


def test_neither_memory_nor_company_nor_number_matters(engine):
    """Forty images: more than one thread takes, and more than torch takes at a time."""
    images, maps, flips = random_case(5, (40, 3, 90, 80), "float32")
    images, options = torch.tensor(images), {"fill_mode": "wrap", "cval": 0.0, "order": 1}
    together = move(images, maps, flips, **options)
    for n in (0, 7, 39):
        part = slice(n, n + 1)
        alone = move(images[part], maps[part], flips[part], **options)
        again = move(images, maps[part], flips[part], **options, index=torch.tensor([n]))
        assert torch.equal(alone, together[part])
        assert torch.equal(again, together[part])
    few = images[:3]
    channels_last = few.contiguous(memory_format=torch.channels_last)
    transposed = few.transpose(2, 3).contiguous().transpose(2, 3)
    wider = torch.cat([few, few], dim=3)[:, :, :, :80]
    for laid_out in (few.flip(0).flip(0), wider, transposed, channels_last):
        moved = move(laid_out, maps[:3], flips[:3], **options)
        assert torch.equal(moved, together[:3])
    assert moved.is_contiguous(memory_format=torch.channels_last)
    assert move(few[:0], maps[:0], flips[:0], **options).shape == (0, 3, 90, 80)


@one_test
@pytest.mark.parametrize(
    ("theta", "size", "quirks", "expected"),
    [
        (90, (3, 3), True, [[0, 1, 0], [-1, 0, 2]]),
        (180, (3, 5), True, [[-1, 0, 4], [0, -1, 2]]),  # about (2, 1): height for width
        (180, (3, 5), False, [[-1, 0, 2], [0, -1, 4]]),
    ],
)
def test_a_turn_is_about_the_centre_with_its_sides_exchanged_by_quirk(
    theta, size, quirks, expected
):
    """By hand, in coordinates from the centre. What is at rest beside it is not rounded."""
    params = {name: np.zeros(2) for name in ("tx", "ty", "shear")}
    params |= {"theta": np.array([theta, 0.0]), "zx": np.ones(2), "zy": np.ones(2)}
    turned, rest = matrices(params, *size, keras_quirks=quirks)
    np.testing.assert_allclose(turned, expected, atol=1e-15)
    np.testing.assert_array_equal(rest, IDENTITY)


@pytest.fixture(params=["compiled", "torch"])
def engine(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(affine, "_compiled_loop", lambda images, order: None)
    elif native.library(affine.SOURCE) is None:
        pytest.skip("no C compiler on this machine")
    return request.param


def random_case(seed, shape, dtype, spread=20.0):
    """Images of both signs, maps of every kind, far beyond the images, and flips."""
    generator = np.random.default_rng(seed)
    images = generator.normal(scale=3, size=shape).astype(dtype)
    turns = generator.normal(size=(shape[0], 2, 2))
    shifts = generator.normal(scale=spread, size=(shape[0], 2, 1))
    return images, np.concatenate([turns, shifts], 2), generator.random((shape[0], 2)) < 0.5


def assert_is_scipys(engine, images, maps, flips, **options):
    ours = move(torch.tensor(images), maps, flips, **options)
    assert ours.dtype == torch.tensor(images).dtype
    by_scipy = partial(
        scipy.ndimage.affine_transform,
        **{"order": options["order"], "mode": options["fill_mode"], "cval": options["cval"]},
    )
    theirs = np.empty_like(images)
    for n, (image, turn) in enumerate(zip(images, maps, strict=True)):
        moved = np.stack([by_scipy(channel, turn[:, :2], turn[:, 2]) for channel in image])
        theirs[n] = np.flip(moved, tuple(2 - np.flatnonzero(flips[n])))
    if engine == "compiled" and options["order"] < 3 and matches_scipy_to_the_bit():
        np.testing.assert_array_equal(ours.numpy(), theirs)
    else:  # rounded once from float64, in another order: a few units in the last place
        scale = np.abs(images).max() * (1 if options["order"] < 3 else 4)
        tolerance = 32 * np.finfo(images.dtype).eps * scale
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=tolerance)


@one_test
@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spread", [1.0, 20.0, 1e4])
@pytest.mark.parametrize(
    "shape",
    [(3, 2, 12, 20), (2, 1, 1, 1), (2, 3, 1, 7), (2, 1, 9, 1), (2, 1, 2, 33), (2, 4, 64, 64)],
)
def test_any_map_gives_scipys_pixels(engine, shape, spread, dtype, fill_mode, order):
    options = {"fill_mode": fill_mode, "cval": 0.7, "order": order}
    assert_is_scipys(engine, *random_case(1, shape, dtype, spread), **options)


@one_test
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("order", [0, 1, 3])
def test_positions_on_the_border_and_whole_periods_away_are_scipys(engine, fill_mode, order):
    """Whole shifts: here a mode that is one pixel off, or counts the border as outside, shows.

    None is 0: scipy would give back a spline; Keras does not call it.
    """
    shifts = np.array([*range(-16, 0), *range(1, 17)])
    images = np.random.default_rng(2).normal(size=(32, 1, 4, 5))
    maps = np.tile(np.eye(2, 3), (32, 1, 1))
    maps[:, :, 2] = shifts[:, None]
    options = {"fill_mode": fill_mode, "cval": 9.0, "order": order}
    assert_is_scipys(engine, images, maps, np.zeros((32, 2), dtype=bool), **options)


NEAREST = {"fill_mode": "nearest", "cval": 0.0, "order": 1}


@one_test
@pytest.mark.parametrize("number", [-1, 3])
def test_an_image_that_is_not_there_is_an_error(engine, number):
    given = torch.zeros(3, 1, 4, 4), np.stack([IDENTITY] * 2), np.zeros((2, 2), dtype=bool)
    with pytest.raises((IndexError, RuntimeError), match="index"):
        move(*given, **NEAREST, index=torch.tensor([0, number]))


def test_gradients_flow_to_the_pixels_that_were_taken():
    """By hand: half a pixel to the right takes the mean of two neighbours."""
    images = torch.zeros(1, 1, 1, 3, dtype=torch.float64, requires_grad=True)
    maps, flips = np.array([[[1, 0, 0], [0, 1, 0.5]]]), np.zeros((1, 2), dtype=bool)
    move(images, maps, flips, **NEAREST)[..., 0].sum().backward()
    assert images.grad.flatten().tolist() == [0.5, 0.5, 0]
