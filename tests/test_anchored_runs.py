"""Both halves make the same steps from the states that a Keras training has left on its way."""

import dataclasses

import numpy as np
import pytest
import torch
from pairs import SHARED, compared_with, keras_run, levels_not_passed, shared_run, trainings

from parity.ladder.items import LEVEL_IDS
from parity.programs.scenarios import scenario
from torch_impl.trainer.step import Stepper
from torch_impl.trainer.trainer import Trainer

pytestmark = pytest.mark.long

PROGRAMS = ("augmentation", "dropout")
# Batches of 64: each epoch has five, and ends with one of 4.


def spec_of(name, dtype="float32"):
    return scenario(name).replace(**SHARED, dtype=dtype)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of each program, with the run of its Keras half."""

    def make(name):
        return shared_run(tmp_path_factory, spec_of(name))

    return make


@pytest.fixture(params=PROGRAMS)
def program(request):
    return request.param


def trajectory(result):
    return result.levels[LEVEL_IDS.index("trajectory")]


def test_a_step_in_float64_is_that_of_the_training_but_for_its_rounding(folder, program):
    """The same batch, masks, slots and rate: else a step would be another one."""
    keras = keras_run(folder(program), spec_of(program))
    apart = []
    for step in keras.facts["anchors"]:
        for name in keras.names(f"anchored/{step}/float32"):
            trained = keras[f"anchored/{step}/float32/{name}"]
            made = keras[f"anchored/{step}/moved/1/{name}"]
            apart.append(np.abs(trained - made).max() / np.abs(made).max())
    # Where rounding decides a pool or a ReLU, a step is further off.
    assert np.median(apart) < 1e-4


def test_a_right_port_is_near_the_reference_at_every_anchor(folder, program, tmp_path):
    result = compared_with(folder(program), tmp_path / "run")
    assert levels_not_passed(result) == {}
    keras, _ = trainings(tmp_path / "run")
    assert result.anchors["steps"] == keras.facts["anchors"]
    assert len(result.anchors["steps"]) >= 6
    assert max(result.anchors["difference"]) < 1e-11
    assert max(result.anchors["rounding"]) < 3


def test_float64_is_judged_from_anchors_alike(monkeypatch, tmp_path):
    monkeypatch.setattr("parity.traces.anchors.MOST_STEPS_IN_FLOAT64", 0)
    # Three steps an epoch: each is recorded, and made again several times.
    spec = spec_of("dropout", "float64").replace(train_size=36, batch_size=16)
    keras_run(tmp_path / "keras", spec)
    result = compared_with(tmp_path / "keras", tmp_path / "run")
    assert levels_not_passed(result) == {}
    assert max(result.anchors["difference"]) < 1e-11
    assert result.anchors["rounding"] == []


def test_noise_is_measured_at_some_anchors_and_is_that_of_rounding_in_float64(folder):
    keras = keras_run(folder("dropout"), spec_of("dropout"))
    noise = keras["anchor_noise/moved/3/conv2d.kernel"]
    assert noise.shape == (len(keras.facts["anchors_measured"]),)
    assert (noise > 0).all()
    assert noise.max() < 1e-11


def test_float32_constants_change_the_steps_and_a_port_with_keras_s_is_held_to_them(folder):
    """1 - 0.999 in float32 is 1.3e-5 off; its root changes a step by half of that."""
    keras = keras_run(folder("dropout"), spec_of("dropout"))
    apart = keras["anchor_constants/moved/3/conv2d.kernel"]
    assert apart.shape == (len(keras.facts["anchors_with_constants"]),) == (4,)
    np.testing.assert_allclose(apart, 6.5e-6, rtol=0.2)


@pytest.mark.parametrize("what", ["slots", "weights"])
def test_what_a_port_changes_between_two_steps_is_seen(folder, monkeypatch, tmp_path, what):
    evaluated = Trainer._evaluated

    def changing(self, fed):
        """After an epoch, the optimizer is made anew, or a weight is clipped."""
        if what == "slots":
            self._stepper.optimizer.state.clear()
        else:
            next(self.port.module.parameters()).data.clamp_(-0.1, 0.1)
        return evaluated(self, fed)

    monkeypatch.setattr(Trainer, "_evaluated", changing)
    failed = trajectory(compared_with(folder("dropout"), tmp_path / "run")).first_failure
    assert failed.name == "weights and slots changed between two steps"
    assert (failed.step, failed.keras, failed.torch) == (5, False, True)


def test_a_port_that_computes_in_less_than_float32_rounds_too_much(folder, monkeypatch, tmp_path):
    """The images of its float32 steps have 16 bits."""
    step = Stepper.step

    def coarse(self, batch):
        (x,) = batch.x if isinstance(batch.x, tuple) else (batch.x,)
        if x.dtype == torch.float32:
            batch = dataclasses.replace(batch, x=(x.bfloat16().float(),))
        return step(self, batch)

    monkeypatch.setattr(Stepper, "step", coarse)
    failed = trajectory(compared_with(folder("dropout"), tmp_path / "run")).first_failure
    assert failed.name.startswith("rounding of ")
    assert failed.unit == "roundings"
