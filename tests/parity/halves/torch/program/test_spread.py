"""A port is trained a second time only where its training is not near Keras's without that."""

import numpy as np
import pytest
import torch
from programs_here import result_of, spec_of
from rows import each_row

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
    write_json(RunFolder(tmp_path).spec, {})
    writer.write(tmp_path, environment={}, result=result)
    return Trace(tmp_path)


# Just beside the tolerance of 1e-12; the weights go up to 2.
@each_row(
    "change, expected",
    [
        ({}, True),
        ({"weight": 0.5 + 1.9e-12}, True),
        ({"final": 0.5 - 1.9e-12}, True),
        ({"val_loss": 0.7 + 0.9e-12}, True),
        ({"weight": 0.5 + 2.1e-12}, False),
        ({"final": 0.5 - 2.1e-12}, False),
        ({"val_loss": 0.7 + 1.1e-12}, False),
        ({"losses": (0.9 + 1.1e-12, 0.8)}, False),
        ({"losses": (0.9, 0.8, 0.8)}, False),
        ({"rate": 0.11}, False),
        ({"weight": np.nan}, False),
    ],
)
def test_a_training_is_near_if_it_is_within_the_tolerance_everywhere(change, expected, keras):
    assert is_near(keras, *parts(**change)) is expected


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


def node(kind, sources, weights=(), **config):
    return {"kind": kind, "sources": sources, "weights": list(weights), "config": config}


X = np.array([0.0, 100.0, 200.0])
NORMALIZED = node("normalization", [0], mean=[3.0, -5.0], variance=[1.0])


# What is moved: the difference to the constant that is subtracted first; None: nothing.
@each_row(
    "nodes, moved_by",
    [
        ([node("rescaling", [-1], scale=0.5, offset=-4.0)], X + 8),
        ([node("rescaling", [-1], scale=[1.0, 2.0], offset=0.0)], X),
        ([node("flatten", [-1]), NORMALIZED], X + 5),
        ([node("dense", [-1], ["kernel"]), node("rescaling", [0], scale=2.0, offset=0.0)], None),
        ([node("normalization", [-1], ["mean"], mean=None, variance=None)], None),
        ([node("flatten", [-1]), node("activation:relu", [None])], None),
    ],
)
def test_inputs_are_moved_as_a_constant_that_scales_them_and_else_stay(nodes, moved_by):
    found = moved_inputs(nodes)
    assert (found is None) == (moved_by is None)
    assert found is None or found(X) == pytest.approx(X + OF_A_CONSTANT * moved_by, abs=1e-13)


@pytest.mark.long
def test_a_port_is_trained_again_only_where_it_is_not_near(tmp_path):
    (tmp_path / "near.py").write_text(SOURCE)
    spec = spec_of("near.py:reference", "near.py:port").replace(folder=str(tmp_path))
    levels = {level.id: level for level in result_of(spec, tmp_path / "run").levels}
    assert levels["trajectory"].status == levels["schedule"].status == "pass"
    assert levels["trajectory"].worst.allowed == 1e-12
    result_of(spec.replace(torch="near.py:late"), tmp_path / "late", tmp_path / "run")
    near, late = (
        Trace(RunFolder(tmp_path / name).half("torch").training.path).facts
        for name in ("run", "late")
    )
    assert near["left_open"] > 0  # Keras computes schedules in float32
    assert "spread" not in near
    assert late["spread"]["scalar/15"] > 0


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
