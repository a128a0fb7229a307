"""Settings of optimizers, losses and schedules of both halves, told where they differ."""

from types import SimpleNamespace

import keras
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from keras_impl.reference import Reference
from parity.divergences.evidence import settings_differ
from parity.divergences.layer_settings import (
    loss_rows,
    optimizer_rows,
    schedule_rows,
)
from parity.halves.keras.check.facts import _callback_facts, loss_facts, plain_nested
from parity.halves.torch.check.facts import _object_facts, optimizer_facts
from torch_impl import optim as ported
from torch_impl import schedule as ported_schedule

O, T = keras.optimizers, torch.optim  # noqa: E741
S = keras.optimizers.schedules


def parameters():
    return [nn.Parameter(torch.zeros(2))]


def different(rows):
    return {name: (theirs, ours) for name, theirs, ours, _ in rows if settings_differ(theirs, ours)}


def of_optimizers(theirs, ours, clips=False, callbacks=()):
    facts = {
        "optimizer": {
            "class": type(theirs).__name__,
            "config": plain_nested(theirs.get_config()),
        },
        "schedule": {"callbacks": list(callbacks)},
    }
    return different(optimizer_rows(facts, {"optimizer": optimizer_facts(ours), "clips": clips}))


class Mine(T.Adam):
    """A subclass: its numbers mean what torch's mean."""


class Unknown(T.Optimizer):
    def __init__(self, params):
        super().__init__(params, {"lr": 5.0, "momentum": 3.0})


OPTIMIZERS_EQUAL = {
    "sgd": lambda p: (O.SGD(0.1, momentum=0.9, nesterov=True), T.SGD(p, 0.1, 0.9, nesterov=True)),
    "adam": lambda p: (O.Adam(1e-3), T.Adam(p, 1e-3, eps=1e-7)),
    "float32_rate": lambda p: (O.Adam(3e-4), T.Adam(p, 3e-4, eps=1e-7)),
    "subclass": lambda p: (O.Adam(1e-3), Mine(p, 1e-3, eps=1e-7)),
    "nadam": lambda p: (O.Nadam(1e-3), T.NAdam(p, 1e-3, eps=1e-7)),
    "rmsprop": lambda p: (O.RMSprop(1e-3, rho=0.9), T.RMSprop(p, 1e-3, alpha=0.9, eps=1e-7)),
    "adamw": lambda p: (
        O.AdamW(1e-3, weight_decay=0.01),
        T.AdamW(p, 1e-3, eps=1e-7, weight_decay=0.01),
    ),
    "decoupled_adam": lambda p: (
        O.Adam(1e-3, weight_decay=0.01),
        T.AdamW(p, 1e-3, eps=1e-7, weight_decay=0.01),
    ),
    "of_this_package": lambda p: (O.Adam(1e-3, clipnorm=1.0), ported.Adam(p, 1e-3, clipnorm=1.0)),
    "groups": lambda p: (
        O.AdamW(1e-3, weight_decay=0.01),
        T.AdamW(
            [{"params": p, "weight_decay": 0.0}, {"params": parameters(), "weight_decay": 0.01}],
            1e-3,
            eps=1e-7,
        ),
    ),
    "class_of_the_user": lambda p: (O.SGD(0.1), Unknown(p)),
}


@pytest.mark.parametrize("case", OPTIMIZERS_EQUAL)
def test_equal_optimizers_are_not_told(case):
    assert of_optimizers(*OPTIMIZERS_EQUAL[case](parameters())) == {}


