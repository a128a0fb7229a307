"""A port that changes what it is fed fails, whatever the inputs are; a right one passes."""

from itertools import groupby

import inputs_torch
import pytest
from paths import SUPPORT

from parity.halves.job import ChildOptions
from parity.ladder.items import LEVEL_IDS
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

pytestmark = pytest.mark.long

# Torch's own initial weights are not Keras's, and no port here draws Keras's.
LEVELS = [name for name in LEVEL_IDS if name != "init"]
# Masks of sequences are not compared in full.
LEFT_OPEN = {"masked", "recurrent", "masking"}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The result of every port, in one process for each half."""
    names = sorted([*inputs_torch.RIGHT, *inputs_torch.WRONG])
    specs = [
        CheckSpec(
            keras=f"inputs_keras.py:{model}",
            torch=f"inputs_torch.py:{name}",
            steps=2,
            folder=str(SUPPORT),
        )
        for model, ports in groupby(names, lambda name: name.partition("__")[0])
        for name in ports
    ]
    options = CheckOptions(
        out=tmp_path_factory.mktemp("inputs") / "out",
        children=ChildOptions(workers=1),
        levels=LEVELS,
    )
    return dict(zip(names, check_all(specs, options), strict=True))


@pytest.mark.parametrize("name", inputs_torch.RIGHT)
def test_a_right_port_passes_with_inputs_of_every_form(name, verdicts):
    expected = {"pass", "incomplete"} if name in LEFT_OPEN else {"pass"}
    assert verdicts[name].verdict in expected, verdicts[name].divergences


@pytest.mark.parametrize("name", inputs_torch.WRONG)
def test_a_port_that_changes_an_input_fails(name, verdicts):
    assert verdicts[name].verdict == "fail"
