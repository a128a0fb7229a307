"""Each family of changes of a loss, an optimizer or a schedule ends the mistake it is for.

What Keras would record is what a right port computes with `torch_impl`, which has tests of its own
against Keras.
"""

import check_factories
import check_pairs
import numpy as np
import torch
from rows import each_row
from torch import nn

from parity.data import probe_inputs
from parity.halves.torch.check.fixes import loss as loss_fixes
from parity.halves.torch.check.fixes import optimizer as optimizer_fixes
from parity.halves.torch.check.fixes import schedule as schedule_fixes
from parity.halves.torch.check.fixes.whole import as_typed
from parity.halves.torch.check.forced import forced_pass
from parity.halves.torch.check.loss import write_confident_loss
from parity.halves.torch.check.optimizer import write_optimizer
from parity.halves.torch.check.port_loss import Loss
from parity.halves.torch.check.schedule import write_schedule
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter
from torch_impl import losses, optim, schedule
from torch_impl.penalty import Penalty, RegularizedLoss
from torch_impl.port import Port
from torch_impl.regularizers import L2

SPEC = CheckSpec(against="net.parity", torch="ports.py:build", seed=3)
FACTS = {
    "given": {
        "load": False,
        "loss": True,
        "optimizer": True,
        "scheduler": True,
        "early_stopping": True,
    },
    "style": [],
    "output_form": "same",
}


def port_of(**parts):
    """Returns a factory of the network of `check_pairs` with parts that its module makes."""

    def build():
        module = check_factories.torch_module()
        made = {}
        for name in ("loss", "optimizer", "scheduler", "early_stopping"):
            if name in parts:
                given = parts[name]
                made[name] = given(made["optimizer"] if name == "scheduler" else module)
        others = {name: value for name, value in parts.items() if name not in made}
        return Port(module, **made, **others)

    return build


def texts(result):
    assert result is not None
    return [one.text for one in result[0]]


# --- loss ----------------------------------------------------------------------------------------


def written_loss(port):
    writer = TraceWriter(facts=dict(FACTS))
    given = Loss(port, "same")
    write_confident_loss(port, "same", given, writer)
    writer.put("loss/own", forced_pass(port, "train", (), given).loss)
    return writer


def tried_loss(folder, right, wrong, config, nodes=None):
    """The fix of a loss where Keras has the right one."""
    recorded = check_pairs.recorded()
    recorded.facts["loss"] = {"name": "", "config": config, "class_weight": None}
    for name, more in (nodes or {}).items():
        node = next(node for node in recorded.facts["nodes"] if node["name"] == name)
        node["config"] = node["config"] | more
    keras = recorded.read(folder / "first")
    reference = PortUnderTest(port_of(loss=right), 3, keras)
    found = written_loss(reference).arrays
    recorded.arrays |= {key: found[key] for key in found if key in recorded.arrays}
    recorded.arrays["loss/value"] = found["loss/own"]
    keras = recorded.read(folder / "second")
    port = PortUnderTest(port_of(loss=wrong), 3, keras)
    before = port.built
    result = loss_fixes.loss_fix(port, "same", written_loss(port))
    assert port.built is before
    return result


def of_keras(name, **config):
    return {"class_name": name, "config": config}


