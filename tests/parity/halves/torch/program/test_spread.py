"""A port is trained a second time only where its training is not near Keras's without that."""

import shutil

import numpy as np
import pytest
import torch
from programs_here import FOLDER, keras_half, result_of, spec_of, trained
from rows import each_row

import parity.halves.keras
import parity.halves.torch
from parity.files.json_io import write_json
from parity.halves.torch.program.spread import (
    is_near,
    lengthen_steps,
    moved,
    moved_inputs,
    of_constants,
    spread_of,
)
from parity.ladder.rounding import OF_A_CONSTANT
from parity.traces.folder import RunFolder
from parity.traces.trace import CheckWriter, RunResult, Trace

pytestmark = pytest.mark.long

SOURCE = """
import keras, numpy as np, torch
from torch import nn
from keras_impl import Reference
from torch_impl import Port

draw = np.random.default_rng(4)
x, y = draw.normal(size=(30, 4)), draw.normal(size=(30, 2))

def reference():
    model = keras.Sequential([
        keras.Input((4,)), keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(2)
    ])
    # Rates that float32 has: the port has the same.
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([9], [0.125, 0.0625])
    model.compile(keras.optimizers.SGD(rates), "mse")
    return Reference(model, x=x, y=y, batch_size=7, epochs=4)

def port(milestone=10):
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.125)
    cut = torch.optim.lr_scheduler.MultiStepLR(optimizer, [milestone], gamma=0.5)
    return Port(net, nn.MSELoss(), optimizer, scheduler=cut, scheduler_interval="step")

def late():
    return port(milestone=13)
"""


def parts(weight=0.5, rate=0.1, final=0.5, val_loss=0.7, losses=(0.9, 0.8)):
    """What a training of one weight leaves, and its result."""
    writer = CheckWriter()
    writer.facts |= {"epoch_ends": [len(losses)], "has_schedule": False}
    for step, value in enumerate((1.0, 0.75, weight)):
        writer.put(f"training/weights/{step}/a.kernel", [value, -2.0])
    writer.put("training/final/a.kernel", [final, -2.0])
    writer.put("training/loss", losses)
    writer.put("training/rates", [0.1] * (len(losses) - 1) + [rate])
    return writer, RunResult({"loss": [losses[-1]], "val_loss": [val_loss]}, {}, 1.0)


@pytest.fixture
def keras(tmp_path):
    """The training of the reference."""
    writer, result = parts()
    tmp_path.joinpath("keras").mkdir()
    write_json(RunFolder(tmp_path / "keras").spec, {})
    writer.write(tmp_path / "keras", environment={}, result=result)
    return Trace(tmp_path / "keras")


# Just beside the tolerance of 1e-12; the weights go up to 2.
@each_row(
    "change", [{}, {"weight": 0.5 + 1.9e-12}, {"final": 0.5 - 1.9e-12}, {"val_loss": 0.7 + 0.9e-12}]
)
def test_a_training_within_the_tolerance_is_near(change, keras):
    assert is_near(keras, *parts(**change))


@each_row(
    "change",
    [
        {"weight": 0.5 + 2.1e-12},
        {"final": 0.5 - 2.1e-12},
        {"val_loss": 0.7 + 1.1e-12},
        {"losses": (0.9 + 1.1e-12, 0.8)},
        {"losses": (0.9, 0.8, 0.8)},
        {"rate": 0.11},
        {"weight": np.nan},
    ],
)
def test_a_training_that_differs_anywhere_is_not(change, keras):
    assert not is_near(keras, *parts(**change))


def test_every_weight_is_moved_by_the_same_share_up_or_down():
    found = moved({"a": np.full(50, 2.0), "b": np.zeros(3)}, 0.25)
    assert set(found["a"]) == {1.5, 2.5}
    assert not found["b"].any()


