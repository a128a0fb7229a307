"""A converted optimizer trains what Keras trains; other weights and numbers are told."""

import numpy as np
import pytest
import torch
from conversions import converted, default_dtype
from rows import each_row
from safetensors.torch import load_file
from small_nets import Net
from torch import nn

from parity.weights.copied import OPTIMIZER, STATE
from torch_impl import Port, optim, schedule

pytestmark = pytest.mark.long

RATE = {"lr": 0.01, "eps": 1e-7}


def models():
    """An LSTM, a frozen layer, a rate that follows a cosine, and a norm without a scale."""
    import keras
    from keras import layers as L

    def net(*layers, optimizer=None):
        made = keras.Sequential([keras.Input((5, 3)), *layers])
        made.compile(optimizer or keras.optimizers.Adam(0.01), "mse")
        return made

    rate = keras.optimizers.schedules.CosineDecay(0.03, 8)
    sgd = keras.optimizers.SGD(rate, momentum=0.9, clipnorm=0.5)
    norm = L.BatchNormalization(scale=False, name="norm")
    return {
        "memory": net(L.LSTM(4, name="lstm"), L.Dense(2, name="end")),
        "frozen": net(L.Dense(4, trainable=False), L.Flatten(), L.Dense(2)),
        "cosine": net(L.Flatten(), L.Dense(2), optimizer=sgd),
        "norm": net(L.Flatten(), norm, L.Dense(2)),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The models as files; each is trained."""
    import keras

    folder = tmp_path_factory.mktemp("next-step")
    draw = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    for name, model in models().items():
        x, y = draw.normal(size=(8, 5, 3)), draw.normal(size=(8, 2))
        model.fit(x, y, batch_size=4, verbose=0)
        model.save(folder / f"{name}.keras")
    return folder


def port(net, *, frozen=(), trained=None, **parts):
    """A port of a net with frozen parameters; `trained` are those of its Adam, all by default."""
    for name in frozen:
        net.get_parameter(name).requires_grad_(False)
    held = [p for n, p in net.named_parameters() if trained is None or n.startswith(trained)]
    return Port(net, **{"optimizer": torch.optim.Adam(held, **RATE), **parts})


def lstm():
    return Net(
        lambda net, x: net.end(net.lstm(x)[0][:, -1]),
        lstm=nn.LSTM(3, 4, batch_first=True),
        end=nn.Linear(4, 2),
    )


def memory(second="frozen", trained=None):
    """The second bias of an LSTM is trained or not, and given to the optimizer or not."""
    frozen = ["lstm.bias_hh_l0"] if second == "frozen" else []
    return lambda: port(lstm(), frozen=frozen, trained=trained)


TRAINED = ("lstm.weight", "lstm.bias_ih", "end")


def flat(*frozen):
    def build():
        dense = {"first": nn.Linear(3, 4), "end": nn.Linear(20, 2)}
        return port(Net(lambda net, x: net.end(net.first(x).flatten(1)), **dense), frozen=frozen)

    return build


def normed(*frozen):
    def build():
        norm = nn.BatchNorm1d(15, eps=1e-3)
        return port(nn.Sequential(nn.Flatten(), norm, nn.Linear(15, 2)), frozen=frozen)

    return build


def in_float32(factory, folder):
    with default_dtype():
        torch.set_default_dtype(torch.float32)
        port = factory()
    port.module.load_state_dict(load_file(folder / "torch" / STATE))
    port.optimizer.load_state_dict(torch.load(folder / "torch" / OPTIMIZER, weights_only=True))
    return port


def outputs_after_a_step(port, path):
    """What the port and Keras predict after one more step of each."""
    import keras

    draw = np.random.default_rng(7)
    x = draw.normal(size=(8, 5, 3)).astype("float32")
    y = draw.normal(size=(8, 2)).astype("float32")
    (port.module(torch.from_numpy(x)) - torch.from_numpy(y)).square().mean().backward()
    if port.before_step is not None:
        port.before_step(port.module)
    port.optimizer.step()
    model = keras.models.load_model(path)
    model.train_on_batch(x, y)
    with torch.no_grad():
        return port.module(torch.from_numpy(x)).numpy(), model.predict(x, verbose=0)


@each_row("trained", [None, TRAINED], ids=["all parameters", "those that are trained"])
def test_an_lstm_with_one_trained_bias_goes_on_as_in_keras(trained, files, tmp_path):
    factory = memory(trained=trained)
    done = converted(files / "memory.keras", factory, tmp_path, optimizer=True)
    assert done.problems == []
    (note,) = done.optimizer["notes"]  # far below what the numbers show
    assert note.startswith("F2: torch adds epsilon behind the correction")
    ours, theirs = outputs_after_a_step(in_float32(factory, tmp_path), files / "memory.keras")
    # A step moves them by 1e-2; with both biases trained they are 1e-3 and more apart.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


# What is converted -> the file, the port, whether its optimizer is, and what is refused.
CASES = {
    "a second bias that is trained too": (
        *("memory", memory(second="trained"), True),
        "lstm.bias_hh_l0: a second bias that is trained, where Keras has one bias, so that a step "
        "moves the sum of the two twice: freeze it with "
        "module.get_parameter('lstm.bias_hh_l0').requires_grad_(False)",
    ),
    "that without its optimizer": ("memory", memory(second="trained"), False, ""),
    "without the last layer": (
        *("memory", memory(trained="lstm"), True),
        "does not train end.kernel, end.bias, which Keras trains",
    ),
    "a frozen layer": ("frozen", flat("first.weight", "first.bias"), True, ""),
    "one that is frozen in Keras": (
        *("frozen", flat(), True),
        "which Keras does not train: freeze these parameters",
    ),
    "ones that Keras leaves out": ("norm", normed("1.weight"), True, ""),
    "ones that are trained": (
        *("norm", normed(), True),
        "the Port's optimizer trains 1.weight, which Keras does not have: freeze it with "
        "module.get_parameter('1.weight').requires_grad_(False)",
    ),
}


@each_row("case", CASES)
def test_what_only_one_of_the_two_trains_is_named_and_nothing_is_written(case, files, tmp_path):
    name, factory, optimizer, told = CASES[case]
    done = converted(files / f"{name}.keras", factory, tmp_path / case, optimizer=optimizer)
    assert done.is_written == (not told)
    assert done.constants == (["1.weight"] if name == "norm" else [])
    if told:
        (problem,) = done.problems
        assert told in problem


def flat_end(make):
    def factory():
        net = nn.Sequential(nn.Flatten(), nn.Linear(15, 2))
        return Port(net, **make(net))

    return factory


COSINE = {"momentum": 0.9, "clipnorm": 0.5}


def own_schedule(net):
    rate = schedule.CosineDecay(0.03, 8)
    return {"optimizer": optim.SGD(net.parameters(), learning_rate=rate, **COSINE)}


def own_rate(net):
    return {"optimizer": optim.SGD(net.parameters(), learning_rate=0.5, **COSINE)}


def torchs_own(net):
    def clip(module):
        for parameter in module.parameters():
            nn.utils.clip_grad_norm_([parameter], 0.5)

    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    return {"optimizer": optimizer, "before_step": clip}


# Two of eight steps: 0.03 (1 + cos(pi / 4)) / 2.
NEXT = (
    "Keras's rate follows CosineDecay; the Port has that of the next step, 0.0256066, and nothing "
    "changes it"
)


MOMENTUM = (
    "F5: behind a change of the rate, torch's momentum has the new rate, Keras's the old one; "
    "torch_impl.optim.SGD computes as Keras does"
)


@each_row(
    "make, notes",
    [(own_schedule, []), (own_rate, [NEXT]), (torchs_own, [NEXT, MOMENTUM])],
    ids=["the same schedule", "a constant", "torch's"],
)
def test_the_next_step_has_the_rate_of_keras_and_a_schedule_that_ends_is_told(
    make, notes, files, tmp_path
):
    factory = flat_end(make)
    done = converted(files / "cosine.keras", factory, tmp_path, optimizer=True)
    assert done.problems == []
    assert done.optimizer["notes"] == notes
    assert done.optimizer["rate"] == pytest.approx(0.0256066, rel=1e-5)
    ours, theirs = outputs_after_a_step(in_float32(factory, tmp_path), files / "cosine.keras")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def other_momentum(net):
    return {"optimizer": torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.8)}


def test_numbers_of_the_optimizer_that_are_not_keras_s_are_told(files, tmp_path):
    done = converted(
        files / "cosine.keras", flat_end(other_momentum), tmp_path / "a", optimizer=True
    )
    assert done.optimizer["notes"] == [
        NEXT,
        "Keras's optimizer has momentum=0.9; the Port's has 0.8",
        "Keras's optimizer has clipnorm=0.5; the Port does not clip gradients",
        MOMENTUM,
    ]

    def scheduled():
        made = memory()()
        rate = schedule.CosineDecay(0.03, 8)
        made.optimizer = optim.Adam(made.module.parameters(), learning_rate=rate)
        return made

    done = converted(files / "memory.keras", scheduled, tmp_path / "b", optimizer=True)
    assert done.optimizer["notes"] == ["Keras's rate is constant; the Port's follows CosineDecay"]
