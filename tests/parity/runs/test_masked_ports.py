"""Ports of models that use masks of sequences: right ones pass, and each mistake has its name."""

import masked_torch
import masked_torch_wrong
import numpy as np
import pytest
from paths import SUPPORT
from port_files import FEW_STEPS

from parity.halves.options import ChildOptions
from parity.ladder.levels import LEVEL_IDS
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

# Torch's own initial weights are not Keras's, and no port here draws Keras's.
LEVELS = [name for name in LEVEL_IDS if name != "init"]


def _names(module):
    found = vars(module).items()
    own = [name for name, each in found if getattr(each, "__module__", "") == module.__name__]
    return [name for name in own if "__" in name.strip("_") and name[0] != "_"]


RIGHT, WRONG = _names(masked_torch), _names(masked_torch_wrong)
# Of steps that are masked by their values, random samples have none.
BY_VALUE = "forecaster"


def steps_of_zeros(path):
    """Samples of 7 steps; some at the end and one inside are 0 in all features."""
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(16, 7, 3)), draw.normal(size=(16, 7, 2))
    for number, length in enumerate(draw.integers(2, 8, size=16)):
        x[number, length:] = 0
        x[number, 1] *= number % 3 > 0
    np.savez(path, x=x.astype("float32"), y=y.astype("float32"))
    return str(path)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The result of every port, in one process for each half."""
    root = tmp_path_factory.mktemp("masks")
    data = steps_of_zeros(root / "steps.npz")
    ports = [f"masked_torch.py:{name}" for name in RIGHT]
    ports += [f"masked_torch_wrong.py:{name}" for name in WRONG]
    models = [port.partition(":")[2].partition("__")[0] for port in ports]
    specs = [
        CheckSpec(
            keras=f"masked_keras.py:{model}",
            torch=port,
            steps=FEW_STEPS,
            folder=str(SUPPORT),
            data=data if model == BY_VALUE else None,
        )
        for port, model in zip(ports, models, strict=True)
    ]
    options = CheckOptions(out=root / "out", children=ChildOptions(workers=1), levels=LEVELS)
    named = zip(ports, check_all(specs, options), strict=True)
    return {port.partition(":")[2]: result for port, result in named}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_passes_and_nothing_is_left_open(checked, name):
    result = checked[name]
    failed = [
        (level.id, item.name, item.keras, item.torch)
        for level in result.levels
        for item in level.items
        if item.status == "fail"
    ]
    assert failed == []
    assert (result.verdict, result.incomplete) == ("pass", ())


# Mistake -> the level at which it begins, and the ID of its cause.
CAUSES = {
    "classifier__no_mask": ("forward", "A64"),
    "classifier__last_index": ("forward", "A67"),
    "classifier__lengths_off_by_one": ("forward", "A65"),
    "classifier__gathered_off_by_one": ("forward", "A67"),
    "classifier__padding_idx": ("forward", "A64"),
    "mean__of_all_steps": ("forward", "A64"),
    "mean__inverted": ("forward", "A65"),
    "mean__over_whole_length": ("forward", "A65"),
    "both_ways__forward_only": ("forward", "A64"),
    "both_ways__no_mask": ("forward", "A64"),
    "attention__no_mask": ("forward", "A64"),
    "attention__inverted": ("forward", "A65"),
    "maximum__of_real_steps": ("forward", "A66"),
    "tagger__loss_over_whole_length": ("loss", "D19"),
    "tagger__loss_not_masked": ("loss", "D19"),
    "tagger__loss_of_sample_means": ("loss", "D19"),
    "tagger__loss_inverted": ("loss", "D19"),
    "tagger__metric_counts_padding": ("metrics", "I8"),
    "forecaster__other_value": ("forward", "A64"),
    "forecaster__no_mask": ("forward", "A64"),
    "normalised__statistics_of_padding": ("forward", "A64"),
    "two_heads__loss_not_masked": ("loss", "D19"),
    "two_heads__metric_counts_padding": ("metrics", "I8"),
}


def test_every_mistake_has_a_cause():
    assert sorted(CAUSES) == sorted(WRONG)


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_about_a_mask_is_caught_and_named(checked, name):
    result = checked[name]
    assert result.verdict == "fail"
    first = result.divergences[0]
    assert (first.level, first.causes[0]["id"]) == CAUSES[name]
    assert first.causes[0]["confidence"] > 0.9