OPTIMIZERS = {
    "rate": (
        lambda p: (O.Adam(1e-3), T.Adam(p, 0.01, eps=1e-7)),
        {"learning_rate": (pytest.approx(1e-3), 0.01)},
    ),
    "epsilon": (lambda p: (O.Adam(1e-3), T.Adam(p, 1e-3)), {"epsilon": (1e-7, 1e-8)}),
    "betas": (
        lambda p: (O.Adam(1e-3, beta_1=0.5), T.Adam(p, 1e-3, (0.9, 0.99), eps=1e-7)),
        {"beta_1": (0.5, 0.9), "beta_2": (0.999, 0.99)},
    ),
    "amsgrad": (
        lambda p: (O.Adam(1e-3, amsgrad=True), T.Adam(p, 1e-3, eps=1e-7)),
        {"amsgrad": (True, False)},
    ),
    "momentum": (
        lambda p: (O.SGD(0.1, momentum=0.9, nesterov=True), T.SGD(p, 0.1, momentum=0.8)),
        {"momentum": (0.9, 0.8), "nesterov": (True, False)},
    ),
    "rho": (
        lambda p: (O.RMSprop(1e-3), T.RMSprop(p, 1e-3, eps=1e-7)),
        {"rho": (0.9, 0.99)},
    ),
    "centered": (
        lambda p: (O.RMSprop(1e-3, centered=True), T.RMSprop(p, 1e-3, 0.9, 1e-7)),
        {"centered": (True, False)},
    ),
    "accumulator": (
        lambda p: (O.Adagrad(0.1, epsilon=1e-10), T.Adagrad(p, 0.1)),
        {"initial_accumulator_value": (0.1, 0)},
    ),
    "decay": (
        lambda p: (O.AdamW(1e-3), T.AdamW(p, 1e-3, eps=1e-7)),
        {"weight_decay": (0.004, 0.01)},
    ),
    "decay_missing": (
        lambda p: (O.SGD(0.1, weight_decay=0.01), T.SGD(p, 0.1)),
        {"weight_decay": (0.01, 0)},
    ),
    "decay_coupled": (
        lambda p: (O.SGD(0.1, weight_decay=0.01), T.SGD(p, 0.1, weight_decay=0.01)),
        {"weight_decay": ("0.01, decoupled", "0.01, coupled")},
    ),
    "class": (
        lambda p: (O.Adam(1e-3), T.SGD(p, 1e-3)),
        {"optimizer": ("Adam", "SGD")},
    ),
    "adamw_for_adam": (
        lambda p: (O.Adam(1e-3), T.AdamW(p, 1e-3)),
        {"optimizer": ("Adam", "AdamW")},
    ),
    "clip": (
        lambda p: (O.SGD(0.1, clipnorm=1.0), T.SGD(p, 0.1)),
        {"clipnorm": (1.0, "none")},
    ),
}


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_other_optimizers_are_told(case):
    pair, expected = OPTIMIZERS[case]
    assert of_optimizers(*pair(parameters())) == expected


def test_what_may_be_done_elsewhere_is_not_told():
    p = parameters()
    assert of_optimizers(O.SGD(0.1, clipnorm=1.0), T.SGD(p, 0.1), clips=True) == {}
    callback = {"class": "LearningRateScheduler"}  # it sets the rate before the first step
    assert of_optimizers(O.SGD(0.1), T.SGD(p, 0.5), callbacks=[callback]) == {}


# --- losses --------------------------------------------------------------------------------------


def of_losses(theirs, ours, activation=None, last=""):
    model = SimpleNamespace(loss=theirs)
    facts = {"loss": loss_facts(Reference(model)), "output_activation": activation}
    return different(loss_rows(facts, {"loss": _object_facts(ours), "nodes": [{"kind": last}]}))


L = keras.losses
LOSSES_EQUAL = {
    "word": ("mse", nn.MSELoss()),
    "object": (L.MeanSquaredError(), nn.MSELoss()),
    "huber": (L.Huber(delta=0.5), nn.HuberLoss(delta=0.5)),
    "huber_word": ("huber", nn.SmoothL1Loss()),
    "crossentropy": (
        L.CategoricalCrossentropy(label_smoothing=0.1),
        nn.CrossEntropyLoss(label_smoothing=0.1),
        "softmax",
        "dense",
    ),
    "log": ("sparse_categorical_crossentropy", nn.NLLLoss(), "softmax", "activation:log_softmax"),
    "logits": (L.BinaryCrossentropy(from_logits=True), nn.BCEWithLogitsLoss()),
    "function": ("mse", nn.functional.l1_loss),  # a function may be called with anything
}