MSE = of_keras("MeanSquaredError", reduction="sum_over_batch_size")
REGULAR = {"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.02}}}


@each_row(
    "right, wrong, config, expected",
    [
        (
            losses.MeanSquaredError(),
            nn.MSELoss(reduction="sum"),
            MSE,
            ["loss = nn.MSELoss(..., reduction='mean')  # now 'sum'"],
        ),
        (
            losses.MeanSquaredError(),
            nn.L1Loss(),
            MSE,
            ["loss = torch_impl.losses.MeanSquaredError()"],
        ),
        (
            losses.Huber(delta=0.25),
            nn.SmoothL1Loss(beta=0.25),
            of_keras("Huber"),
            ["loss = nn.HuberLoss(delta=0.25)"],
        ),
        (
            losses.BinaryCrossentropy(label_smoothing=0.25),
            losses.BinaryCrossentropy(),
            of_keras("BinaryCrossentropy", label_smoothing=0.25),
            ["loss = torch_impl.losses.BinaryCrossentropy(..., label_smoothing=0.25)  # now 0.0"],
        ),
    ],
    ids=["reduction", "another", "delta", "smoothing"],
)
def test_a_loss_is_changed_until_it_is_keras(tmp_path, right, wrong, config, expected):
    result = tried_loss(tmp_path, lambda _: right, lambda _: wrong, config)
    assert texts(result) == expected


def test_a_penalty_is_added_where_keras_has_one(tmp_path):
    def right(module):
        return RegularizedLoss(nn.MSELoss(), Penalty(module, {"0.weight": L2(0.02)}))

    nodes = {"dense1": REGULAR}
    result = tried_loss(tmp_path, right, lambda _: nn.MSELoss(), MSE, nodes)
    assert texts(result) == [
        "loss = torch_impl.penalty.RegularizedLoss(loss, "
        "Penalty(module, {'0.weight': L2(l2=0.02)}))"
    ]


def test_a_penalty_of_another_weight_is_replaced(tmp_path):
    def penalised(name):
        return lambda module: RegularizedLoss(nn.MSELoss(), Penalty(module, {name: L2(0.02)}))

    nodes = {"dense1": REGULAR}
    result = tried_loss(tmp_path, penalised("0.weight"), penalised("0.bias"), MSE, nodes)
    assert "{'0.weight': L2(l2=0.02)}" in texts(result)[0]


def test_a_right_loss_is_not_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(loss_fixes, "first_that_ends", None)  # would raise an error
    right = losses.MeanSquaredError()
    assert tried_loss(tmp_path, lambda _: right, lambda _: nn.MSELoss(), MSE) is None


def test_a_loss_that_nothing_mends_has_no_fix(tmp_path):
    """Keras's loss is one of the user, which is not known here."""
    config = of_keras("function", **{})
    config["config"] = "of_the_user"
    cubed = lambda _: lambda output, y: ((output - y).abs() ** 3).mean()  # noqa: E731
    result = tried_loss(tmp_path, cubed, lambda _: nn.MSELoss(reduction="sum"), config)
    assert result == ((), 1)  # a mean was tried


# --- optimizer -----------------------------------------------------------------------------------


def tried_optimizer(folder, right, wrong, name, config, **more):
    """The fix of an optimizer where Keras has the right one."""
    recorded = check_pairs.recorded()
    recorded.facts["optimizer"] = {"class": name, "config": config}
    keras = recorded.read(folder / "first")
    found = TraceWriter()
    write_optimizer(PortUnderTest(port_of(optimizer=right), 3, keras), found)
    recorded.arrays |= {k: v for k, v in found.arrays.items() if k.startswith("optimizer/")}
    keras = recorded.read(folder / "second")
    factory = port_of(optimizer=wrong, **more)
    writer = TraceWriter(facts=dict(FACTS))
    write_optimizer(PortUnderTest(factory, 3, keras), writer)
    port = PortUnderTest(factory, 3, keras)
    return optimizer_fixes.optimizer_fix(SPEC, factory, port, writer)


def given(kind, *arguments, **keywords):
    return lambda module: kind(module.parameters(), *arguments, **keywords)


ADAM = {"learning_rate": 0.002, "epsilon": 1e-7, "beta_1": 0.9, "beta_2": 0.999}


@each_row(
    "wrong, expected",
    [
        (
            given(optim.Adam, 0.002, epsilon=1e-8),
            ["optimizer = Adam(..., eps=1e-07)  # now 1e-08"],
        ),
        (given(optim.Adam), ["optimizer = Adam(..., learning_rate=0.002)  # now 0.001"]),
        (
            given(optim.Adam, 0.001, epsilon=1e-8),
            [
                "optimizer = Adam(..., learning_rate=0.002)  # now 0.001",
                "optimizer = Adam(..., eps=1e-07)  # now 1e-08",
            ],
        ),
        (
            given(torch.optim.Adam, 0.002, eps=1e-7),
            ["optimizer = torch_impl.optim.Adam(module.parameters(), learning_rate=0.002)"],
        ),
        (
            lambda module: optim.Adam(module[0].parameters(), 0.002),
            ["optimizer = Adam(module.parameters(), ...)  # now without 3.weight, 3.bias"],
        ),
    ],
    ids=["epsilon", "rate", "both", "formula", "parameters"],
)
def test_an_optimizer_is_changed_until_it_is_keras(tmp_path, wrong, expected):
    right = given(optim.Adam, 0.002)
    assert texts(tried_optimizer(tmp_path, right, wrong, "Adam", ADAM)) == expected


def test_clipping_moves_into_keras_optimizer(tmp_path):
    right = given(optim.SGD, 0.25, clipnorm=0.5)
    config = {"learning_rate": 0.25, "clipnorm": 0.5}

    def clipped(module):
        return nn.utils.clip_grad_norm_(module.parameters(), 0.5)

    wrong = given(optim.SGD, 0.25)
    result = tried_optimizer(tmp_path, right, wrong, "SGD", config, before_step=clipped)
    assert texts(result) == [
        "optimizer = torch_impl.optim.SGD(module.parameters(), learning_rate=0.25, clipnorm=0.5)  "
        "# without clipping before the step"
    ]


def test_decay_that_leaves_biases_out_is_found(tmp_path):
    def right(module):
        made = optim.SGD(module.parameters(), 0.25, weight_decay=0.125)
        made.exclude_from_weight_decay([module[0].bias, module[3].bias])
        return made

    wrong = given(optim.SGD, 0.25, weight_decay=0.125)
    config = {"learning_rate": 0.25, "weight_decay": 0.125}
    (text,) = texts(tried_optimizer(tmp_path, right, wrong, "SGD", config))
    assert text.endswith(
        "\noptimizer.exclude_from_weight_decay("
        "[module.get_parameter('0.bias'), module.get_parameter('3.bias')])"
    )


def test_a_right_optimizer_is_not_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(optimizer_fixes, "first_that_ends", None)  # would raise an error
    right = given(optim.Adam, 0.002)
    assert tried_optimizer(tmp_path, right, right, "Adam", ADAM) is None


def test_an_optimizer_that_nothing_mends_has_no_fix(tmp_path):
    """Keras's is of a class that is not known here."""
    right, wrong = given(optim.Adam, 0.002), given(optim.SGD, 0.002)
    result = tried_optimizer(tmp_path, right, wrong, "OfTheUser", {"learning_rate": 0.002})
    assert result == ((), 0)


# --- schedule ------------------------------------------------------------------------------------


def tried_schedule(folder, right, wrong, facts):
    """The fix of a schedule where Keras has the right one."""
    recorded = check_pairs.recorded()
    recorded.facts["schedule"] = {"kind": None, "callbacks": [], "not_compared": []} | facts
    is_by_step = recorded.facts["schedule"]["kind"] is not None
    told = probe_inputs.told_apart(recorded.facts["schedule"]["callbacks"])
    epochs = np.zeros(len(probe_inputs.metrics(SPEC.seed, told)["loss"]))  # Keras has all rates
    by_epoch = {"schedule/epochs": epochs, "schedule/stopped": np.zeros(1)}
    recorded.arrays |= {"schedule/steps": np.zeros(1)} if is_by_step else by_epoch
    keras = recorded.read(folder / "first")
    found, writer = TraceWriter(), TraceWriter(facts=dict(FACTS))
    write_schedule(SPEC, right, keras, found)
    recorded.arrays |= found.arrays
    keras = recorded.read(folder / "second")
    write_schedule(SPEC, wrong, keras, writer)
    return schedule_fixes.schedule_fix(SPEC, wrong, PortUnderTest(wrong, 3, keras), writer)


PLATEAU = {"factor": 0.5, "patience": 3, "min_delta": 1e-4, "cooldown": 0, "min_lr": 0.0}
ON_PLATEAU = {
    "callbacks": [{"class": "ReduceLROnPlateau", "monitor": "val_loss", "mode": "min", **PLATEAU}]
}


def sgd(**more):
    return {"optimizer": given(optim.SGD, 0.25), **more}


def plateau(**keywords):
    def scheduler(optimizer):
        settings = {"factor": 0.5, "patience": 2, "threshold": 1e-4, "threshold_mode": "abs"}
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, **settings | {"eps": 0.0} | keywords
        )

    return scheduler


