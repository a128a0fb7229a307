"""A part of `benchmarks/accuracy/attention.py`: right ports pass, wrong ones are named."""

import pytest
from port_files import FEW_STEPS

from benchmarks.accuracy.matrices import run_pairs
from benchmarks.attention.table import FAULTS, RIGHT
from parity.divergences import REGISTRY

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PASSING = ("encoder_module", "encoder_fused_heads", "encoder_einsum", "dropped_timm")
NAMED = ("scale_of_model", "heads_strided", "dropout_of_output", "norm_first", "drop_path_rate")


@pytest.fixture(scope="module")
def outcomes():
    pairs = [pair for pair in RIGHT if pair.name in PASSING]
    pairs += [fault for fault in FAULTS if fault.name in NAMED]
    return {outcome.name: outcome for outcome in run_pairs(pairs, 23, workers=1, steps=FEW_STEPS)}


@pytest.mark.parametrize("name", PASSING)
def test_a_right_port_of_attention_passes(outcomes, name):
    assert (outcomes[name].verdict, outcomes[name].item) == ("pass", "")


@pytest.mark.parametrize("name", NAMED)
def test_a_wrong_port_of_attention_is_caught_and_named(outcomes, name):
    fault = next(fault for fault in FAULTS if fault.name == name)
    assert (outcomes[name].verdict, outcomes[name].level) == ("fail", fault.level)
    assert outcomes[name].ids[0] in fault.ids


def test_every_wrong_port_has_a_right_one_and_a_known_name():
    assert {fault.keras for fault in FAULTS} <= {pair.keras for pair in RIGHT}
    assert {name for fault in FAULTS for name in fault.ids} <= set(REGISTRY)