@pytest.mark.parametrize("case", LOSSES_EQUAL)
def test_equal_losses_are_not_told(case):
    assert of_losses(*LOSSES_EQUAL[case]) == {}


LOSSES = {
    "class": (("mae", nn.MSELoss()), {"loss": ("mean_absolute_error", "MSELoss")}),
    "reduction": (("mse", nn.MSELoss(reduction="sum")), {"reduction": ("mean", "sum")}),
    "delta": ((L.Huber(delta=2.0), nn.HuberLoss()), {"delta": (2.0, 1.0)}),
    "beta": (
        (L.Huber(delta=0.5), nn.SmoothL1Loss(beta=0.5)),
        {"loss": ("huber_loss", "SmoothL1Loss, which is divided by beta")},
    ),
    "smoothing": (
        (L.CategoricalCrossentropy(label_smoothing=0.1), nn.CrossEntropyLoss()),
        {"label_smoothing": (0.1, 0.0)},
    ),
    "smoothing_of_the_port": (
        ("sparse_categorical_crossentropy", nn.CrossEntropyLoss(label_smoothing=0.1)),
        {"label_smoothing": (0.0, 0.1)},
    ),
    "smoothing_binary": (
        (L.BinaryCrossentropy(label_smoothing=0.2), nn.BCELoss()),
        {"label_smoothing": (0.2, "none")},
    ),
    "twice": (
        (
            "sparse_categorical_crossentropy",
            nn.CrossEntropyLoss(),
            "softmax",
            "activation:softmax",
        ),
        {"from_logits": (False, True)},
    ),
}


@pytest.mark.parametrize("case", LOSSES)
def test_other_losses_are_told(case):
    given, expected = LOSSES[case]
    assert of_losses(*given) == expected


# --- schedules -----------------------------------------------------------------------------------


def of_schedules(theirs, make, interval="step", steps=100, **given):
    optimizer = T.SGD(parameters(), 0.1)
    ours = make(optimizer) if make else None
    facts = {"kind": None, "callbacks": []}
    if isinstance(theirs, S.LearningRateSchedule):
        facts |= {"kind": type(theirs).__name__, "config": theirs.get_config()}
    else:
        facts["callbacks"] = [_callback_facts(theirs)]
    port = {
        "optimizer": {"schedule": False, **given},
        "clips": given.get("clips", False),
        "schedulers": [] if ours is None else [_object_facts(ours)],
        "scheduler_interval": interval,
        "steps_per_epoch": steps,
        "early_stopping": given.get("early_stopping"),
    }
    return different(row for _, row in schedule_rows({"schedule": facts}, port))


PLATEAU = keras.callbacks.ReduceLROnPlateau


def plateau(**changes):
    given = {"patience": 2, "threshold": 1e-4, "threshold_mode": "abs", **changes}
    return lambda o: lr_scheduler.ReduceLROnPlateau(o, **given)


SCHEDULES_EQUAL = {
    "plateau": (PLATEAU(patience=3), plateau()),
    "cooldown": (PLATEAU(patience=3, cooldown=2), plateau(cooldown=1)),
    "cooldown_of_one": (PLATEAU(patience=3, cooldown=1), plateau()),
    "best": (PLATEAU("val_accuracy", patience=3), plateau(mode="max")),
    "exponential": (
        S.ExponentialDecay(0.1, 10, 0.9),
        lambda o: lr_scheduler.ExponentialLR(o, 0.9 ** (1 / 10)),
    ),
    "stairs": (
        S.ExponentialDecay(0.1, 200, 0.9, staircase=True),
        lambda o: lr_scheduler.StepLR(o, 2, 0.9),
        "epoch",
    ),
    "stairs_of_an_epoch": (
        S.ExponentialDecay(0.1, 100, 0.9, staircase=True),
        lambda o: lr_scheduler.ExponentialLR(o, 0.9),
        "epoch",
    ),
    "cosine": (
        S.CosineDecay(0.1, 500, alpha=0.1),
        lambda o: lr_scheduler.CosineAnnealingLR(o, 500, 0.01),
    ),
    "cosine_after_a_warmup": (
        S.CosineDecay(0.01, 500, alpha=0.1, warmup_target=0.1, warmup_steps=5),
        lambda o: lr_scheduler.CosineAnnealingLR(o, 500, 0.01),
    ),
    "lambda": (S.CosineDecay(0.1, 500), lambda o: lr_scheduler.LambdaLR(o, lambda n: 1.0)),
}