def of_keras_plateau(optimizer):
    return schedule.ReduceLROnPlateau(optimizer, **PLATEAU, mode="min")


@each_row(
    "wrong, expected",
    [
        (
            sgd(scheduler=plateau(patience=3)),
            ["scheduler = ReduceLROnPlateau(..., patience=2)  # now 3"],
        ),
        (
            sgd(scheduler=plateau(threshold_mode="rel")),
            ["scheduler = ReduceLROnPlateau(..., threshold_mode='abs')  # now 'rel'"],
        ),
        (
            sgd(scheduler=plateau(factor=0.25, patience=3)),
            [
                "scheduler = ReduceLROnPlateau(..., patience=2)  # now 3",
                "scheduler = ReduceLROnPlateau(..., factor=0.5)  # now 0.25",
            ],
        ),
        (
            sgd(scheduler=plateau(), monitor="loss"),
            ["Port(..., monitor='val_loss')  # now 'loss'"],
        ),
        (
            sgd(),
            [
                "scheduler = torch_impl.schedule.ReduceLROnPlateau(optimizer, factor=0.5, "
                "patience=3, mode='min')"
            ],
        ),
    ],
    ids=["patience", "threshold", "two", "monitor", "missing"],
)
def test_a_plateau_is_changed_until_it_is_keras(tmp_path, wrong, expected):
    right = port_of(**sgd(scheduler=of_keras_plateau))
    result = tried_schedule(tmp_path, right, port_of(**wrong), ON_PLATEAU)
    assert texts(result) == expected


