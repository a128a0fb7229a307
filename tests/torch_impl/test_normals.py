"""Normal numbers are TensorFlow's: bit for bit with its C library, else a few roundings off."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from helpers import matches_normals_to_the_bit

from torch_impl import native, normals
from torch_impl.normals import stateless_normal, stateless_truncated_normal

DRAWS = {
    "normal": (stateless_normal, tf.random.stateless_normal),
    "truncated": (stateless_truncated_normal, tf.random.stateless_truncated_normal),
}
DTYPES = (torch.float32, torch.float64)
SHAPES = ((), (1,), (0,), (3, 0, 2), (2,), (3,), (4,), (5,), (7, 3), (2, 3, 5, 7), (1021,))
SEEDS = ((0, 0), (1, 0), (42, 7), (-3, 5), (2**31 - 3, 0), (2**63 - 1, -(2**63)))


def tensorflow_draw(draw, shape, seed, dtype):
    return draw(shape, tf.constant(seed, tf.int64), dtype=str(dtype).removeprefix("torch.")).numpy()


def greatest_ulps(ours, theirs):
    """The greatest difference in units in the last place of the expected number."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    return np.max(np.abs(ours - theirs) / np.spacing(np.abs(theirs)), initial=0)


@pytest.fixture(params=["compiled", "torch"])
def allowed_ulps(request, monkeypatch):
    """The way in which numbers are drawn, and how far off they may be.

    Measured without a compiler, over two million numbers of each kind: 3 units.
    """
    if request.param == "torch":
        monkeypatch.setattr(native, "library", lambda source: None)
    return 0 if matches_normals_to_the_bit() else 3


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("draws", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("shape", [*SHAPES, (200_001,)])
@pytest.mark.parametrize("seed", SEEDS)
def test_normal_numbers_are_those_of_tensorflow(draws, dtype, shape, seed, allowed_ulps):
    """Many: enough for a uniform number below 1e-7 in float32, and groups that reject a lot."""
    ours, theirs = draws
    actual = ours(shape, seed=seed, dtype=dtype).numpy()
    assert greatest_ulps(actual, tensorflow_draw(theirs, shape, seed, dtype)) <= allowed_ulps


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_uniform_number_of_zero_gives_the_greatest_normal_number(dtype):
    """sqrt(-2 log(1e-7)) = 5.678; the words 0 and 2**21 are u1 = 0 and, in float32, u2 = 1/4."""
    words = torch.tensor([[0, 2**21, 0, 2**21]])
    if dtype == torch.float64:
        words = torch.tensor([[0, 0, 2**18, 0]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normals, "philox4x32", lambda counter, key: words.unbind(1))
        values = normals._box_muller(torch.arange(1), (0, 0), (0, 0), dtype)
    assert values[0, 0].item() == pytest.approx(5.677693, abs=1e-5)


@one_test
@pytest.mark.parametrize("draw", [stateless_normal, stateless_truncated_normal])
@pytest.mark.parametrize("dtype", [torch.float16, torch.int64], ids=str)
def test_other_dtypes_are_an_error_that_names_the_dtype(draw, dtype):
    with pytest.raises(ValueError, match=f"dtype={dtype}: expected torch.float32 or torch.float64"):
        draw((2,), seed=(1, 2), dtype=dtype)
