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


@each_row(
    ("group", "kind", "name", "value"),
    [
        *[("", RunSpec, *row) for row in WRONG],
        *[("augmentation", Augmentation, *row) for row in WRONG_AUGMENTATION],
        *[("reduce_lr", ReduceLR, *row) for row in WRONG_REDUCE_LR],
        *[("early_stopping", EarlyStopping, *row) for row in WRONG_EARLY_STOPPING],
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused_by_name(group, kind, name, value):
    given = {name: value}
    of_run = {group: given} if group else given
    for make, values in ((kind, given), (RunSpec, of_run), (RunSpec().replace, of_run)):
        with pytest.raises(InputError, match=rf"^{group and group + '.'}{name}="):
            make(**values)
    with pytest.raises(InputError, match=rf"^{group and group + '.'}{name}="):
        RunSpec.from_dict(of_run)


@each_row("model", [name for name in MODELS if name != "capacity"])
def test_l2_is_refused_for_a_model_without_regularisers_which_the_message_names(model):
    message = rf"^l2=0\.01: expected 0 for the model '{model}'; L2 works for \('capacity',\)$"
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


@each_row(
    ("kind", "values", "message"),
    [
        (RunSpec, {"epoch": 3}, "unknown setting 'epoch'"),
        (RunSpec, {3: 4}, "unknown setting '3'"),
        (
            Augmentation,
            {"augmentation": {"brightness_range": 1}},
            "'augmentation.brightness_range'",
        ),
        (ReduceLR, {"reduce_lr": {"mode": 1}}, "unknown setting 'reduce_lr.mode'"),
        (EarlyStopping, {"early_stopping": {"baseline": 1}}, "setting 'early_stopping.baseline'"),
        *(
            (None, v, "expected a mapping")
            for v in (None, 3, "epochs", ["epochs"], [["epochs", 3]])
        ),
    ],
)
def test_an_unknown_setting_is_refused_and_the_known_ones_are_listed(kind, values, message):
    with pytest.raises(InputError, match=message) as told:
        RunSpec.from_dict(values)
    for known in dataclasses.fields(kind) if kind else ():
        assert known.name in str(told.value)


RULE = {"monitor": "loss", "patience": 2, "restore_best_weights": True}


@each_row(
    "spec",
    [
        *(scenario(name).replace(seed=2**32 - 1, device="cuda:1") for name in SCENARIOS),
        RunSpec(early_stopping=RULE, weight_decay=0.1, l2=0.01, mode="independent"),
    ],
)
def test_a_spec_survives_json(spec):
    values = json.loads(json.dumps(spec.to_dict(), allow_nan=False))
    assert RunSpec.from_dict(values) == spec


def test_a_rule_may_be_a_mapping_and_what_is_missing_takes_its_default():
    assert RunSpec(early_stopping=RULE).early_stopping == EarlyStopping("loss", 0.0, 2, True, 0)
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
    assert changed.replace(epochs=20, augmentation=spec.augmentation) == spec


@each_row(("num_train", "expected"), [(1, 1), (32, 1), (33, 2), (600, 19)])
def test_the_smaller_last_batch_is_a_step_of_an_epoch(num_train, expected):
    assert RunSpec(batch_size=32).steps_per_epoch(num_train) == expected
