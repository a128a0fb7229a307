"""Programs with rare parts get a verdict, or one line that says why not; none ends in a traceback.

Beside right ports stand wrong ones, which must not pass for what is left out.
"""

import re

import odd_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ports_in(odd_torch)
# Name -> what the one line says.
REFUSED = {
    "lookup": r"is fed texts, which string_lookup \(StringLookup\) takes: cut it there",
    "vectorized": r"is fed texts, which text_vectorization \(TextVectorization\)",
    "not_built": "does not know the shape of its input; build it",
}
WRONG = [name for name in PORTS if name.endswith("_wrong")]
RIGHT = [name for name in PORTS if name not in WRONG and name not in REFUSED]
# Name -> what is said of it under "not compared".
SAID = {
    "layer_in_float16": ["how dense round: the program asks for mixed_float16 there"],
    "no_kernel": ["normed in float64: TensorFlow has no kernel for it in float64"],
    "policy_of_float16": ["the program asks for mixed_float16 there"],
    "two__autocast": ["how the port rounds (autocast at odd_torch.py:", "float() at odd_torch.py:"],
    "scaled_loss": ["the scale of the loss (LossScaleOptimizer): a check computes in float64"],
    "trained": ["the state of the optimizer: ", "8 steps"],
    "loaded": ["the state of the optimizer: ", "8 steps"],
}


@pytest.fixture(scope="module")
def checked():
    return checked_ports(odd_torch)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_port_of_an_odd_program_passes(checked, name):
    result = checked[name]
    assert result.errors == ()
    assert [(found.level, found.item.name) for found in result.divergences] == []
    assert result.verdict == "pass"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_port_of_an_odd_program_fails(checked, name):
    assert checked[name].verdict == "fail"


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_checked_is_refused_in_one_line(checked, name):
    result = checked[name]
    assert result.verdict == "error"
    (line,) = result.errors
    assert "\n" not in line
    assert re.search(REFUSED[name], line)


@pytest.mark.parametrize("name", SAID)
def test_what_is_computed_in_another_way_is_said(checked, name):
    told = "\n".join(f"{entry['what']}: {entry['why']}" for entry in checked[name].not_compared)
    assert [part for part in SAID[name] if part not in told] == []


@pytest.mark.parametrize("name", ["trained", "loaded", "loaded_with_schedule"])
def test_the_weights_of_a_trained_model_are_no_draws(checked, name):
    level = next(level for level in checked[name].levels if level.id == "init")
    assert level.status == "skipped"
    assert "has made 8 steps" in level.tolerance_source
