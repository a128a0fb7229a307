"""Images are moved as scipy moves them: the compiled loop bit for bit, torch up to rounding."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from covering import one_test
from helpers import matches_scipy_to_the_bit

from torch_impl import native
from torch_impl.augment import affine
from torch_impl.augment.affine import FILL_MODES, IDENTITY, matrices, move

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def test_an_image_at_rest_keeps_every_bit_beside_one_that_moves(engine):
    """Even a pixel that is no number stays alone; scipy spreads it where the image moves."""
    images = torch.tensor(random_case(3, (3, 3, 6, 9), "float32")[0])
    images[:, :, 1, 2] = float("nan")
    flips = np.array([[False, False], [True, True], [False, False]])
    maps = np.stack([IDENTITY, IDENTITY, [[1, 0, 0.25], [0, 1, 0]]])
    for order in (0, 1, 3):
        moved = move(images, maps, flips, fill_mode="nearest", cval=5.0, order=order)
        expected = torch.stack([images[0], images[1].flip(1, 2)])
        assert torch.equal(moved[:2].nan_to_num(7), expected.nan_to_num(7))
        assert (moved[2].isnan().sum() > 3) == (order > 0)


def test_neither_memory_nor_company_nor_number_matters(engine):
    """Forty images: more than one thread takes, and more than torch takes at a time."""
    images, maps, flips = random_case(5, (40, 3, 90, 80), "float32")
    images = torch.tensor(images)
    options = {"fill_mode": "wrap", "cval": 0.0, "order": 1}
    together = move(images, maps, flips, **options)
    for n in (0, 7, 39):
        part = slice(n, n + 1)
        alone = move(images[part], maps[part], flips[part], **options)
        assert torch.equal(alone, together[part])
        again = move(images, maps[part], flips[part], **options, index=torch.tensor([n]))
        assert torch.equal(again, together[part])
    few, expected = images[:3], together[:3]
    channels_last = few.contiguous(memory_format=torch.channels_last)
    transposed = few.transpose(2, 3).contiguous().transpose(2, 3)
    wider = torch.cat([few, few], dim=3)[:, :, :, :80]
    for laid_out in (channels_last, few.flip(0).flip(0), wider, transposed):
        moved = move(laid_out, maps[:3], flips[:3], **options)
        assert torch.equal(moved, expected)
        if laid_out is channels_last:
            assert moved.is_contiguous(memory_format=torch.channels_last)
    assert move(few[:0], maps[:0], flips[:0], **options).shape == (0, 3, 90, 80)


STILL = {"theta": 0.0, "tx": 0.0, "ty": 0.0, "shear": 0.0, "zx": 1.0, "zy": 1.0}


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
    params = {name: np.full(2, value) for name, value in STILL.items()}
    params["theta"][0] = theta
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
    maps = np.empty((shape[0], 2, 3))
    maps[:, :, :2] = generator.normal(size=(shape[0], 2, 2))
    maps[:, :, 2] = generator.normal(scale=spread, size=(shape[0], 2))
    return images, maps, generator.random((shape[0], 2)) < 0.5


def by_scipy(images, maps, flips, *, fill_mode, cval, order):
    moved = np.empty_like(images)
    for n, image in enumerate(images):
        for c, channel in enumerate(image):
            moved[n, c] = scipy.ndimage.affine_transform(
                channel, maps[n, :, :2], maps[n, :, 2], order=order, mode=fill_mode, cval=cval
            )
        if flips[n, 0]:
            moved[n] = moved[n, :, :, ::-1]
        if flips[n, 1]:
            moved[n] = moved[n, :, ::-1]
    return moved


def assert_is_scipys(engine, ours, theirs, images, order):
    if engine == "compiled" and order < 3 and matches_scipy_to_the_bit():
        np.testing.assert_array_equal(ours, theirs)
    else:  # rounded once from float64, in another order: a few units in the last place
        epsilon = np.finfo(images.dtype).eps
        scale = np.abs(images).max() * (1 if order < 3 else 4)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=32 * epsilon * scale)


@one_test
@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", [1.0, 20.0, 1e4])
@pytest.mark.parametrize(
    "shape",
    [(3, 2, 12, 20), (2, 1, 1, 1), (2, 3, 1, 7), (2, 1, 9, 1), (2, 1, 2, 33), (2, 4, 64, 64)],
)
def test_any_map_gives_scipys_pixels(engine, shape, spread, dtype, fill_mode, order):
    images, maps, flips = random_case(1, shape, dtype, spread)
    options = {"fill_mode": fill_mode, "cval": 0.7, "order": order}
    ours = move(torch.tensor(images), maps, flips, **options)
    assert ours.dtype == DTYPES[dtype]
    assert_is_scipys(engine, ours.numpy(), by_scipy(images, maps, flips, **options), images, order)


@one_test
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_positions_on_the_border_and_whole_periods_away_are_scipys(engine, fill_mode):
    """Whole shifts: here a mode that is one pixel off, or counts the border as outside, shows."""
    images = np.random.default_rng(2).normal(size=(33, 1, 4, 5))
    maps = np.tile(np.eye(2, 3), (33, 1, 1))
    maps[:, :, 2] = np.arange(-16, 17)[:, None]
    flips = np.zeros((33, 2), dtype=bool)
    for order in (0, 1, 3):
        options = {"fill_mode": fill_mode, "cval": 9.0, "order": order}
        ours = move(torch.tensor(images), maps, flips, **options).numpy()
        theirs = by_scipy(images, maps, flips, **options)
        still = 16  # scipy would give back a spline; Keras does not call it
        ours, theirs = np.delete(ours, still, 0), np.delete(theirs, still, 0)
        assert_is_scipys(engine, ours, theirs, images, order)


@one_test
@pytest.mark.parametrize("number", [-1, 3])
def test_an_image_that_is_not_there_is_an_error(engine, number):
    maps, flips = np.stack([IDENTITY] * 2), np.zeros((2, 2), dtype=bool)
    index = torch.tensor([0, number])
    with pytest.raises((IndexError, RuntimeError), match="index"):
        move(
            torch.zeros(3, 1, 4, 4),
            maps,
            flips,
            fill_mode="nearest",
            cval=0.0,
            order=1,
            index=index,
        )


def test_gradients_flow_to_the_pixels_that_were_taken():
    """By hand: half a pixel to the right takes the mean of two neighbours."""
    images = torch.zeros(1, 1, 1, 3, dtype=torch.float64, requires_grad=True)
    maps = np.array([[[1, 0, 0], [0, 1, 0.5]]])
    flips = np.zeros((1, 2), dtype=bool)
    move(images, maps, flips, fill_mode="nearest", cval=0.0, order=1)[..., 0].sum().backward()
    assert images.grad.flatten().tolist() == [0.5, 0.5, 0]