def test_a_number_is_as_far_apart_as_the_weights_were_up_to_its_step():
    first, other = (
        {
            "training/weights/1/a": np.array([1.0, 4.0]),
            "training/weights/2/a": np.array([1.0, 2.0 + change]),
            "training/weights/10/a": np.array([2.0, 8.0 + 2 * change]),
            "training/final/a": np.array([4.0 - change]),
            "training/loss": np.array([change]),  # left out: changes may cancel in it
        }
        for change in (0.0, 0.5)
    )
    assert spread_of(first, other) == {
        "training/weights/1/a": 0.0,
        "training/weights/2/a": 0.25,
        "training/weights/10/a": 0.125,
        "training/final/a": 0.125,
        "scalar/1": 0.0,
        "scalar/2": 0.25,
        "scalar/10": 0.25,
    }


RESCALED = """
import keras, numpy as np, torch
from torch import nn
from keras_impl import Reference
from torch_impl import Port, optim

draw = np.random.default_rng(0)
x, y = draw.uniform(0, 255, (36, 6, 5, 3)).astype("float32"), draw.integers(0, 3, 36)

def reference():
    model = keras.Sequential([
        keras.Input((6, 5, 3)), keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.125, momentum=0.875), loss)
    return Reference(model, x=x, y=y, batch_size=12, epochs=10)

class Divided(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        return x / self.by

def port(by=255.0):
    net = nn.Sequential(
        Divided(by), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )
    for weight in net.parameters():
        nn.init.xavier_uniform_(weight) if weight.ndim > 1 else nn.init.zeros_(weight)
    optimizer = optim.SGD(net.parameters(), learning_rate=0.125, momentum=0.875)
    return Port(net, nn.CrossEntropyLoss(), optimizer)

def slightly_less():
    return port(255.0002)
"""


def node(kind, sources, weights=(), **config):
    return {"kind": kind, "sources": sources, "weights": list(weights), "config": config}


def test_inputs_are_moved_as_the_constant_that_scales_them():
    x = np.array([0.0, 100.0, 200.0])
    by = OF_A_CONSTANT
    first = node("rescaling", [-1], scale=0.5, offset=-4.0)
    assert moved_inputs([first])(x) == pytest.approx(x + by * (x + 8), abs=1e-13)
    behind = [node("flatten", [-1]), node("normalization", [0], mean=[3.0, -5.0], variance=[1.0])]
    assert moved_inputs(behind)(x) == pytest.approx(x + by * (x + 5), abs=1e-13)
    none = np.array([0.0, 0.0])
    assert not moved_inputs([node("rescaling", [-1], scale=[1.0, 2.0], offset=0.0)])(none).any()


def test_inputs_stay_where_no_constant_scales_them():
    weighted = node("dense", [-1], ["kernel"])
    assert moved_inputs([weighted, node("rescaling", [0], scale=2.0, offset=0.0)]) is None
    assert moved_inputs([node("normalization", [-1], ["mean"], mean=None, variance=None)]) is None
    assert moved_inputs([node("flatten", [-1]), node("activation:relu", [None])]) is None


def test_a_port_that_divides_by_255_in_float64_is_right_and_one_that_divides_by_more_is_not(
    tmp_path,
):
    (tmp_path / "rescaled.py").write_text(RESCALED)
    spec = spec_of("rescaled.py:reference", "rescaled.py:port").replace(folder=str(tmp_path))
    result = result_of(spec, tmp_path / "run")
    assert result.verdict == "pass"
    schedule = next(level for level in result.levels if level.id == "schedule")
    # One constant is a rounding off; two are allowed, and what rounds besides.
    assert 0.1 < schedule.worst.worst / schedule.worst.allowed < 0.7
    other = spec.replace(torch="rescaled.py:slightly_less")
    result = result_of(other, tmp_path / "less", tmp_path / "run")
    assert result.verdict == "fail"
    status = {level.id: level.status for level in result.levels}
    assert {status["data"], status["trajectory"], status["schedule"]} <= {"fail", "follows"}


