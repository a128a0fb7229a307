"""The images of a port that augments itself beside those of Keras, with the ranges of both."""

from functools import partial

import numpy as np
import pytest
from ladder_runs import failed
from trace_changes import added, both, fact, gone, put, scaled, set_to
from traces import Parts

from parity.ladder.comparers.flow import of_training
from parity.ladder.items import FAIL, PASS, SKIPPED

IMAGES = np.random.default_rng(0).uniform(size=(2, 4, 4, 1))
RANGES = {"rotation_range": 10, "width_shift_range": 0.1, "zoom_range": [0.9, 1.1]}
RANGES |= {"horizontal_flip": True, "brightness_range": None}


def flow_parts(dtype="float64"):
    """A training of 7 steps: epochs of 3, 3 and 1."""
    arrays = {f"training/images/{step}": IMAGES + step for step in (1, 2, 5)}
    arrays["training/image_sums"] = np.linspace(5, 6, 7)
    return Parts(arrays, {"augment": RANGES, "epoch_ends": [3, 6, 7]}, spec={"dtype": dtype})


@pytest.fixture
def traces(written):
    """The traces of both halves, with a change of the port's, and of Keras's."""
    return partial(written, flow_parts)


def ranges(**changes):
    return fact({**RANGES, **changes}, "augment")


def test_the_same_images_and_ranges_pass(traces):
    outcome = of_training(*traces(ranges(rotation_range=10.0, horizontal_flip=1)))
    assert outcome.status == PASS
    assert len(outcome.items) == 5 + 3 + 1


# The port draws itself: steps of three, three, two, three, three, two and three samples.
DRAWN = put(
    {
        "training/flow/sizes": [3, 3, 2, 3, 3, 2, 3],
        "training/flow/index": np.arange(19) % 8,
        "training/flow/drawn/theta": np.linspace(-10, 10, 19),
    }
)
MORE_DRAWN = both(DRAWN, put({"training/flow/drawn/zx": np.ones(19)}))
OF_OTHER_DRAWS = both(*(added(f"training/images/{number}", 1) for number in (1, 2, 5)))


def draws(key, row):
    """Other draws from a row on, and images of them."""
    return both(DRAWN, added(f"training/flow/{key}", 1, slice(row, None)), OF_OTHER_DRAWS)


# What the port has otherwise, what Keras, what fails, and what is told of it.
FAILING = {
    "one pixel": (added("training/images/5", 1e-9, (1, 2, 3, 0)), None,
                  ("augmented images", 1, 5), {"index": (1, 2, 3, 0)}),
    "a step between": (
        both(added("training/image_sums", 1.0, 6), set_to("training/image_sums", np.nan, 3)), None,
        ("sum of the augmented images of a step", 1, 4), {}),
    **{
        name: (ranges(**{name: value}), None, (name, 0, 0), {})
        for name, value in (
            ("rotation_range", 11),
            ("width_shift_range", 1),
            ("zoom_range", [0.9, 1.2]),
            ("horizontal_flip", False),
            ("brightness_range", [0.5, 1.0]),
        )
    },
    "one pixel is no fraction": (ranges(width_shift_range=1.0), ranges(width_shift_range=1),
                                 ("width_shift_range", 0, 0), {}),
    # The first draw that differs is named before the images.
    **{
        f"{name} {row}": (draws(key, row), DRAWN, (name, epoch, step), {})
        for key, name in (("index", "samples of the batches"), ("drawn/theta", "theta"))
        for row, epoch, step in ((0, 0, 1), (2, 0, 1), (3, 0, 2), (8, 1, 4), (18, 2, 7))
    },
    "drawn by Keras alone": (DRAWN, MORE_DRAWN, ("zx", 0, 0),
                             {"keras": "drawn", "torch": "not drawn"}),
    "drawn by the port alone": (MORE_DRAWN, DRAWN, ("zx", 0, 0),
                                {"keras": "not drawn", "torch": "drawn"}),
}  # fmt: skip


@pytest.mark.parametrize(("port", "keras", "fails", "told"), FAILING.values(), ids=FAILING)
def test_what_differs_is_named_with_its_epoch_and_step(traces, port, keras, fails, told):
    outcome = of_training(*traces(port, keras))
    assert failed(outcome) == [fails]
    (item,) = (item for item in outcome.items if item.status == FAIL)
    assert {name: getattr(item, name) for name in told} == told


def test_a_port_that_ends_earlier_is_compared_as_far_as_it_goes(traces):
    ends = both(put({"training/image_sums": np.linspace(5, 6, 7)[:4]}), gone("training/images/5"))
    assert of_training(*traces(ends)).status == PASS


def test_a_port_that_does_not_augment_has_nothing_to_compare(traces):
    outcome = of_training(*traces(gone("training/image_sums")))
    assert (outcome.status, outcome.applies) == (SKIPPED, False)


@pytest.mark.parametrize(("dtype", "allowed"), [("float32", 5e-7), ("float64", 1e-12)])
@pytest.mark.parametrize(("by", "status"), [(0.9, PASS), (1.1, FAIL)], ids=["within", "above"])
def test_images_may_differ_by_the_rounding_of_their_dtype(traces, dtype, allowed, by, status):
    by *= allowed * (IMAGES + 2).max()
    outcome = of_training(*traces(added("training/images/2", by, (0, 1, 1, 0)), dtype=dtype))
    assert outcome.status == status
    worst = max(outcome.items, key=lambda item: item.ratio)
    assert (worst.name, worst.epoch, worst.step) == ("augmented images", 0, 2)
    assert worst.index == (0, 1, 1, 0)
    assert f"within {allowed:g}" in outcome.tolerance_source


def test_in_float32_roundings_add_up_in_a_sum_and_it_is_not_compared(traces):
    other = scaled("training/image_sums", 1 + 1e-6)
    outcome = of_training(*traces(other, dtype="float32"))
    assert outcome.status == PASS
    assert {item.name for item in outcome.items} == {*RANGES, "augmented images"}


def test_the_same_draws_pass_and_are_told(traces):
    outcome = of_training(*traces(DRAWN, DRAWN))
    assert outcome.status == PASS
    assert [item.num_compared for item in outcome.items if item.name == "theta"] == [19]
    assert "that the port drew itself" in outcome.tolerance_source
