"""A RunSpec is whole and valid, or it is an InputError that names the setting."""

import dataclasses
import json
import math

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.run_spec import MODELS, Augmentation, EarlyStopping, ReduceLR, RunSpec
from parity.programs.scenarios import SCENARIOS, scenario

NAN, INF, HUGE = math.nan, math.inf, 10**400

WRONG = [
    *[(name, value) for name in ("epochs", "batch_size", "threads") for value in (0, -1)],
    *[(name, True) for name in ("epochs", "batch_size", "threads", "seed")],
    *[(name, 2.0) for name in ("epochs", "batch_size", "threads", "seed")],
    *[(name, "2") for name in ("epochs", "batch_size", "threads", "seed")],
    *[(name, None) for name in ("epochs", "seed", "learning_rate", "dtype", "device", "data")],
    *[(name, value) for name in ("train_size", "val_size") for value in (0, -5, True, 1.5, "9")],
    *[("learning_rate", value) for value in (0, 0.0, -0.1, NAN, INF, -INF, HUGE, True, "0.1")],
    *[("seed", value) for value in (-1, 2**32, NAN)],
    *[("model", value) for value in ("", "Dropout", "resnet", 3)],
    *[("dtype", value) for value in ("float16", "float", "bfloat16", 32)],
    *[("split", value) for value in ("first", "", 0.2, "Sorted")],
    *[("mode", value) for value in ("", "same", "Seeded", True, None)],
    *[
        (name, value)
        for name in ("weight_decay", "l2", "label_noise", "leakage")
        for value in (-0.1, -1e-300, NAN, INF, -INF, HUGE, True, "0.1", None)
    ],
    *[(name, value) for name in ("label_noise", "leakage") for value in (1.0000001, 2, 100)],
    *[("scenario", value) for value in (3, None, b"dropout")],
    *[
        ("device", value)
        for value in (
            "",
            "gpu",
            "CPU",
            "cpu:0",
            "cuda:",
            "cuda:-1",
            "cuda:x",
            "cuda:01",
            "cuda:1 ",
            "cuda:1\n",
            "cuda:\N{ARABIC-INDIC DIGIT ONE}",
            " cpu",
            0,
        )
    ],
    ("augmentation", "yes"),
    ("augmentation", True),
    ("augmentation", ReduceLR()),
    ("reduce_lr", 0.1),
    ("reduce_lr", [("factor", 0.1)]),
    ("reduce_lr", Augmentation()),
    ("early_stopping", True),
    ("early_stopping", 3),
    ("early_stopping", [("patience", 3)]),
    ("early_stopping", ReduceLR()),
    ("reduce_lr", EarlyStopping()),
]

WRONG_AUGMENTATION = [
    *[(name, v) for name in ("rotation_range", "shear_range") for v in (-0.1, 360.1, NAN, INF)],
    *[
        (name, value)
        for name in ("width_shift_range", "height_shift_range", "zoom_range")
        for value in (-0.1, 1, 1.0, 2, NAN, INF, -INF, True, "0.1", None, [0.9, 1.1])
    ],
    *[("horizontal_flip", value) for value in (0, 1, 0.5, "yes", None)],
]

WRONG_REDUCE_LR = [
    *[("monitor", value) for value in ("val_accuracy", "accuracy", "", None, ["loss"])],
    *[("factor", value) for value in (0, 1, 1.5, -0.1, NAN, INF, "0.1", True, None)],
    *[("patience", value) for value in (0, -1, 2.5, NAN, True, "5", None)],
    *[("cooldown", value) for value in (-1, 0.5, NAN, False, "0")],
    *[("min_delta", value) for value in (-1e-9, NAN, INF, "0", True)],
    *[("min_lr", value) for value in (-1e-9, NAN, INF, HUGE, None)],
]

WRONG_EARLY_STOPPING = [
    *[("monitor", value) for value in ("val_accuracy", "accuracy", "eval_loss", "", None)],
    *[("min_delta", value) for value in (-1e-9, NAN, INF, HUGE, "0", True)],
    *[
        (name, value)
        for name in ("patience", "start_from_epoch")
        for value in (-1, 0.5, 2.0, NAN, False, "0", None)
    ],
    *[("restore_best_weights", value) for value in (0, 1, "yes", None)],
]


def wrong(cases):
    # Ids say the value; the same text twice would only be numbered.
    return pytest.mark.parametrize(
        ("name", "value"), cases, ids=[f"{name}={str(value)[:20]!r}" for name, value in cases]
    )


@wrong(WRONG)
def test_a_value_of_the_wrong_type_or_range_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"^{name}="):
        RunSpec(**{name: value})
    with pytest.raises(InputError, match=f"^{name}="):
        RunSpec().replace(**{name: value})
    with pytest.raises(InputError, match=f"^{name}="):
        RunSpec.from_dict({name: value})


@wrong(WRONG_AUGMENTATION)
def test_a_wrong_augmentation_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"^augmentation\.{name}="):
        Augmentation(**{name: value})
    with pytest.raises(InputError, match=rf"^augmentation\.{name}="):
        RunSpec(augmentation={name: value})


@wrong(WRONG_REDUCE_LR)
def test_a_wrong_rule_for_the_rate_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"^reduce_lr\.{name}="):
        ReduceLR(**{name: value})
    with pytest.raises(InputError, match=rf"^reduce_lr\.{name}="):
        RunSpec(reduce_lr={name: value})


@wrong(WRONG_EARLY_STOPPING)
def test_a_wrong_rule_for_the_end_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=rf"^early_stopping\.{name}="):
        EarlyStopping(**{name: value})
    with pytest.raises(InputError, match=rf"^early_stopping\.{name}="):
        RunSpec(early_stopping={name: value})


