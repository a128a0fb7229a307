"""The images of a port that augments itself beside those of Keras, with the ranges of both."""

import numpy as np
import pytest

from parity.files.json_io import write_json
from parity.ladder.comparers.flow import of_training
from parity.ladder.items import FAIL, PASS, SKIPPED
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace

IMAGES = np.random.default_rng(0).uniform(size=(2, 4, 4, 1))
RANGES = {"rotation_range": 10, "width_shift_range": 0.1, "zoom_range": [0.9, 1.1]}
RANGES |= {"horizontal_flip": True, "brightness_range": None}


@pytest.fixture
def trace(tmp_path):
    """Makes the trace of a training of 7 steps: epochs of 3, 3 and 1."""

    def make(change=None, dtype="float64", **facts):
        writer = CheckWriter()
        writer.put("training/image_sums", np.linspace(5, 6, 7))
        for step in (1, 2, 5):
            writer.put(f"training/images/{step}", IMAGES + step)
        writer.facts |= {"augment": RANGES, "epoch_ends": [3, 6, 7], **facts}
        if change is not None:
            change(writer.arrays)
        folder = RunFolder(tmp_path / str(len(list(tmp_path.iterdir()))))
        folder.path.mkdir()
        write_json(folder.spec, {"dtype": dtype})
        writer.write(folder.path, environment={}, result=RunResult({}, {}, 0.0))
        return Trace(folder.path)

    return make


def failed(outcome):
    return [(item.name, item.epoch, item.step) for item in outcome.items if item.status == FAIL]


def test_the_same_images_and_ranges_pass(trace):
    as_floats = {**RANGES, "rotation_range": 10.0, "horizontal_flip": 1}
    outcome = of_training(trace(), trace(augment=as_floats))
    assert outcome.status == PASS
    assert len(outcome.items) == 5 + 3 + 1


def test_one_pixel_is_named_with_its_step_and_epoch(trace):
    def change(arrays):
        arrays["training/images/5"][1, 2, 3, 0] += 1e-9

    outcome = of_training(trace(), trace(change))
    assert failed(outcome) == [("augmented images", 1, 5)]
    (item,) = (item for item in outcome.items if item.status == FAIL)
    assert item.index == (1, 2, 3, 0)


def test_a_step_between_is_seen_by_its_sum(trace):
    def change(arrays):
        arrays["training/image_sums"][6:] += 1.0
        arrays["training/image_sums"][3] = np.nan

    assert failed(of_training(trace(), trace(change))) == [
        ("sum of the augmented images of a step", 1, 4)
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rotation_range", 11),
        ("width_shift_range", 1),
        ("zoom_range", [0.9, 1.2]),
        ("horizontal_flip", False),
        ("brightness_range", [0.5, 1.0]),
    ],
)
def test_another_range_is_named(name, value, trace):
    outcome = of_training(trace(), trace(augment={**RANGES, name: value}))
    assert failed(outcome) == [(name, 0, 0)]


def test_one_pixel_and_a_fraction_are_other_shifts(trace):
    whole, part = ({"width_shift_range": value} for value in (1, 1.0))
    assert failed(of_training(trace(augment=whole), trace(augment=part)))


def test_a_port_that_ends_earlier_is_compared_as_far_as_it_goes(trace):
    def change(arrays):
        arrays["training/image_sums"] = arrays["training/image_sums"][:4]
        del arrays["training/images/5"]

    assert of_training(trace(), trace(change)).status == PASS


def test_a_port_that_does_not_augment_has_nothing_to_compare(trace):
    outcome = of_training(trace(), trace(lambda arrays: arrays.pop("training/image_sums")))
    assert (outcome.status, outcome.applies) == (SKIPPED, False)


@pytest.mark.parametrize(("dtype", "allowed"), [("float32", 5e-7), ("float64", 1e-12)])
@pytest.mark.parametrize(("by", "status"), [(0.9, PASS), (1.1, FAIL)], ids=["within", "above"])
def test_images_may_differ_by_the_rounding_of_their_dtype(trace, dtype, allowed, by, status):
    def change(arrays):
        image = arrays["training/images/2"]
        image[0, 1, 1, 0] += by * allowed * np.abs(image).max()

    outcome = of_training(trace(dtype=dtype), trace(change, dtype=dtype))
    assert outcome.status == status
    worst = max(outcome.items, key=lambda item: item.ratio)
    assert (worst.name, worst.epoch, worst.step) == ("augmented images", 0, 2)
    assert worst.index == (0, 1, 1, 0)
    assert f"within {allowed:g}" in outcome.tolerance_source


def test_in_float32_roundings_add_up_in_a_sum_and_it_is_not_compared(trace):
    def change(arrays):
        arrays["training/image_sums"] *= 1 + 1e-6

    outcome = of_training(trace(dtype="float32"), trace(change, dtype="float32"))
    assert outcome.status == PASS
    assert {item.name for item in outcome.items} == {*RANGES, "augmented images"}


def drawn(arrays):
    """The port draws itself: steps of three, three, two, three, three, two and three samples."""
    arrays["training/flow/sizes"] = np.array([3, 3, 2, 3, 3, 2, 3])
    arrays["training/flow/index"] = np.arange(19) % 8
    arrays["training/flow/drawn/theta"] = np.linspace(-10, 10, 19)


def test_the_same_draws_pass_and_are_told(trace):
    outcome = of_training(trace(drawn), trace(drawn))
    assert outcome.status == PASS
    assert [item.num_compared for item in outcome.items if item.name == "theta"] == [19]
    assert "that the port drew itself" in outcome.tolerance_source


@pytest.mark.parametrize(
    ("key", "name"), [("index", "samples of the batches"), ("drawn/theta", "theta")]
)
@pytest.mark.parametrize(
    ("row", "epoch", "step"), [(0, 0, 1), (2, 0, 1), (3, 0, 2), (8, 1, 4), (18, 2, 7)]
)
def test_the_first_draw_that_differs_is_named_before_the_images(trace, key, name, row, epoch, step):
    def change(arrays):
        drawn(arrays)
        draws = arrays[f"training/flow/{key}"]
        draws[row:] += 1
        for number in (1, 2, 5):  # images of other draws
            arrays[f"training/images/{number}"] += 1

    assert failed(of_training(trace(drawn), trace(change))) == [(name, epoch, step)]


@pytest.mark.parametrize("half", [0, 1], ids=["keras", "torch"])
def test_a_parameter_that_only_one_half_draws_is_named(trace, half):
    def more(arrays):
        drawn(arrays)
        arrays["training/flow/drawn/zx"] = np.ones(19)

    changes = [drawn, drawn]
    changes[half] = more
    outcome = of_training(*(trace(change) for change in changes))
    assert failed(outcome) == [("zx", 0, 0)]
    (item,) = (item for item in outcome.items if item.status == FAIL)
    told = ["not drawn", "not drawn"]
    told[half] = "drawn"
    assert [item.keras, item.torch] == told
