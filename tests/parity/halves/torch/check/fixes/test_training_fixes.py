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
from parity.halves.torch.check.facts import write_schedule
from parity.halves.torch.check.fixes import training as loss_fixes
from parity.halves.torch.check.fixes.training import as_typed
from parity.halves.torch.check.layers import forced_pass
from parity.halves.torch.check.loss import Loss, write_confident_loss
from parity.halves.torch.check.optimizer import write_optimizer
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
                made[name] = parts[name](made["optimizer"] if name == "scheduler" else module)
        others = {name: value for name, value in parts.items() if name not in made}
        return Port(module, **made, **others)

    return build


def texts(result):
    """What is told; None: nothing was tried. A number: so many were tried, and none helps."""
    if result is None:
        return None
    found, num_tried = result
    return [one.text for one in found] or num_tried


# --- loss ----------------------------------------------------------------------------------------


def written_loss(port):
    writer = TraceWriter(facts=dict(FACTS))
    given = Loss(port, "same")
    write_confident_loss(port, "same", given, writer)
    writer.put("loss/own", forced_pass(port, "train", (), given).loss)
    return writer


def of_keras(name, **config):
    return {"class_name": name, "config": config}


def penalised(name):
    return lambda module: RegularizedLoss(nn.MSELoss(), Penalty(module, {name: L2(0.02)}))


def as_it_is(loss):
    return lambda _: loss


