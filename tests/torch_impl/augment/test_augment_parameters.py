"""Parameters are drawn as Keras draws them: the same numbers, and as much of the stream."""

import itertools

import numpy as np
import pytest
import torch
from covering import one_test
from helpers import MOVED
from hypothesis import strategies as st
from tensorflow.keras.preprocessing.image import ImageDataGenerator as KerasGenerator

from torch_impl.augment.parameters import AT_REST, ParameterSampler

OPTIONS = {
    **MOVED,
    "vertical_flip": True,
    "channel_shift_range": 9.0,
    "brightness_range": (0.4, 1.3),
}
ZOOMS = [0, 0.5, 1, 1.5, (0.5, 0.5), (0.8, 1.5), [1, 1], (1, 2), [2, 1]]


NUMBERS = [0, 1, 2, 7, -3, 0.25, -0.25, 1.0, 2.5, 30.0, np.float64(0.2), np.int64(3)]


LISTS = [[0.5], [0.1, 0.3], [1, 2, 5], [-1, 4], [0.2, 3], (0.1, 0.2), (2, 4), [-0.4, -2.0], []]


SHIFTS = NUMBERS + LISTS


ROWS = [
    *(
        dict(subset)
        for size in (0, 1, 2, len(OPTIONS) - 1, len(OPTIONS))
        for subset in itertools.combinations(OPTIONS.items(), size)
    ),
    *(
        {**options, f"{side}_shift_range": shift}
        for side in ("width", "height")
        for shift in SHIFTS
        for options in ({}, OPTIONS)
    ),
    *({"zoom_range": bounds} for bounds in ZOOMS),
    {"rotation_range": -20},
    {"shear_range": -3},
]


@one_test
@pytest.mark.parametrize("options", ROWS)
def test_every_choice_of_options_draws_keras_numbers(options):
    sampler = ParameterSampler(**options, random_state=np.random.RandomState(7))
    np.random.seed(7)
    generator = KerasGenerator(**options)
    theirs = [generator.get_random_transform((HEIGHT, WIDTH, 3)) for _ in range(5)]
    params = sampler.draw(5, HEIGHT, WIDTH)
    for index, expected in enumerate(theirs):
        ours = {name: params[name][index] if name in params else None for name in AT_REST}
        assert ours == expected
    # Nothing more and nothing less was drawn.
    assert sampler.random_state.random_sample() == np.random.random()


def test_without_a_random_state_torchs_seed_decides():
    def drawn(seed):
        torch.manual_seed(seed)
        return [ParameterSampler(**OPTIONS).draw(1, 6, 9)["theta"][0] for _ in range(2)]

    assert (drawn(1), len({*drawn(1), *drawn(2)})) == (drawn(1), 4)


HEIGHT, WIDTH = 6, 9


numbers = st.floats(-400, 400, allow_nan=False)


def test_without_quirks_the_same_numbers_move_the_axes_that_the_names_promise():
    quirky, plain = (
        ParameterSampler(
            width_shift_range=0.3,
            height_shift_range=[1, 2],
            keras_quirks=keras_quirks,
            random_state=np.random.RandomState(3),
        ).draw(20, 6, 9)
        for keras_quirks in (True, False)
    )
    np.testing.assert_array_equal(plain["tx"], quirky["ty"])
    np.testing.assert_array_equal(plain["ty"], quirky["tx"])
    assert set(np.abs(plain["ty"])) == {1, 2}
    assert np.abs(plain["tx"]).max() <= 0.3 * 9


@one_test
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation_range": "10"}, "rotation_range='10': expected a finite number"),
        ({"rotation_range": float("nan")}, "rotation_range=nan: expected a finite number"),
        ({"shear_range": (1, 2)}, r"shear_range=\(1, 2\): expected a finite number"),
        ({"channel_shift_range": float("inf")}, "channel_shift_range=inf: expected a finite"),
        ({"width_shift_range": "a"}, "width_shift_range='a': expected a number .* or a list"),
        ({"height_shift_range": [1, None]}, r"height_shift_range=\[1, None\]: expected a number"),
        ({"height_shift_range": [[1], [2]]}, "expected a number .* or a list of numbers"),
        ({"zoom_range": (1, 2, 3)}, r"zoom_range=\(1, 2, 3\): expected a number z, .* or a pair"),
        ({"zoom_range": None}, "zoom_range=None: expected a number z"),
        ({"zoom_range": [0.5, float("nan")]}, r"zoom_range=\[0.5, nan\]: expected a number z"),
        ({"brightness_range": 0.5}, "brightness_range=0.5: expected a list or tuple of two"),
        ({"brightness_range": (0.5,)}, r"brightness_range=\(0.5,\): expected a list or tuple"),
    ],
)
def test_a_range_that_makes_no_sense_is_an_error_that_shows_it(options, message):
    with pytest.raises(ValueError, match=message):
        ParameterSampler(**options)
