"""A mask of Keras in the form in which a port draws it."""

import numpy as np
import pytest
import torch

from torch_impl.harness.port.drawing import uniform_of
from torch_impl.harness.port.drawn_masks import mask_like

N, STEPS, FEATURES = 3, 5, 4
STEP = np.random.default_rng(0).random((N, FEATURES)) > 0.5
SAME = np.broadcast_to(STEP[:, None], (N, STEPS, FEATURES))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((N, STEPS, FEATURES), SAME),
        ((N, 1, FEATURES), STEP[:, None]),
        ((1, N, FEATURES), STEP[None]),
        ((N, FEATURES, 1), STEP[:, :, None]),
        ((N, FEATURES), STEP),
        ((N, FEATURES, STEPS), np.moveaxis(SAME, -1, 1)),
    ],
    ids=str,
)
def test_one_mask_for_all_steps_fits_where_it_is_multiplied(shape, expected):
    found = mask_like(SAME, torch.ones(shape))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_a_mask_that_differs_from_step_to_step_has_no_form_of_one_step():
    mask = SAME.copy()
    mask[0, 0, 0] = ~mask[0, 0, 0]
    assert mask_like(mask, torch.ones(N, 1, FEATURES)) is None
    assert mask_like(STEP, torch.ones(N, FEATURES + 1)) is None


def test_a_mask_of_whole_samples_is_one_value_each():
    kept = np.array([True, False, True])
    whole = np.broadcast_to(kept[:, None, None], (N, STEPS, FEATURES))
    np.testing.assert_array_equal(mask_like(whole, torch.ones(N, 1, 1)).flatten().numpy(), kept)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_numbers_make_the_mask_in_all_ways_of_comparing_them(rate, dtype):
    mask = torch.tensor([1.0, 0.0, 1.0], dtype=dtype) if rate else torch.ones(3, dtype=dtype)
    high, low = (uniform_of(mask, keeps_low=is_low) for is_low in (False, True))
    assert torch.equal(torch.floor(1 - rate + high), mask)
    assert torch.equal((high >= rate).to(dtype), mask)
    assert torch.equal((low < 1 - rate).to(dtype), mask)
    assert all(0 <= number < 1 for number in (*high, *low))
