"""A setting of an optimizer that is changed has the name that the registry has for it."""

import pytest

from parity.halves.torch.check.changed_settings import changed_settings

CLIPS = dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"))


@pytest.mark.parametrize(
    ("kind", "config", "causes"),
    [
        ("Adam", {"epsilon": 1e-7, "amsgrad": False}, {"epsilon": "F1", "amsgrad": "F14"}),
        ("RMSprop", {"epsilon": 1e-7, "rho": 0.9}, {"epsilon": "F4", "rho": "F4"}),
        ("Adagrad", {"initial_accumulator_value": 0.1}, {"initial_accumulator_value": "F8"}),
        ("SGD", {"name": "sgd", "learning_rate": 0.1, "use_ema": False}, {}),
        ("SGD", {"weight_decay": None}, {"weight_decay": "C11"}),
        ("SGD", {"weight_decay": 0.1}, {"weight_decay": "F9"}),
        ("SGD", {"gradient_accumulation_steps": 3}, {"gradient_accumulation_steps": "E3"}),
        ("SGD", CLIPS, dict.fromkeys(CLIPS, "E8")),
        ("SGD", CLIPS | {"clipnorm": 1.0}, dict.fromkeys(CLIPS, "E8") | {"global_clipnorm": "E1"}),
    ],
)
def test_each_setting_is_a_divergence_of_its_own(kind, config, causes):
    found = [*changed_settings(kind, config)]
    assert {each.name: each.id for each in found} == causes
    for each in found:
        value = each.among[1] if each.among else None
        changed = each.made(value)
        assert changed[each.name] != config[each.name]
        assert {name for name, number in changed.items() if number} <= {each.name}
