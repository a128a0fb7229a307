"""What the first sight of ports by hand has shown stays mended."""

from pathlib import Path

import pytest
from port_files import FEW_STEPS

from benchmarks.accuracy.foreign import is_named, spec_of
from benchmarks.foreign.fresh.table import cases
from parity.runs.check import CheckOptions, check_all

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

RIGHT = (
    ("recurrent", "summed_flipped"),
    ("recurrent", "gru_before_loaded"),
    ("recurrent", "stateful_attribute"),
    ("attention", "pre_norm_module"),
    ("outputs", "sparse_code_added"),
    ("later", "outputs_three_heads"),
    ("masks", "sensor_packed"),
)
WRONG = (
    ("recurrent", "summed_not_flipped_back"),
    ("recurrent", "stateful_in_training_alone"),
    ("recurrent", "translator_first_step"),
    ("attention", "dots_scaled_by_width"),
    ("outputs", "weighted_pair_first_for_both"),
    ("outputs", "towers_aux_in_eval"),
    ("masks", "sensor_any_value_is_a_gap"),
    ("later", "attention_softmax_over_batch"),
)


# Each by its family, the package of its file, and its name.
CASES = {(case.torch.split(".")[-2], case.port): case for case in cases(Path())}


@pytest.fixture(scope="module")
def results():
    """Of all of them, with few frameworks started."""
    specs = [spec_of(CASES[port]).replace(steps=FEW_STEPS) for port in (*RIGHT, *WRONG)]
    return dict(zip((*RIGHT, *WRONG), check_all(specs, CheckOptions()), strict=True))


@pytest.mark.parametrize("port", RIGHT, ids="-".join)
def test_a_right_port_passes(results, port):
    assert results[port].verdict == "pass"


@pytest.mark.parametrize("port", WRONG, ids="-".join)
def test_a_wrong_port_is_named(results, port):
    assert results[port].verdict == "fail"
    assert is_named(CASES[port], results[port])
