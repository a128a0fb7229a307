"""The article's programs setting for setting, and every cause and remedy that it names."""

import dataclasses

import pytest
from rows import each_row

from parity.behaviour.rules import VERDICTS
from parity.errors import InputError
from parity.programs.run_spec import RunSpec
from parity.programs.scenarios import (
    BEHAVIOUR,
    CAUSES,
    PROGRAMS,
    REMEDIES,
    SCENARIOS,
    find,
    scenario,
)

AUGMENTATION = {
    "rotation_range": 10,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 0.1,
    "zoom_range": 0.1,
    "horizontal_flip": True,
}
REDUCE_LR = {
    "monitor": "val_loss",
    "factor": 0.1,
    "patience": 5,
    # Keras's own defaults, which the article does not change.
    "min_delta": 1e-4,
    "cooldown": 0,
    "min_lr": 0.0,
}
# The list of causes, and what of a spec makes each.
MADE_BY = {
    "too_small": {"model": "underfit", "label_noise": 0},
    "slow": {"learning_rate": 1e-6},
    "too_short": {"epochs": 1},
    "little_data": {},  # its size, below
    "noisy_labels": {"model": "underfit", "label_noise": 0.5},
    "sorted_split": {"split": "sorted"},
    "linear": {"model": "linear"},
    "too_strict": {"l2": 1.0},
    "too_large": {"model": "capacity", "label_noise": 0.3},
    "random_labels": {"label_noise": 1.0},
    "leak": {"leakage": 1.0},
}
# Each remedy: what it cures, and the only settings in which it may differ from that run. With more
# images an epoch is longer, and fewer are needed.
CURED_BY = {
    "cured_by_capacity": ("too_small", {"model", "reduce_lr"}),
    "cured_by_data": ("little_data", {"train_size", "epochs"}),
    "cured_by_augmentation": ("too_large", {"augmentation"}),
    "cured_by_dropout": ("too_large", {"model"}),
    "cured_by_weight_decay": ("too_large", {"weight_decay"}),
    "cured_by_l2": ("too_large", {"l2"}),
    "cured_by_early_stopping": ("too_large", {"early_stopping"}),
}


def full(name):
    found = find(name)
    return found.spec.replace(**found.full)


def differences(a, b):
    """The settings in which two specs differ, apart from their names."""
    names = {part.name for part in dataclasses.fields(RunSpec)} - {"scenario"}
    return {name for name in names if getattr(a, name) != getattr(b, name)}


@each_row(
    ("name", "settings"),
    [
        ("underfit", {"model": "underfit", "epochs": 20}),
        ("capacity", {"model": "capacity", "epochs": 50, "reduce_lr": REDUCE_LR}),
        ("augmentation", {"model": "capacity", "epochs": 20, "augmentation": AUGMENTATION}),
        ("dropout", {"model": "dropout", "epochs": 20}),
    ],
)
def test_a_scenario_has_the_settings_of_the_article(name, settings):
    plain = {"batch_size": 32, "learning_rate": 0.001, "augmentation": None, "reduce_lr": None}
    plain |= {"early_stopping": None, "split": "random", "mode": "seeded"}
    plain |= dict.fromkeys(("weight_decay", "l2", "label_noise", "leakage"), 0)
    assert scenario(name) == scenario(name).replace(scenario=name, **{**plain, **settings})


def test_scenarios_are_listed_in_the_order_of_the_article():
    assert list(PROGRAMS) == ["underfit", "capacity", "augmentation", "dropout"]
    assert (list(CAUSES), list(REMEDIES)) == (list(MADE_BY), list(CURED_BY))
    assert list(BEHAVIOUR) == [*CAUSES, *REMEDIES]
    assert list(SCENARIOS) == [*PROGRAMS, *BEHAVIOUR]


@each_row("name", ["", "Dropout", "dropout ", "resnet"], ids=repr)
@each_row("look_up", [find, scenario])
def test_an_unknown_scenario_is_refused_and_the_known_ones_are_listed(look_up, name):
    with pytest.raises(InputError, match=f"unknown scenario {name!r}") as told:
        look_up(name)
    assert ", ".join(SCENARIOS) in str(told.value)


@each_row(("name", "made_by"), MADE_BY.items())
def test_a_cause_spoils_the_fit_by_its_settings_alone_and_is_the_remedy_of_nothing(name, made_by):
    """Whatever else goes wrong with a training is left as it is by default."""
    cause = CAUSES[name]
    for each in (cause.spec, full(name)):
        assert each == each.replace(**made_by)
    others = {"model", "weight_decay", "l2", "augmentation", "reduce_lr", "early_stopping"}
    others |= {"split", "label_noise", "leakage"}
    assert not differences(cause.spec, RunSpec()) & (others - made_by.keys())
    assert cause.expected in set(VERDICTS) - {"good_fit", "undecided"}
    assert cause.cures is None


@each_row(("name", "cures", "changed"), [(name, *row) for name, row in CURED_BY.items()])
def test_a_remedy_differs_from_the_run_that_it_cures_in_its_remedy_only(name, cures, changed):
    """Its effect is that on the same seeds."""
    remedy, cause = REMEDIES[name], CAUSES[cures]
    assert (remedy.cures, remedy.expected) == (cures, "good_fit")
    assert differences(remedy.spec, cause.spec) == changed
    assert differences(full(name), full(cures)) == changed
    assert 2 <= remedy.num_seeds <= cause.num_seeds


def test_remedies_are_those_of_the_article():
    assert (
        REMEDIES["cured_by_augmentation"].spec.augmentation == scenario("augmentation").augmentation
    )
    assert REMEDIES["cured_by_dropout"].spec.model == scenario("dropout").model
    ours, theirs = REMEDIES["cured_by_capacity"].spec, scenario("capacity")
    assert ours.model == theirs.model
    # An example that runs for fewer epochs is less patient; all else is the article's.
    assert dataclasses.replace(ours.reduce_lr, patience=5) == theirs.reduce_lr


@each_row("name", SCENARIOS)
def test_full_size_is_a_run_on_mnist(name):
    """Where few images are the cause, it has no more of them."""
    few = name in ("little_data", "too_short", "random_labels")
    free = {"data", "val_size", "epochs"} | (set() if few else {"train_size"})
    spec = full(name)
    assert spec.data == "mnist"
    assert differences(spec, find(name).spec) <= free


def test_the_table_stays_importable_where_programs_outside_find_it():
    import parity.programs
    import parity.scenarios

    assert parity.scenarios.SCENARIOS is SCENARIOS
    assert parity.programs.scenario is parity.scenarios.scenario
    assert all(hasattr(parity.programs.scenarios, name) for name in parity.scenarios.__all__)
