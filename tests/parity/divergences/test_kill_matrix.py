"""A part of `benchmarks/accuracy/matrices.py`: right ports raise no alarm, wrong ones fail."""

from pathlib import Path

import pytest

from benchmarks.accuracy.matrices import run_pairs
from benchmarks.held_out import table as held_out
from benchmarks.pairs.fault_table import FAULTS
from benchmarks.pairs.table import NULL
from parity.divergences import REGISTRY

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

SEED = 23

RIGHT = (
    *("conv_same_stride_2", "batch_norm", "flatten_view", "dropout_functional"),
    *("softmax_log", "momentum", "plateau_torch"),
    *("layers_separable_depthwise_bias.right_port", "layers_kernel_axes_swapped.right_port"),
)
WRONG = (
    *("fed_bgr", "flatten_not_permuted", "bias_extra", "same_symmetric", "norm_epsilon"),
    *("norm_unbiased", "dropout_inverted", "conv_kaiming", "softmax_twice"),
    *("features_detached", "momentum_stock", "momentum_missing", "plateau_patience"),
    *("layers_spatial_dropout_by_value", "training_plateau_relative"),
)
ALL_RIGHT = (*NULL, *held_out.RIGHT)
ALL_WRONG = (*FAULTS, *held_out.FAULTS)


def _named(entries, name):
    return next(entry for entry in entries if entry.name == name)


@pytest.fixture(scope="module")
def outcomes():
    """Of all of them by name: one recording for each Keras model, and few frameworks started."""
    pairs = [_named(ALL_RIGHT, name) for name in RIGHT]
    pairs += [_named(ALL_WRONG, name) for name in WRONG]
    return {outcome.name: outcome for outcome in run_pairs(pairs, SEED, workers=1)}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_raises_no_alarm(outcomes, name):
    assert (outcomes[name].verdict, outcomes[name].item) == ("pass", "")


@pytest.mark.parametrize("name", WRONG)
def test_a_fault_is_caught_where_it_is_first_visible_and_named(outcomes, name):
    fault, outcome = _named(ALL_WRONG, name), outcomes[name]
    assert (outcome.verdict, outcome.level) == ("fail", fault.level)
    assert outcome.ids[0] in fault.ids


def test_every_fault_has_a_right_port_of_the_same_model():
    assert {fault.keras for fault in ALL_WRONG} <= {pair.keras for pair in ALL_RIGHT}


def test_no_two_faults_and_no_two_right_ports_have_one_name():
    for entries in (ALL_WRONG, ALL_RIGHT):
        assert len({entry.name for entry in entries}) == len(entries)


def test_every_name_that_is_expected_is_in_the_registry():
    assert {name for fault in ALL_WRONG for name in fault.ids} <= set(REGISTRY)


def test_every_file_of_the_held_out_cases_is_a_case_or_helps_them():
    files = {path.stem for path in Path(held_out.__file__).parent.glob("*.py")}
    assert files - {fault.name for fault in held_out.FAULTS} == {
        "__init__",
        "keras_side",
        "late",
        "table",
        "torch_side",
    }
