"""A converted optimizer trains what Keras trains; other weights and numbers are told."""

import numpy as np
import pytest
import torch
from conversions import converted, default_dtype
from rows import each_row
from safetensors.torch import load_file
from torch import nn

from parity.weights.request import OPTIMIZER, STATE
from torch_impl import Port, optim, schedule

pytestmark = pytest.mark.long

RATE = {"lr": 0.01, "eps": 1e-7}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An LSTM, a model with a frozen layer, and one whose rate follows a cosine; each trained."""
    import keras
    from keras import layers as L

    folder = tmp_path_factory.mktemp("next-step")
    draw = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    memory = keras.Sequential([keras.Input((5, 3)), L.LSTM(4, name="lstm"), L.Dense(2, name="end")])
    memory.compile(keras.optimizers.Adam(0.01), "mse")
    frozen = keras.Sequential([keras.Input((5, 3)), L.Dense(4), L.Flatten(), L.Dense(2)])
    frozen.layers[0].trainable = False
    frozen.compile(keras.optimizers.Adam(0.01), "mse")
    cosine = keras.Sequential([keras.Input((5, 3)), L.Flatten(), L.Dense(2)])
    rate = keras.optimizers.schedules.CosineDecay(0.03, 8)
    cosine.compile(keras.optimizers.SGD(rate, momentum=0.9, clipnorm=0.5), "mse")
    norm = L.BatchNormalization(scale=False, name="norm")
    plain = keras.Sequential([keras.Input((5, 3)), L.Flatten(), norm, L.Dense(2)])
    plain.compile(keras.optimizers.Adam(0.01), "mse")
    models = {"memory": memory, "frozen": frozen, "cosine": cosine, "norm": plain}
    for name, model in models.items():
        x, y = draw.normal(size=(8, 5, 3)), draw.normal(size=(8, 2))
        model.fit(x, y, batch_size=4, verbose=0)
        model.save(folder / f"{name}.keras")
    return folder


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.end = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.end(self.lstm(x)[0][:, -1])


def memory(*, frozen, given):
    """The second bias is trained or not, and all parameters are given to the optimizer or not."""
    net = Memory()
    net.lstm.bias_hh_l0.requires_grad_(not frozen)
    held = [p for p in net.parameters() if p.requires_grad or given]
    return Port(net, optimizer=torch.optim.Adam(held, **RATE))


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


@each_row("given", [True, False], ids=["all parameters", "those that are trained"])
def test_an_lstm_with_one_trained_bias_goes_on_as_in_keras(given, files, tmp_path):
    def factory():
        return memory(frozen=True, given=given)

    done = converted(files / "memory.keras", factory, tmp_path, optimizer=True)
    assert done.problems == []
    (note,) = done.optimizer["notes"]  # far below what the numbers show
    assert note.startswith("F2: torch adds epsilon behind the correction")
    ours, theirs = outputs_after_a_step(in_float32(factory, tmp_path), files / "memory.keras")
    # A step moves them by 1e-2; with both biases trained they are 1e-3 and more apart.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_a_second_bias_that_is_trained_too_is_named_and_nothing_is_written(files, tmp_path):
    done = converted(
        files / "memory.keras", lambda: memory(frozen=False, given=True), tmp_path, optimizer=True
    )
    assert not done.is_written
    assert done.problems == [
        "lstm.bias_hh_l0: a second bias that is trained, where Keras has one bias, so that a step "
        "moves the sum of the two twice: freeze it with "
        "module.get_parameter('lstm.bias_hh_l0').requires_grad_(False)"
    ]


def test_two_trained_biases_matter_to_the_optimizer_alone(files, tmp_path):
    done = converted(files / "memory.keras", lambda: memory(frozen=False, given=True), tmp_path)
    assert done.problems == []


def test_what_keras_trains_and_the_optimizer_does_not_have_is_named(files, tmp_path):
    def factory():
        net = memory(frozen=True, given=True).module
        return Port(net, optimizer=torch.optim.Adam(net.lstm.parameters(), **RATE))

    done = converted(files / "memory.keras", factory, tmp_path, optimizer=True)
    assert not done.is_written
    (problem,) = done.problems
    assert "does not train end.kernel, end.bias, which Keras trains" in problem


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.end = nn.Linear(3, 4), nn.Linear(20, 2)

    def forward(self, x):
        return self.end(self.first(x).flatten(1))


@each_row("freezes", [True, False])
def test_a_layer_that_is_frozen_in_keras_has_to_be_frozen_in_the_port(freezes, files, tmp_path):
    def factory():
        net = Flat()
        net.first.requires_grad_(not freezes)
        return Port(net, optimizer=torch.optim.Adam(net.parameters(), **RATE))

    done = converted(files / "frozen.keras", factory, tmp_path, optimizer=True)
    assert done.is_written == freezes
    assert freezes or "which Keras does not train: freeze these parameters" in done.problems[0]


@each_row("freezes", [True, False])
def test_ones_that_keras_leaves_out_must_not_be_trained(freezes, files, tmp_path):
    def factory():
        net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(15, eps=1e-3), nn.Linear(15, 2))
        net[1].weight.requires_grad_(not freezes)
        return Port(net, optimizer=torch.optim.Adam(net.parameters(), **RATE))

    done = converted(files / "norm.keras", factory, tmp_path, optimizer=True)
    assert done.is_written == freezes
    assert done.constants == ["1.weight"]
    assert freezes or done.problems == [
        "the Port's optimizer trains 1.weight, which Keras does not have: freeze it with "
        "module.get_parameter('1.weight').requires_grad_(False)"
    ]


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


def test_numbers_of_the_optimizer_that_are_not_keras_s_are_told(files, tmp_path):
    def make(net):
        return {"optimizer": torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.8)}

    done = converted(files / "cosine.keras", flat_end(make), tmp_path, optimizer=True)
    assert done.optimizer["notes"] == [
        NEXT,
        "Keras's optimizer has momentum=0.9; the Port's has 0.8",
        "Keras's optimizer has clipnorm=0.5; the Port does not clip gradients",
        MOMENTUM,
    ]


def test_a_schedule_of_the_port_that_keras_does_not_have_is_told(files, tmp_path):
    def factory():
        net = memory(frozen=True, given=True).module
        rate = schedule.CosineDecay(0.03, 8)
        return Port(net, optimizer=optim.Adam(net.parameters(), learning_rate=rate))

    done = converted(files / "memory.keras", factory, tmp_path, optimizer=True)
    assert done.optimizer["notes"] == ["Keras's rate is constant; the Port's follows CosineDecay"]
