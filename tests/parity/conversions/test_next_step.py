"""A converted optimizer trains what Keras trains; other weights and numbers are told."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from conversions import assert_goes_on, converted, loaded
from rows import each_row
from small_nets import Net
from torch import nn

from torch_impl import Port, optim, schedule

pytestmark = pytest.mark.long

RATE = {"lr": 0.01, "eps": 1e-7}


def models():
    """An LSTM, a frozen layer, a rate that follows a cosine, and a norm without a scale."""
    import keras
    from keras import layers as L

    rate = keras.optimizers.schedules.CosineDecay(0.03, 8)
    sgd = keras.optimizers.SGD(rate, momentum=0.9, clipnorm=0.5)
    norm = L.BatchNormalization(scale=False, name="norm")
    for name, *rows in (
        ("memory", L.LSTM(4, name="lstm"), L.Dense(2, name="end")),
        ("frozen", L.Dense(4, trainable=False), L.Flatten(), L.Dense(2)),
        ("cosine", L.Flatten(), L.Dense(2)),
        ("norm", L.Flatten(), norm, L.Dense(2)),
    ):
        made = keras.Sequential([keras.Input((5, 3)), *rows])
        made.compile(sgd if name == "cosine" else keras.optimizers.Adam(0.01), "mse")
        yield name, made


def samples(seed):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(8, 5, 3)).astype("f4"), draw.normal(size=(8, 2)).astype("f4")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The models as files; each is trained."""
    import keras

    folder = tmp_path_factory.mktemp("next-step")
    keras.utils.set_random_seed(0)
    for name, model in models():
        model.fit(*samples(0), batch_size=4, verbose=0)
        model.save(folder / f"{name}.keras")
    return folder


def port(net, *frozen, trained=None):
    """A port of a net with frozen parameters; `trained` are those of its Adam, all by default."""
    for name in frozen:
        net.get_parameter(name).requires_grad_(False)
    held = [p for n, p in net.named_parameters() if trained is None or n.startswith(trained)]
    return Port(net, optimizer=torch.optim.Adam(held, **RATE))


def memory(*frozen, trained=None):
    """The second bias of an LSTM is trained or not, and given to the optimizer or not."""
    parts = {"lstm": nn.LSTM(3, 4, batch_first=True), "end": nn.Linear(4, 2)}
    net = Net(lambda net, x: net.end(net.lstm(x)[0][:, -1]), **parts)
    return port(net, *frozen, trained=trained)


SECOND = "lstm.bias_hh_l0"
TRAINED = ("lstm.weight", "lstm.bias_ih", "end")


def flat(*frozen):
    dense = {"first": nn.Linear(3, 4), "end": nn.Linear(20, 2)}
    return port(Net(lambda net, x: net.end(net.first(x).flatten(1)), **dense), *frozen)


def normed(*frozen):
    norm = nn.BatchNorm1d(15, eps=1e-3)
    return port(nn.Sequential(nn.Flatten(), norm, nn.Linear(15, 2)), *frozen)


def assert_next_step(factory, folder, path):
    """The optimizer of the port goes on as that of Keras."""
    assert_goes_on(loaded(factory, folder), path, *samples(7), tolerance=1e-5)


@each_row("trained", [None, TRAINED], ids=["all parameters", "those that are trained"])
def test_an_lstm_with_one_trained_bias_goes_on_as_in_keras(trained, files, tmp_path):
    factory = partial(memory, SECOND, trained=trained)
    done = converted(files / "memory.keras", factory, tmp_path, optimizer=True)
    assert done.problems == []
    (note,) = done.optimizer["notes"]  # far below what the numbers show
    assert note.startswith("F2: torch adds epsilon behind the correction")
    # A step moves them by 1e-2; with both biases trained they are 1e-3 and more apart.
    assert_next_step(factory, tmp_path, files / "memory.keras")