@each_row("model", [name for name in MODELS if name != "capacity"])
def test_l2_is_refused_for_a_model_without_regularisers_which_the_message_names(model):
    message = rf"^l2=0\.01: expected 0 for the model '{model}'; L2 works for \('capacity',\)$"
    with pytest.raises(InputError, match=message):
        RunSpec(model=model, l2=0.01)
    with pytest.raises(InputError, match=message):
        RunSpec(model="capacity", l2=0.01).replace(model=model)
    assert RunSpec(model=model, l2=0).l2 == 0


@each_row(
    ("name", "value"),
    [
        ("seed", 0),
        ("seed", 2**32 - 1),
        ("epochs", 1),
        ("batch_size", 1),
        ("threads", 1),
        ("train_size", None),
        ("train_size", 1),
        ("val_size", None),
        ("val_size", 1),
        ("learning_rate", 1),
        ("learning_rate", 5e-324),
        ("device", "cpu"),
        ("device", "cuda"),
        ("device", "cuda:0"),
        ("device", "cuda:13"),
        ("split", "last"),
        ("split", "sorted"),
        ("mode", "independent"),
        ("model", "linear"),
        *[(name, 5e-324) for name in ("weight_decay", "l2", "label_noise", "leakage")],
        *[(name, value) for name in ("label_noise", "leakage") for value in (0, 1, 1.0)],
        ("weight_decay", 0),
        ("weight_decay", 1000),
        ("l2", 1000.0),
        ("dtype", "float64"),
        ("augmentation", None),
        ("augmentation", Augmentation(rotation_range=360, shear_range=360, zoom_range=0.999)),
        ("augmentation", Augmentation()),
        ("reduce_lr", ReduceLR(patience=1, cooldown=0, min_delta=0, min_lr=0)),
        ("reduce_lr", ReduceLR(monitor="loss", factor=0.999)),
        ("early_stopping", EarlyStopping()),
        ("early_stopping", EarlyStopping("loss", 0.5, 7, True, 3)),
        ("early_stopping", None),
    ],
)
def test_a_value_at_its_limit_is_taken_as_it_is(name, value):
    spec = RunSpec().replace(**{name: value})
    assert getattr(spec, name) == value
    assert RunSpec.from_dict(spec.to_dict()) == spec


def test_an_unknown_setting_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(InputError, match="unknown setting 'epoch'") as told:
        RunSpec().replace(epoch=3)
    for known in dataclasses.fields(RunSpec):
        assert known.name in str(told.value)
    with pytest.raises(InputError, match="unknown setting 'lr'"):
        RunSpec.from_dict({"lr": 0.1})


@each_row(
    ("group", "kind", "key"),
    [
        ("augmentation", Augmentation, "brightness_range"),
        ("reduce_lr", ReduceLR, "mode"),
        ("early_stopping", EarlyStopping, "baseline"),
    ],
    ids=["augmentation", "reduce_lr", "early_stopping"],
)
def test_an_unknown_setting_of_a_group_is_refused_and_the_known_ones_are_listed(group, kind, key):
    with pytest.raises(InputError, match=f"unknown setting '{group}.{key}'") as told:
        RunSpec().replace(**{group: {key: 1}})
    for known in dataclasses.fields(kind):
        assert known.name in str(told.value)


@each_row("values", [None, 3, "epochs", ["epochs"], [["epochs", 3]]], ids=repr)
def test_what_is_no_mapping_is_no_spec(values):
    with pytest.raises(InputError, match="expected a mapping"):
        RunSpec.from_dict(values)


def test_keys_that_are_no_strings_are_unknown_settings():
    with pytest.raises(InputError, match="unknown setting '3'"):
        RunSpec.from_dict({3: 4})


def test_early_stopping_may_be_a_mapping_and_survives_json():
    rule = {"monitor": "loss", "patience": 2, "restore_best_weights": True}
    spec = RunSpec(early_stopping=rule, weight_decay=0.1, l2=0.01, mode="independent")
    assert spec.early_stopping == EarlyStopping(
        monitor="loss", min_delta=0.0, patience=2, restore_best_weights=True, start_from_epoch=0
    )
    text = json.dumps(spec.to_dict(), allow_nan=False)
    assert RunSpec.from_dict(json.loads(text)) == spec
    assert json.loads(text)["early_stopping"]["patience"] == 2


@each_row("name", SCENARIOS)
def test_every_scenario_survives_json(name):
    spec = scenario(name).replace(seed=2**32 - 1, device="cuda:1")
    text = json.dumps(spec.to_dict(), allow_nan=False)
    assert RunSpec.from_dict(json.loads(text)) == spec


def test_what_is_missing_takes_its_default():
    assert RunSpec.from_dict({}) == RunSpec()
    assert RunSpec.from_dict({"epochs": 3}) == RunSpec(epochs=3)


def test_a_spec_and_its_groups_are_frozen():
    spec = scenario("capacity").replace(augmentation={"zoom_range": 0.1})
    for owner, name in ((spec, "epochs"), (spec.reduce_lr, "factor"), (spec.augmentation, "x")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(owner, name, 1)


def test_replace_leaves_the_original_and_the_other_settings():
    spec = scenario("augmentation")
    changed = spec.replace(epochs=3, augmentation=None)
    assert (spec.epochs, changed.epochs, changed.augmentation) == (20, 3, None)
    assert spec.augmentation is not None
    assert changed.replace(epochs=20, augmentation=spec.augmentation) == spec
    assert spec.replace() == spec


@each_row(("num_train", "expected"), [(1, 1), (32, 1), (33, 2), (600, 19)])
def test_the_smaller_last_batch_is_a_step_of_an_epoch(num_train, expected):
    assert RunSpec(batch_size=32).steps_per_epoch(num_train) == expected
