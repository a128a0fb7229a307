"""The built-in scenarios as programs: checked as a user's pair is, by their two factories."""

import dataclasses

import both_halves
import pytest

from keras_impl import programs as keras_programs
from parity.errors import InputError
from parity.ladder.items import FAIL, PASS
from parity.programs.factories import load_factory
from parity.programs.scenarios import SCENARIOS, scenario
from torch_impl import programs as torch_programs
from torch_impl.optim import Adam

# One scenario for each part that a training may have: the other scenarios differ in their data.
PARTS = {
    "capacity": ("schedule",),
    "augmentation": (),
    "dropout": (),
    "linear": (),
    "cured_by_l2": (),
    "cured_by_weight_decay": (),
    "cured_by_early_stopping": ("schedule",),
}


@pytest.mark.parametrize("name", PARTS)
def test_the_two_factories_of_a_scenario_pass_a_check(name, tmp_path):
    keras = both_halves.recorded(getattr(keras_programs, name), tmp_path / "keras", seed=5)
    found = both_halves.levels(keras, getattr(torch_programs, name), tmp_path / "torch")
    failed = {level: each for level, each in found.items() if each.status == FAIL}
    assert failed == {}
    passed = {level for level, each in found.items() if each.status == PASS}
    assert {"structure", "init", "forward", "loss", "optimizer", "trajectory"} <= passed
    assert {*PARTS[name]} <= passed


def test_a_port_with_another_epsilon_fails_the_check_of_a_scenario(tmp_path):
    def wrong():
        port = torch_programs.linear()
        optimizer = Adam(port.module.parameters(), learning_rate=1e-3, epsilon=1e-4)
        return dataclasses.replace(port, optimizer=optimizer)

    keras = both_halves.recorded(keras_programs.linear, tmp_path / "keras")
    found = both_halves.levels(keras, wrong, tmp_path / "torch")
    assert found["forward"].status == PASS
    assert found["optimizer"].status == FAIL


@pytest.mark.parametrize("half", ["keras_impl", "torch_impl"])
def test_every_scenario_has_a_factory_with_its_name(half, tmp_path):
    for name in SCENARIOS:
        assert callable(load_factory("--keras", f"{half}.programs:{name}", tmp_path))
    with pytest.raises(InputError, match="has no 'dropot'"):
        load_factory("--keras", f"{half}.programs:dropot", tmp_path)


def test_the_settings_of_a_scenario_are_those_of_its_reference():
    reference = keras_programs.cured_by_early_stopping()
    spec = scenario("cured_by_early_stopping")
    assert reference.epochs == spec.epochs
    assert reference.batch_size == spec.batch_size
    assert len(reference.x) == spec.train_size
    assert len(reference.validation_data[0]) == spec.val_size
    (stopping,) = reference.callbacks
    assert spec.early_stopping is not None
    assert (stopping.monitor, stopping.patience) == ("val_loss", spec.early_stopping.patience)
