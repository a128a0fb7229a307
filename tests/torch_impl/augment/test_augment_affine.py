"""Images are moved as scipy moves them: the compiled loop bit for bit, torch up to rounding."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from covering import one_test
from helpers import matches_scipy_to_the_bit
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_impl import native
from torch_impl.augment import affine
from torch_impl.augment.affine import matrices, move
from torch_impl.augment.interpolate import FILL_MODES, IDENTITY

DTYPES = {"float32": torch.float32, "float64": torch.float64}
STILL = {"theta": 0.0, "tx": 0.0, "ty": 0.0, "shear": 0.0, "zx": 1.0, "zy": 1.0}


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
@pytest.mark.parametrize(
    "shape",
    [(3, 2, 12, 20), (2, 1, 1, 1), (2, 3, 1, 7), (2, 1, 9, 1), (2, 1, 2, 33), (2, 4, 64, 64)],
)
def test_any_map_gives_scipys_pixels(engine, shape, dtype, fill_mode, order):
    images, maps, flips = random_case(1, shape, dtype)
    options = {"fill_mode": fill_mode, "cval": 0.7, "order": order}
    ours = move(torch.tensor(images), maps, flips, **options)
    assert ours.dtype == DTYPES[dtype]
    assert_is_scipys(engine, ours.numpy(), by_scipy(images, maps, flips, **options), images, order)


cases = st.fixed_dictionaries(
    {
        "shape": st.tuples(*(st.integers(1, top) for top in (3, 3, 40, 40))),
        "dtype": st.sampled_from(sorted(DTYPES)),
        "seed": st.integers(0, 2**32 - 1),
        "spread": st.sampled_from([1.0, 20.0, 1e4]),
        "fill_mode": st.sampled_from(FILL_MODES),
        "order": st.sampled_from([0, 1]),
    }
)


@settings(max_examples=300, deadline=None)
@given(case=cases)
def test_the_compiled_loop_has_scipys_bits_for_any_case(case):
    if native.library(affine.SOURCE) is None:
        pytest.skip("no C compiler on this machine")
    images, maps, flips = random_case(case["seed"], case["shape"], case["dtype"], case["spread"])
    options = {"fill_mode": case["fill_mode"], "cval": -2.5, "order": case["order"]}
    ours = move(torch.tensor(images), maps, flips, **options).numpy()
    theirs = by_scipy(images, maps, flips, **options)
    assert_is_scipys("compiled", ours, theirs, images, case["order"])


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


def test_an_image_at_rest_keeps_every_bit_at_every_order(engine):
    images = torch.tensor(random_case(3, (2, 3, 6, 9), "float32")[0])
    flips = np.array([[False, False], [True, True]])
    for order in (0, 1, 3):
        maps = np.tile(np.eye(2, 3), (2, 1, 1))
        moved = move(images, maps, flips, fill_mode="constant", cval=5.0, order=order)
        assert torch.equal(moved[0], images[0])
        assert torch.equal(moved[1], images[1].flip(1, 2))


def test_an_image_at_rest_is_not_spoilt_by_a_pixel_that_is_no_number(engine):
    images = torch.zeros(2, 1, 3, 4)
    images[:, :, 1, 2] = float("nan")
    maps = np.stack([IDENTITY, np.array([[1, 0, 0.25], [0, 1, 0]])])
    flips = np.zeros((2, 2), dtype=bool)
    moved = move(images, maps, flips, fill_mode="nearest", cval=0.0, order=1)
    assert moved[0].isnan().sum() == 1
    assert moved[1].isnan().sum() > 1  # as scipy spreads it


def memory_layouts(images):
    yield images.contiguous()
    yield images.contiguous(memory_format=torch.channels_last)
    yield images.flip(0).flip(0)
    yield torch.cat([images, images], dim=3)[:, :, :, : images.shape[3]]
    yield images.transpose(2, 3).contiguous().transpose(2, 3)


def test_the_memory_layout_does_not_matter(engine):
    images, maps, flips = random_case(4, (3, 2, 7, 10), "float32")
    options = {"fill_mode": "reflect", "cval": 0.0, "order": 1}
    expected = move(torch.tensor(images), maps, flips, **options)
    for laid_out in memory_layouts(torch.tensor(images)):
        assert torch.equal(move(laid_out, maps, flips, **options), expected)


def test_channels_last_memory_stays_so(engine):
    images, maps, flips = random_case(4, (3, 2, 7, 10), "float32")
    channels_last = torch.tensor(images).contiguous(memory_format=torch.channels_last)
    moved = move(channels_last, maps, flips, fill_mode="nearest", cval=0.0, order=1)
    assert moved.is_contiguous(memory_format=torch.channels_last)


def test_images_are_the_same_one_by_one_and_many_at_once(engine):
    """Many: more than one thread takes, and more than torch takes at a time."""
    images, maps, flips = random_case(5, (40, 3, 90, 80), "float32")
    images = torch.tensor(images)
    options = {"fill_mode": "wrap", "cval": 0.0, "order": 1}
    together = move(images, maps, flips, **options)
    for n in (0, 7, 39):
        part = slice(n, n + 1)
        alone = move(images[part], maps[part], flips[part], **options)
        assert torch.equal(alone, together[part])


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


def test_images_are_taken_by_their_numbers(engine):
    images, maps, flips = random_case(6, (4, 2, 7, 10), "float32")
    options = {"fill_mode": "reflect", "cval": 0.0, "order": 1}
    index = torch.tensor([2, 0, 0])
    taken = move(torch.tensor(images), maps[:3], flips[:3], **options, index=index)
    assert torch.equal(taken, move(torch.tensor(images[[2, 0, 0]]), maps[:3], flips[:3], **options))


def test_no_images_are_moved_to_no_images(engine):
    none = torch.zeros(0, 1, 4, 4)
    maps, flips = np.zeros((0, 2, 3)), np.zeros((0, 2), dtype=bool)
    assert move(none, maps, flips, fill_mode="nearest", cval=0.0, order=1).shape == (0, 1, 4, 4)


def test_gradients_flow_to_the_pixels_that_were_taken():
    """By hand: half a pixel to the right takes the mean of two neighbours."""
    images = torch.zeros(1, 1, 1, 3, dtype=torch.float64, requires_grad=True)
    maps = np.array([[[1, 0, 0], [0, 1, 0.5]]])
    flips = np.zeros((1, 2), dtype=bool)
    move(images, maps, flips, fill_mode="nearest", cval=0.0, order=1)[..., 0].sum().backward()
    assert images.grad.flatten().tolist() == [0.5, 0.5, 0]


def params_of(**given):
    return {name: np.atleast_1d(np.float64(given.get(name, rest))) for name, rest in STILL.items()}


def test_a_quarter_turn_takes_rows_from_columns():
    """By hand, about the centre (1, 1) of 3 x 3: x' = -y, y' = x in centred coordinates."""
    maps = matrices(params_of(theta=90), 3, 3)
    np.testing.assert_allclose(maps, [[[0, 1, 0], [-1, 0, 2]]], atol=1e-15)


def test_the_centre_of_a_non_square_image_has_height_and_width_exchanged():
    """A half turn of 3 x 5 is about (row, column) = (2, 1), not (1, 2); without quirks it is."""
    quirky = matrices(params_of(theta=180), 3, 5)
    plain = matrices(params_of(theta=180), 3, 5, keras_quirks=False)
    np.testing.assert_allclose(quirky, [[[-1, 0, 4], [0, -1, 2]]], atol=1e-15)
    np.testing.assert_allclose(plain, [[[-1, 0, 2], [0, -1, 4]]], atol=1e-15)


def test_parameters_at_rest_are_the_identity_without_rounding():
    params = params_of(theta=[0.0, 33.0])
    params = {name: np.broadcast_to(values, 2) for name, values in params.items()}
    maps = matrices(params, 7, 10)
    np.testing.assert_array_equal(maps[0], IDENTITY)
    assert (maps[1] != IDENTITY).any()


@one_test
@pytest.mark.parametrize("name", STILL)
def test_every_parameter_moves(name):
    assert (matrices(params_of(**{name: 0.5}), 6, 9) != IDENTITY).any()