DECAY = {
    "kind": "ExponentialDecay",
    "config": {"initial_learning_rate": 0.25, "decay_steps": 8, "decay_rate": 0.5},
}


def decayed(optimizer):
    rates = schedule.ExponentialDecay(0.25, 8, 0.5)
    return schedule.as_lambda_lr(optimizer, rates)


def test_an_interval_is_changed(tmp_path):
    right = port_of(**sgd(scheduler=decayed, scheduler_interval="step"))
    wrong = port_of(**sgd(scheduler=decayed))
    result = tried_schedule(tmp_path, right, wrong, DECAY)
    assert texts(result) == ["Port(..., scheduler_interval='step')  # now 'epoch'"]


@each_row(
    "kind, start", [(optim.SGD, "optimizer = torch_impl.optim.SGD"), (torch.optim.SGD, "sched")]
)
def test_a_missing_schedule_is_that_of_keras(tmp_path, kind, start):
    right = port_of(**sgd(scheduler=decayed, scheduler_interval="step"))
    wrong = port_of(optimizer=given(kind, 0.25))
    (text,) = texts(tried_schedule(tmp_path, right, wrong, DECAY))
    assert text.startswith(start)
    assert "ExponentialDecay(initial_learning_rate=0.25, decay_steps=8, decay_rate=0.5)" in text


def test_early_stopping_is_that_of_keras(tmp_path):
    facts = {"class": "EarlyStopping", "monitor": "val_loss", "mode": "min", "patience": 4}

    def stopping(patience):
        return lambda module: schedule.EarlyStopping(module, patience=patience, mode="min")

    right = port_of(**sgd(early_stopping=stopping(4)))
    wrong = port_of(**sgd(early_stopping=stopping(5)))
    result = tried_schedule(tmp_path, right, wrong, {"callbacks": [facts]})
    assert texts(result) == [
        "early_stopping = torch_impl.schedule.EarlyStopping(module, patience=4, mode='min')"
    ]


def test_a_right_schedule_is_not_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(schedule_fixes, "first_that_ends", None)  # would raise an error
    right = port_of(**sgd(scheduler=of_keras_plateau))
    wrong = port_of(**sgd(scheduler=plateau()))
    assert tried_schedule(tmp_path, right, wrong, ON_PLATEAU) is None


@each_row("value", [0.05, 0.001, 1e-7, 0.1, 4e-5])
def test_a_number_that_keras_keeps_in_float32_is_printed_as_it_was_typed(value):
    kept = float(np.float32(value))
    assert kept != value
    assert as_typed(kept) == value


@each_row("value", [0.05, 1 / 3, 0.5, 3, True, None, "SGD", float("inf")])
def test_other_values_stay(value):
    assert as_typed(value) == value