@pytest.mark.parametrize("case", SCHEDULES_EQUAL)
def test_equal_schedules_are_not_told(case):
    assert of_schedules(*SCHEDULES_EQUAL[case]) == {}


SCHEDULES = {
    "patience": ((PLATEAU(patience=3), plateau(patience=3)), {"patience": (3, 4)}),
    "factor": ((PLATEAU(factor=0.5, patience=3), plateau()), {"factor": (0.5, 0.1)}),
    "min_delta": (
        (PLATEAU(patience=3, min_delta=0.01), plateau(threshold=0.02)),
        {"min_delta": (0.01, 0.02)},
    ),
    "relative": (
        (PLATEAU(patience=3), plateau(threshold_mode="rel")),
        {"min_delta": ("0.0001", "0.0001, relative")},
    ),
    "cooldown": ((PLATEAU(patience=3, cooldown=2), plateau(cooldown=2)), {"cooldown": (2, 3)}),
    "min_lr": ((PLATEAU(patience=3, min_lr=1e-3), plateau()), {"min_lr": (1e-3, 0)}),
    "mode": ((PLATEAU("val_accuracy", patience=3), plateau()), {"mode": ("max", "min")}),
    "missing": ((PLATEAU(), None), {"schedule": ("ReduceLROnPlateau", "none")}),
    "missing_schedule": (
        (S.CosineDecay(0.1, 500), None),
        {"schedule": ("CosineDecay", "none")},
    ),
    "staircase": (
        (S.ExponentialDecay(0.1, 10, 0.5), lambda o: lr_scheduler.StepLR(o, 10, 0.5)),
        {"staircase": (False, True)},
    ),
    "length": (
        (
            S.ExponentialDecay(0.1, 10, 0.5, staircase=True),
            lambda o: lr_scheduler.StepLR(o, 20, 0.1),
        ),
        {"decay_steps": (10, 20), "decay_rate": (0.5, 0.1)},
    ),
    "cosine": (
        (S.CosineDecay(0.1, 500), lambda o: lr_scheduler.CosineAnnealingLR(o, 400, 0.01)),
        {"decay_steps": (500, 400), "lowest rate": (0.0, 0.01)},
    ),
    "form": (
        (S.CosineDecay(0.1, 500), lambda o: lr_scheduler.StepLR(o, 10)),
        {"schedule": ("CosineDecay", "StepLR")},
    ),
}


@pytest.mark.parametrize("case", SCHEDULES)
def test_other_schedules_are_told(case):
    given, expected = SCHEDULES[case]
    assert of_schedules(*given) == expected


def test_a_rate_may_be_set_in_the_optimizer_or_before_its_step():
    assert of_schedules(S.CosineDecay(0.1, 500), None, schedule=True) == {}
    assert of_schedules(S.CosineDecay(0.1, 500), None, clips=True) == {}


def test_early_stopping_of_this_package_has_keras_settings():
    theirs = keras.callbacks.EarlyStopping(patience=3)
    own = ported_schedule.EarlyStopping(nn.Linear(1, 1), patience=2)
    given = {"early_stopping": _object_facts(own)}
    assert of_schedules(theirs, None, **given) == {"patience": (3, 2)}