# What is converted -> the file, the port, whether its optimizer is, and what is refused.
CASES = {
    "a second bias that is trained too": (
        *("memory", memory, True),
        "lstm.bias_hh_l0: a second bias that is trained, where Keras has one bias, so that a step "
        "moves the sum of the two twice: freeze it with "
        "module.get_parameter('lstm.bias_hh_l0').requires_grad_(False)",
    ),
    "that without its optimizer": ("memory", memory, False, ""),
    "without the last layer": (
        *("memory", partial(memory, SECOND, trained="lstm"), True),
        "does not train end.kernel, end.bias, which Keras trains",
    ),
    "a frozen layer": ("frozen", partial(flat, "first.weight", "first.bias"), True, ""),
    "one that is frozen in Keras": (
        *("frozen", flat, True),
        "which Keras does not train: freeze these parameters",
    ),
    "ones that Keras leaves out": ("norm", partial(normed, "1.weight"), True, ""),
    "ones that are trained": (
        *("norm", normed, True),
        "the Port's optimizer trains 1.weight, which Keras does not have: freeze it with "
        "module.get_parameter('1.weight').requires_grad_(False)",
    ),
}


@each_row("name, factory, optimizer, told", CASES.values(), ids=CASES)
def test_what_only_one_of_the_two_trains_is_named_and_nothing_is_written(
    name, factory, optimizer, told, files, tmp_path
):
    done = converted(files / f"{name}.keras", factory, tmp_path, optimizer=optimizer)
    assert (done.is_written, len(done.problems)) == (not told, bool(told))
    assert done.constants == (["1.weight"] if name == "norm" else [])
    assert told in "".join(done.problems)


def flat_end(kind=optim.SGD, rate=0.5, before_step=None, **settings):
    net = nn.Sequential(nn.Flatten(), nn.Linear(15, 2))
    return Port(net, optimizer=kind(net.parameters(), rate, **settings), before_step=before_step)


def clip(module):
    for parameter in module.parameters():
        nn.utils.clip_grad_norm_([parameter], 0.5)


def scheduled():
    made, rate = memory(SECOND), schedule.CosineDecay(0.03, 8)
    return dataclasses.replace(made, optimizer=optim.Adam(made.module.parameters(), rate))


COSINE = {"momentum": 0.9, "clipnorm": 0.5}
FOLLOWING = partial(flat_end, rate=schedule.CosineDecay(0.03, 8), **COSINE)
# Two of eight steps: 0.03 (1 + cos(pi / 4)) / 2.
NEXT = (
    "Keras's rate follows CosineDecay; the Port has that of the next step, 0.0256066, and nothing "
    "changes it"
)
MOMENTUM = (
    "F5: behind a change of the rate, torch's momentum has the new rate, Keras's the old one; "
    "torch_impl.optim.SGD computes as Keras does"
)
# The file, the port, what is told of its optimizer, and whether the next step is Keras's.
NOTES = {
    "the same schedule": ("cosine", FOLLOWING, [], True),
    "a constant": ("cosine", partial(flat_end, **COSINE), [NEXT], True),
    "torch's": (
        *("cosine", partial(flat_end, torch.optim.SGD, before_step=clip, momentum=0.9)),
        *([NEXT, MOMENTUM], True),
    ),
    "other numbers": (
        *("cosine", partial(flat_end, torch.optim.SGD, momentum=0.8)),
        [
            NEXT,
            "Keras's optimizer has momentum=0.9; the Port's has 0.8",
            "Keras's optimizer has clipnorm=0.5; the Port does not clip gradients",
            MOMENTUM,
        ],
        False,
    ),
    "a schedule of its own": (
        *("memory", scheduled),
        *(["Keras's rate is constant; the Port's follows CosineDecay"], False),
    ),
}


@each_row("name, factory, notes, is_same", NOTES.values(), ids=NOTES)
def test_the_next_step_has_the_rate_of_keras_and_what_is_not_its_is_told(
    name, factory, notes, is_same, files, tmp_path
):
    done = converted(files / f"{name}.keras", factory, tmp_path, optimizer=True)
    assert (done.problems, done.optimizer["notes"]) == ([], notes)
    if is_same:
        assert done.optimizer["rate"] == pytest.approx(0.0256066, rel=1e-5)
        assert_next_step(factory, tmp_path, files / f"{name}.keras")
