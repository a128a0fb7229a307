"""Right ports in the ways in which people write PyTorch pass; with one wrong line they do not."""

import idioms_torch
import idioms_torch_wrong
import pytest
from paths import SUPPORT
from port_files import FEW_STEPS

from parity.halves.options import ChildOptions
from parity.ladder.levels import LEVEL_IDS
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

pytestmark = pytest.mark.long

# Torch's own initial weights are not Keras's, and no port here draws Keras's.
LEVELS = [name for name in LEVEL_IDS if name != "init"]


def _names(module):
    return [name for name in vars(module) if "__" in name.strip("_") and name[0] != "_"]


RIGHT, WRONG = _names(idioms_torch), _names(idioms_torch_wrong)
# Parametrizations of a weight that Keras trains as it is: no right port.
NOT_RIGHT = {"only_dense__weight_norm", "only_dense__orthogonal"}
# The moving variance of torch's batch normalisation is another one, which is told.
TRUE_DIFFERENCES = {"conv__functions": "moving_variance"}


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The result and the facts of every port, in one process for each half."""
    root = tmp_path_factory.mktemp("idioms")
    ports = [f"idioms_torch.py:{name}" for name in RIGHT]
    ports += [f"idioms_torch_wrong.py:{name}" for name in WRONG]
    specs = [
        CheckSpec(
            keras=f"idioms_keras.py:{port.partition(':')[2].partition('__')[0]}",
            torch=port,
            steps=FEW_STEPS,
            folder=str(SUPPORT),
        )
        for port in ports
    ]
    options = CheckOptions(out=root / "out", children=ChildOptions(workers=1), levels=LEVELS)
    results = check_all(specs, options)
    facts = {}
    for number, port in enumerate(ports):
        half = RunFolder(root / "out" / f"{number:03d}").half("torch")
        facts[port.partition(":")[2]] = (
            Trace(half.path).facts if (half.path / "_SUCCESS").exists() else {}
        )
    named = zip(ports, results, strict=True)
    return {port.partition(":")[2]: result for port, result in named}, facts


@pytest.mark.parametrize("name", [name for name in RIGHT if name not in NOT_RIGHT])
def test_a_right_port_passes_however_it_is_written(checked, name):
    results, facts = checked
    failed = [
        (level.id, item.name, item.keras, item.torch)
        for level in results[name].levels
        for item in level.items
        if item.status == "fail" and TRUE_DIFFERENCES.get(name, "?") not in item.name
    ]
    assert failed == []
    assert results[name].verdict == ("fail" if name in TRUE_DIFFERENCES else "pass")
    assert facts[name]["incomplete"] == []


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_line_is_caught(checked, name):
    results, _ = checked
    assert results[name].verdict == "fail"


CARRIED = {
    "layer_scale__parameters": {"values", "pairing"},
    "vit__parameters": {"values", "pairing"},
    "own_dense__load": {"load"},
    "lstm_dropout__three": {"pairing"},
    "weight_norm__parametrized": {"values", "pairing"},
}


@pytest.mark.parametrize(("name", "ways"), CARRIED.items(), ids=CARRIED)
def test_the_way_in_which_every_weight_was_carried_is_told(checked, name, ways):
    found = checked[1][name]
    assert set(found["carried_by"].values()) == ways
    assert set(found["carried_by"]) == set(found["weights"])
    assert found["not_carried"] == []


def test_a_weight_that_cannot_be_set_is_told_with_what_to_do(checked):
    (told,) = checked[1]["only_dense__orthogonal"]["incomplete"]
    assert told["what"] == "dense.kernel"
    assert "load" in told["do"]
