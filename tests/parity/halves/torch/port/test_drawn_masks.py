"""A mask of Keras in the form in which a port draws it."""

import numpy as np
import torch
from rows import each_row

from parity.halves.torch.port.random_masks import mask_like

N, STEPS, FEATURES = 3, 5, 4
STEP = np.random.default_rng(0).random((N, FEATURES)) > 0.5
SAME = np.broadcast_to(STEP[:, None], (N, STEPS, FEATURES))


@each_row(
    "shape, expected",
    [
        ((N, STEPS, FEATURES), SAME),
        ((N, 1, FEATURES), STEP[:, None]),
        ((1, N, FEATURES), STEP[None]),
        ((N, FEATURES, 1), STEP[:, :, None]),
        ((N, FEATURES), STEP),
        ((N, FEATURES, STEPS), np.moveaxis(SAME, -1, 1)),
    ],
)
def test_one_mask_for_all_steps_fits_where_it_is_multiplied(shape, expected):
    np.testing.assert_array_equal(mask_like(SAME, torch.ones(shape)).numpy(), expected)


def test_a_mask_that_differs_from_step_to_step_has_no_form_of_one_step():
    mask = SAME.copy()
    mask[0, 0, 0] = ~mask[0, 0, 0]
    assert mask_like(mask, torch.ones(N, 1, FEATURES)) is None
    assert mask_like(STEP, torch.ones(N, FEATURES + 1)) is None
