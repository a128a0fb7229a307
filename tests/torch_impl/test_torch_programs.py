"""The built-in scenarios as programs: checked as a user's pair is, by their two factories."""

from functools import partial

import both_halves
import pytest

from parity.errors import InputError
from parity.halves.keras import scenarios as keras_programs
from parity.halves.torch import scenarios as torch_programs
from parity.ladder.items import FAIL, PASS
from parity.programs.factories import load_factory
from parity.programs.run_spec import EarlyStopping, ReduceLR
from parity.programs.scenarios import SCENARIOS, scenario

# Every part that a training may have. Each that is wrong fails a level or an item of its own.
SPECS = {
    "linear": scenario("linear"),
    "dropout": scenario("dropout"),
    "all_else": scenario("augmentation").replace(
        l2=0.01,
        weight_decay=3.0,
        reduce_lr=ReduceLR(monitor="val_loss", factor=0.1, patience=5),
        early_stopping=EarlyStopping(patience=2, restore_best_weights=True),
    ),
}


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """What the Keras half leaves of a spec, by its name."""
    known = {}

    def get(name):
        if name not in known:
            program = partial(keras_programs.program, SPECS[name])
            folder = tmp_path_factory.mktemp(name) / "keras"
            known[name] = both_halves.recorded(program, folder, seed=5)
        return known[name]

    return get


def ported(spec):
    return partial(torch_programs.program, spec)


@pytest.mark.long
@pytest.mark.parametrize("name", SPECS)
def test_the_two_factories_of_a_scenario_pass_a_check(name, keras, tmp_path):
    found = both_halves.levels(keras(name), ported(SPECS[name]), tmp_path / "torch")
    assert {level: each for level, each in found.items() if each.status == FAIL} == {}
    passed = {level for level, each in found.items() if each.status == PASS}
    assert {"structure", "init", "forward", "loss", "optimizer", "trajectory"} <= passed
    assert ("schedule" in passed) == (name == "all_else")


# What a port leaves out -> the levels that fail for it.
LEFT_OUT = [
    ({"l2": 0.0, "weight_decay": 0.0, "reduce_lr": None}, {"loss", "optimizer", "schedule"}),
    ({"early_stopping": None}, {"schedule"}),
]


@pytest.mark.long
@pytest.mark.parametrize(("parts", "levels"), LEFT_OUT)
def test_a_port_without_parts_of_its_scenario_fails(parts, levels, keras, tmp_path):
    port = ported(SPECS["all_else"].replace(**parts))
    found = both_halves.levels(keras("all_else"), port, tmp_path / "torch")
    assert levels <= {level for level, each in found.items() if each.status == FAIL}


@pytest.mark.parametrize("half", ["keras", "torch"])
def test_every_scenario_has_a_factory_with_its_name(half, tmp_path):
    for name in SCENARIOS:
        assert callable(load_factory("--keras", f"parity.halves.{half}.scenarios:{name}", tmp_path))
    with pytest.raises(InputError, match="has no 'dropot'"):
        load_factory("--keras", f"parity.halves.{half}.scenarios:dropot", tmp_path)
