"""Both halves make the same steps from the states that a Keras training has left on its way."""

import dataclasses

import numpy as np
import pytest
import torch
from pairs import compare, keras_trace, torch_trace

import keras_impl
import torch_impl
from parity.data.load import run_data
from parity.ladder.drift import told_anchors
from parity.ladder.items import PASS
from parity.ladder.levels import LEVEL_IDS
from parity.programs.scenarios import scenario
from parity.traces.recorder import Recorder
from parity.traces.trace import TraceWriter
from torch_impl.train import Training

PROGRAMS = ("underfit", "augmentation", "dropout")
# Batches of 32: each epoch ends with one of 6.
SETTINGS = {"epochs": 2, "train_size": 198, "val_size": 60, "dtype": "float32"}


def spec_of(name, **changes):
    return scenario(name).replace(**{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for each program, with the run of its Keras half."""

    def make(name, **changes):
        key = "-".join([name, *map(str, changes.values())])
        path = tmp_path_factory.getbasetemp() / f"anchors-{key}"
        keras_trace(path, spec_of(name, **changes))
        return path

    return make


@pytest.fixture(params=PROGRAMS)
def program(request):
    return request.param


@pytest.fixture
def pair(folder, program):
    path = folder(program)
    return keras_trace(path, spec_of(program)), torch_trace(path, path / "torch")


def test_a_step_in_float64_is_that_of_the_training_but_for_its_rounding(folder, program):
    """The same batch, masks, slots and rate: else a step would be another one."""
    keras = keras_trace(folder(program), spec_of(program))
    apart = []
    for step in keras.facts["anchors"]:
        for name in keras.names(f"anchored/{step}/float32"):
            trained = keras[f"anchored/{step}/float32/{name}"]
            made = keras[f"anchored/{step}/moved/1/{name}"]
            apart.append(np.abs(trained - made).max() / np.abs(made).max())
    # Where rounding decides a pool or a ReLU, a step is further off.
    assert np.median(apart) < 1e-4


def test_a_right_port_is_near_the_reference_at_every_anchor(pair):
    levels = compare(*pair)
    assert [(level.id, level.status) for level in levels if level.status != PASS] == []
    told = told_anchors(pair[0], levels[LEVEL_IDS.index("trajectory")])
    assert told["steps"] == pair[0].facts["anchors"]
    assert len(told["steps"]) >= 6
    assert max(told["difference"]) < 1e-11
    assert max(told["rounding"]) < 3


@pytest.mark.parametrize("half", [keras_impl, torch_impl], ids=["keras", "torch"])
def test_a_run_with_anchors_is_bitwise_the_run_without(folder, half):
    path = folder("dropout")
    spec = spec_of("dropout")
    watched = keras_trace(path, spec) if half is keras_impl else torch_trace(path, path / "again")
    data = run_data(spec)
    writer = TraceWriter()
    recorder = Recorder(writer, steps_per_epoch=7, epochs=2)
    plain = half.fit(spec, data, recorder)
    for key, values in plain.history.items():
        assert values == watched.history[key]
    for key, array in writer.arrays.items():
        np.testing.assert_array_equal(array, watched[key])


def test_float64_is_judged_from_anchors_alike(folder, monkeypatch):
    monkeypatch.setattr("parity.traces.anchors.MOST_STEPS_IN_FLOAT64", 0)
    path = folder("dropout", dtype="float64")
    keras, port = keras_trace(path, spec_of("dropout")), torch_trace(path, path / "torch")
    levels = compare(keras, port)
    assert {level.status for level in levels} == {PASS}
    told = told_anchors(keras, levels[LEVEL_IDS.index("trajectory")])
    assert max(told["difference"]) < 1e-11
    assert told["rounding"] == []


def test_noise_is_measured_at_some_anchors_and_is_that_of_rounding_in_float64(folder):
    keras = keras_trace(folder("dropout"), spec_of("dropout"))
    noise = keras["anchor_noise/moved/3/conv1.kernel"]
    assert noise.shape == (len(keras.facts["anchors_measured"]),)
    assert (noise > 0).all()
    assert noise.max() < 1e-11


@pytest.mark.parametrize("what", ["slots", "weights"])
def test_what_a_port_changes_between_two_steps_is_seen(folder, monkeypatch, what):
    path = folder("dropout")
    validate = Training.validate

    def changing(self):
        """After an epoch, the optimizer is made anew, or a weight is clipped."""
        if what == "slots":
            self.optimizer.state.clear()
        else:
            next(self.model.parameters()).data.clamp_(-0.1, 0.1)
        return validate(self)

    monkeypatch.setattr(Training, "validate", changing)
    levels = compare(keras_trace(path, spec_of("dropout")), torch_trace(path, path / what))
    failed = levels[LEVEL_IDS.index("trajectory")].first_failure
    assert failed.name == "weights and slots changed between two steps"
    assert (failed.step, failed.keras) == (7, 0)
    assert failed.torch > 0


def test_a_port_that_computes_in_less_than_float32_rounds_too_much(folder, monkeypatch):
    """The images of its float32 steps have 16 bits."""
    path = folder("dropout")
    step = Training.step

    def coarse(self, batch):
        if batch.x.dtype == torch.float32:
            batch = dataclasses.replace(batch, x=batch.x.bfloat16().float())
        return step(self, batch)

    monkeypatch.setattr(Training, "step", coarse)
    levels = compare(keras_trace(path, spec_of("dropout")), torch_trace(path, path / "coarse"))
    failed = levels[LEVEL_IDS.index("trajectory")].first_failure
    assert failed.name.startswith("rounding of ")
    assert failed.unit == "roundings"