@pytest.fixture(scope="module")
def near(tmp_path_factory):
    """A program whose port is near Keras's training, and the run folder of its Keras half."""
    folder = tmp_path_factory.mktemp("near")
    (folder / "near.py").write_text(SOURCE)
    spec = spec_of("near.py:reference", "near.py:port").replace(folder=str(folder))
    trained(parity.halves.keras, spec, folder / "run")
    return spec, folder / "run"


def facts_of(run):
    return Trace(RunFolder(run).half("torch").training.path).facts


def test_a_port_that_is_near_is_trained_once(near, tmp_path):
    spec, reference = near
    result = result_of(spec, tmp_path / "run", reference)
    levels = {level.id: level for level in result.levels}
    assert levels["trajectory"].status == levels["schedule"].status == "pass"
    assert levels["trajectory"].worst.allowed == 1e-12
    facts = facts_of(tmp_path / "run")
    assert facts["left_open"] > 0  # Keras computes schedules in float32
    assert "spread" not in facts
    result_of(spec.replace(torch="near.py:late"), tmp_path / "late", reference)
    assert facts_of(tmp_path / "late")["spread"]["scalar/15"] > 0


def test_a_port_whose_reference_has_broken_off_is_trained_once(near, tmp_path):
    spec, reference = near
    half = RunFolder(tmp_path / "run").half("keras")
    shutil.copytree(RunFolder(reference).half("keras").path, half.path)
    shutil.rmtree(half.training.path)
    half.training.path.mkdir()
    write_json(half.training.failure, {"is_input": True, "message": "a callback raised"})
    trained(parity.halves.torch, spec, tmp_path / "run")
    assert "spread" not in facts_of(tmp_path / "run")


def test_a_port_that_is_not_near_is_trained_again_and_allowed_what_that_shows(
    tmp_path, monkeypatch, tmp_path_factory
):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = spec_of(epochs=2)
    result = result_of(spec, tmp_path, keras_half(tmp_path_factory, spec))
    assert result.verdict == "pass"
    (trajectory,) = (level for level in result.levels if level.id == "trajectory")
    assert 1e-12 < trajectory.worst.worst < trajectory.worst.allowed
    facts = facts_of(tmp_path)
    assert facts["left_open"] > 1e-12  # Keras keeps the factor of the penalty in float32
    assert facts["spread"]["scalar/1"] > 0


def test_the_share_of_a_step_is_what_constants_move_of_its_way(keras):
    arrays = {"weights/a.kernel": [1.0, 2.0]}
    arrays |= {"optimizer/1/weights/a.kernel": [1.0, 2.5]}
    arrays |= {"optimizer/2/weights/a.kernel": [0.0, 2.5]}

    def share(**constants):
        writer = CheckWriter(facts={"constants": constants})
        for key, array in arrays.items():
            writer.put(key, array)
        writer.write(keras.directory, environment={}, result=RunResult({}, {}, 0.0))
        return of_constants(Trace(keras.directory))

    assert share() == 0
    # Of 2.5, a share of 4e-6 is 1e-5; the first step goes 0.5, the first two go 1.
    assert share(**{"optimizer/1/weights/a.kernel": 4e-6}) == pytest.approx(2e-5)
    others = {"optimizer/2/velocity/a.kernel": 1.0, "trajectory/losses": 1.0}
    assert share(**{"optimizer/2/weights/a.kernel": 4e-6}, **others) == pytest.approx(1e-5)


def test_longer_steps_are_longer_by_the_share():
    plain, longer = (torch.nn.Parameter(torch.tensor([1.0, -2.0]).double()) for _ in range(2))
    for weight, share in ((plain, 0.0), (longer, 0.25)):
        optimizer = torch.optim.SGD([weight], lr=0.5)
        lengthen_steps(optimizer, share)
        for _ in range(2):
            weight.grad = torch.tensor([1.0, 4.0]).double()
            optimizer.step()
    assert plain.tolist() == [0.0, -6.0]
    assert longer.tolist() == [-0.25, -7.0]