MSE = of_keras("MeanSquaredError", reduction="sum_over_batch_size")
REGULAR = {"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.02}}}
PENALTY = "torch_impl.penalty.RegularizedLoss(loss, Penalty(module, {'0.weight': L2(l2=0.02)}))"
# What is wrong -> the right loss and that of the port, Keras's of the loss and of a layer, texts.
LOSSES = {
    "reduction": (
        as_it_is(losses.MeanSquaredError()),
        as_it_is(nn.MSELoss(reduction="sum")),
        *(MSE, {}, ["loss = nn.MSELoss(..., reduction='mean')  # now 'sum'"]),
    ),
    "another": (
        as_it_is(losses.MeanSquaredError()),
        as_it_is(nn.L1Loss()),
        *(MSE, {}, ["loss = torch_impl.losses.MeanSquaredError()"]),
    ),
    "delta": (
        as_it_is(losses.Huber(delta=0.25)),
        as_it_is(nn.SmoothL1Loss(beta=0.25)),
        *(of_keras("Huber"), {}, ["loss = nn.HuberLoss(delta=0.25)"]),
    ),
    "smoothing": (
        as_it_is(losses.BinaryCrossentropy(label_smoothing=0.25)),
        as_it_is(losses.BinaryCrossentropy()),
        of_keras("BinaryCrossentropy", label_smoothing=0.25),
        {},
        ["loss = torch_impl.losses.BinaryCrossentropy(..., label_smoothing=0.25)  # now 0.0"],
    ),
    "no penalty": (
        penalised("0.weight"),
        as_it_is(nn.MSELoss()),
        *(MSE, REGULAR, [f"loss = {PENALTY}"]),
    ),
    "penalty of another weight": (
        penalised("0.weight"),
        penalised("0.bias"),
        *(MSE, REGULAR, ["{'0.weight': L2(l2=0.02)}"]),
    ),
    "nothing": (as_it_is(losses.MeanSquaredError()), as_it_is(nn.MSELoss()), MSE, {}, None),
    # Keras's loss is one of the user, which is not known here; a mean is tried.
    "what nothing mends": (
        as_it_is(lambda output, y: ((output - y).abs() ** 3).mean()),
        as_it_is(nn.MSELoss(reduction="sum")),
        *({"class_name": "function", "config": "of_the_user"}, {}, 1),
    ),
}


@each_row("wrong", LOSSES)
def test_a_loss_is_changed_until_it_is_keras(wrong, tmp_path):
    right, given, config, layer, expected = LOSSES[wrong]
    recorded = check_pairs.recorded()
    recorded.facts["loss"] = {"name": "", "config": config, "class_weight": None}
    next(n for n in recorded.facts["nodes"] if n["name"] == "dense1")["config"] |= layer
    reference = PortUnderTest(port_of(loss=right), 3, recorded.read(tmp_path / "first"))
    found = written_loss(reference).arrays
    recorded.arrays |= {key: found[key] for key in found if key in recorded.arrays}
    recorded.arrays["loss/value"] = found["loss/own"]
    port = PortUnderTest(port_of(loss=given), 3, recorded.read(tmp_path / "second"))
    before = port.built
    told = texts(loss_fixes.loss_fix(port, "same", written_loss(port)))
    assert port.built is before
    assert told == expected or expected[0] in told[0]


# --- optimizer -----------------------------------------------------------------------------------


def given(kind, *arguments, **keywords):
    return lambda module: kind(module.parameters(), *arguments, **keywords)


def without_biases(module):
    made = optim.SGD(module.parameters(), 0.25, weight_decay=0.125)
    made.exclude_from_weight_decay([module[0].bias, module[3].bias])
    return made


RIGHT = given(optim.Adam, 0.002)
ADAM = ("Adam", {"learning_rate": 0.002, "epsilon": 1e-7, "beta_1": 0.9, "beta_2": 0.999})
OF_RATE = "optimizer = Adam(..., learning_rate=0.002)  # now 0.001"
OF_EPSILON = "optimizer = Adam(..., eps=1e-07)  # now 1e-08"
# What is wrong -> the right optimizer, Keras's, that of the port with other parts of it, texts.
OPTIMIZERS = {
    "epsilon": (RIGHT, ADAM, given(optim.Adam, 0.002, epsilon=1e-8), {}, [OF_EPSILON]),
    "rate": (RIGHT, ADAM, given(optim.Adam), {}, [OF_RATE]),
    "both": (RIGHT, ADAM, given(optim.Adam, 0.001, epsilon=1e-8), {}, [OF_RATE, OF_EPSILON]),
    "formula": (
        *(RIGHT, ADAM, given(torch.optim.Adam, 0.002, eps=1e-7), {}),
        ["optimizer = torch_impl.optim.Adam(module.parameters(), learning_rate=0.002)"],
    ),
    "parameters": (
        *(RIGHT, ADAM, lambda module: optim.Adam(module[0].parameters(), 0.002), {}),
        ["optimizer = Adam(module.parameters(), ...)  # now without 3.weight, 3.bias"],
    ),
    "clipping before the step": (
        given(optim.SGD, 0.25, clipnorm=0.5),
        ("SGD", {"learning_rate": 0.25, "clipnorm": 0.5}),
        given(optim.SGD, 0.25),
        {"before_step": lambda m: nn.utils.clip_grad_norm_(m.parameters(), 0.5)},
        [
            "optimizer = torch_impl.optim.SGD(module.parameters(), learning_rate=0.25, "
            "clipnorm=0.5)  # without clipping before the step"
        ],
    ),
    "decay of biases": (
        without_biases,
        ("SGD", {"learning_rate": 0.25, "weight_decay": 0.125}),
        given(optim.SGD, 0.25, weight_decay=0.125),
        {},
        [
            "\noptimizer.exclude_from_weight_decay("
            "[module.get_parameter('0.bias'), module.get_parameter('3.bias')])"
        ],
    ),
    "nothing": (RIGHT, ADAM, RIGHT, {}, None),
    # Keras's is of a class that is not known here.
    "what nothing mends": (
        *(RIGHT, ("OfTheUser", {"learning_rate": 0.002}), given(optim.SGD, 0.002), {}, 0),
    ),
}


@each_row("wrong", OPTIMIZERS)
def test_an_optimizer_is_changed_until_it_is_keras(wrong, tmp_path):
    right, (name, config), own, more, expected = OPTIMIZERS[wrong]
    recorded = check_pairs.recorded()
    recorded.facts["optimizer"] = {"class": name, "config": config}
    found, writer = TraceWriter(), TraceWriter(facts=dict(FACTS))
    keras = recorded.read(tmp_path / "first")
    write_optimizer(PortUnderTest(port_of(optimizer=right), 3, keras), found)
    recorded.arrays |= {k: v for k, v in found.arrays.items() if k.startswith("optimizer/")}
    keras = recorded.read(tmp_path / "second")
    factory = port_of(optimizer=own, **more)
    write_optimizer(PortUnderTest(factory, 3, keras), writer)
    told = texts(loss_fixes.optimizer_fix(SPEC, factory, PortUnderTest(factory, 3, keras), writer))
    assert told == expected or told[0].endswith(expected[0])


# --- schedule ------------------------------------------------------------------------------------

PLATEAU = {"factor": 0.5, "patience": 3, "min_delta": 1e-4, "cooldown": 0, "min_lr": 0.0}
ON_PLATEAU = {
    "callbacks": [{"class": "ReduceLROnPlateau", "monitor": "val_loss", "mode": "min", **PLATEAU}]
}
STOP = {"class": "EarlyStopping", "monitor": "val_loss", "mode": "min", "patience": 4}
DECAY = {
    "kind": "ExponentialDecay",
    "config": {"initial_learning_rate": 0.25, "decay_steps": 8, "decay_rate": 0.5},
}
OF_DECAY = "ExponentialDecay(initial_learning_rate=0.25, decay_steps=8, decay_rate=0.5)"


def sgd(**more):
    return {"optimizer": given(optim.SGD, 0.25), **more}


def plateau(**keywords):
    settings = {"factor": 0.5, "patience": 2, "threshold": 1e-4, "threshold_mode": "abs"}
    settings |= {"eps": 0.0} | keywords
    return lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)


def stopping(patience):
    return lambda module: schedule.EarlyStopping(module, patience=patience, mode="min")


def decayed(optimizer):
    return schedule.as_lambda_lr(optimizer, schedule.ExponentialDecay(0.25, 8, 0.5))


KERASS = sgd(scheduler=lambda made: schedule.ReduceLROnPlateau(made, **PLATEAU, mode="min"))
BY_STEP = sgd(scheduler=decayed, scheduler_interval="step")
# What is wrong -> the right parts, what Keras tells of them, those of the port, parts of texts.
SCHEDULES = {
    "patience": (
        *(KERASS, ON_PLATEAU, sgd(scheduler=plateau(patience=3))),
        ["scheduler = ReduceLROnPlateau(..., patience=2)  # now 3"],
    ),
    "threshold": (
        *(KERASS, ON_PLATEAU, sgd(scheduler=plateau(threshold_mode="rel"))),
        ["scheduler = ReduceLROnPlateau(..., threshold_mode='abs')  # now 'rel'"],
    ),
    "two": (
        *(KERASS, ON_PLATEAU, sgd(scheduler=plateau(factor=0.25, patience=3))),
        [
            "scheduler = ReduceLROnPlateau(..., patience=2)  # now 3",
            "scheduler = ReduceLROnPlateau(..., factor=0.5)  # now 0.25",
        ],
    ),
    "monitor": (
        *(KERASS, ON_PLATEAU, sgd(scheduler=plateau(), monitor="loss")),
        ["Port(..., monitor='val_loss')  # now 'loss'"],
    ),
    "missing": (
        *(KERASS, ON_PLATEAU, sgd()),
        [
            "scheduler = torch_impl.schedule.ReduceLROnPlateau(optimizer, factor=0.5, "
            "patience=3, mode='min')"
        ],
    ),
    "nothing": (KERASS, ON_PLATEAU, sgd(scheduler=plateau()), None),
    "interval": (
        *(BY_STEP, DECAY, sgd(scheduler=decayed)),
        ["Port(..., scheduler_interval='step')  # now 'epoch'"],
    ),
    "missing of a Keras optimizer": (
        *(BY_STEP, DECAY, sgd()),
        ["optimizer = torch_impl.optim.SGD", OF_DECAY],
    ),
    "missing of torch's": (
        *(BY_STEP, DECAY, {"optimizer": given(torch.optim.SGD, 0.25)}),
        ["sched", OF_DECAY],
    ),
    "early stopping": (
        *(sgd(early_stopping=stopping(4)), {"callbacks": [STOP]}),
        sgd(early_stopping=stopping(5)),
        ["early_stopping = torch_impl.schedule.EarlyStopping(module, patience=4, mode='min')"],
    ),
}


@each_row("wrong", SCHEDULES)
def test_a_schedule_is_changed_until_it_is_keras(wrong, tmp_path):
    right, facts, own, expected = SCHEDULES[wrong]
    right, own = port_of(**right), port_of(**own)
    recorded = check_pairs.recorded()
    recorded.facts["schedule"] = {"kind": None, "callbacks": [], "not_compared": []} | facts
    told = probe_inputs.watched_deltas(recorded.facts["schedule"]["callbacks"])
    epochs = np.zeros(len(probe_inputs.metrics(SPEC.seed, told)["loss"]))  # Keras has all rates
    by_epoch = {"schedule/epochs": epochs, "schedule/stopped": np.zeros(1)}
    recorded.arrays |= {"schedule/steps": np.zeros(1)} if "kind" in facts else by_epoch
    found, writer = TraceWriter(), TraceWriter(facts=dict(FACTS))
    write_schedule(SPEC, right, recorded.read(tmp_path / "first"), found)
    recorded.arrays |= found.arrays
    keras = recorded.read(tmp_path / "second")
    write_schedule(SPEC, own, keras, writer)
    made = texts(loss_fixes.schedule_fix(SPEC, own, PortUnderTest(own, 3, keras), writer))
    if made != expected:
        (made,) = made
        assert made.startswith(expected[0])
        assert expected[1] in made


@each_row("value", [0.05, 0.001, 1e-7, 0.1, 4e-5])
def test_a_number_that_keras_keeps_in_float32_is_printed_as_it_was_typed(value):
    kept = float(np.float32(value))
    assert kept != value
    assert as_typed(kept) == value


@each_row("value", [0.05, 1 / 3, 0.5, 3, True, None, "SGD", float("inf")])
def test_other_values_stay(value):
    assert as_typed(value) == value
