"""Both halves of a scenario: what is known of its samples, and its training as `fit` makes it."""

import re
import shutil

import keras
import numpy as np
import pytest
from pairs import SHARED, shared_run
from programs_here import trained
from rows import each_row

import parity.halves.keras
import parity.halves.torch
from keras_impl.models import build_network
from parity.data.load import run_data
from parity.halves.keras.check.weights import set_weights
from parity.programs.scenario_spec import of_run
from parity.programs.scenarios import scenario
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

pytestmark = pytest.mark.long

FINAL = "training/final"
# A flow before a network that drops: what either does to samples is none of their evaluation.
BOTH = {"dtype": "float64", "model": "dropout", **SHARED}
HALVES = {"keras": parity.halves.keras, "torch": parity.halves.torch}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """The trainings of both halves of a spec."""
    known = {}

    def get(spec):
        if spec not in known:
            run = tmp_path_factory.mktemp(spec.scenario)
            folder = RunFolder(run)
            keras = RunFolder(shared_run(tmp_path_factory, spec)).half("keras").path
            shutil.copytree(keras, folder.half("keras").path)
            trained(parity.halves.torch, of_run(spec), run)
            known[spec] = {half: Trace(folder.half(half).training.path) for half in HALVES}
        return known[spec]

    return get


def final_model(spec, trace):
    """Keras's model with the final weights of a training."""
    keras.backend.clear_session()
    keras.config.set_floatx("float64")
    data = run_data(spec)
    model = build_network(spec, data.input_shape, data.num_classes)
    set_weights(model, {name: trace[f"training/final/{name}"] for name in trace.below(FINAL)})
    return model, data


@each_row("half", HALVES)
def test_samples_are_evaluated_as_they_are_before_their_augmentation_and_predicted(half, trainings):
    """Predictions are the probabilities of `predict`, though the port returns logits."""
    spec = scenario("augmentation").replace(**BOTH)
    trace = trainings(spec)[half]
    model, data = final_model(spec, trace)
    loss, accuracy = model.evaluate(data.x_train, data.y_train, batch_size=50, verbose=0)
    assert len(trace.history["eval_loss"]) == len(trace.history["eval_accuracy"]) == 2
    assert trace.history["eval_accuracy"][-1] == pytest.approx(accuracy, abs=1e-12)
    assert trace.history["eval_loss"][-1] == pytest.approx(loss, rel=1e-10)
    # It is not the mean over the epoch.
    assert abs(trace.history["loss"][-1] - loss) > 1e-3
    expected = model.predict(data.x_val, verbose=0)
    found = trace["predictions/val"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    assert np.ptp(found) > 0.01  # a uniform answer would be right for any weights


@each_row("half", HALVES)
@each_row("name", ["dropout", "augmentation"])
def test_the_recorded_training_is_bit_for_bit_that_of_fit(name, half, trainings):
    """Watching a float32 training changes neither its history nor its weights."""
    spec = scenario(name).replace(**SHARED)
    trace = trainings(spec)[half]
    assert half == "torch" or trace.facts["anchors"]  # states of it were recorded
    alone = HALVES[half].fit(spec, run_data(spec))
    columns = {key for key in trace.history if not key.startswith("eval_")}
    assert columns | {"learning_rate"} == set(alone.history)
    for key in columns:
        assert trace.history[key] == alone.history[key], key
    # Layers are named otherwise here; kind and number of each are the same.
    finals = {key_of(key): trace[f"{FINAL}/{key}"] for key in trace.below(FINAL)}
    expected = {key_of(key): value for key, value in alone.weights.items()}
    assert finals.keys() == expected.keys()
    assert all(np.array_equal(finals[key], expected[key].astype(np.float64)) for key in finals)


def key_of(name):
    """Kind, number and variable of a weight: the same for conv2d_1.kernel and conv2.kernel."""
    layer, variable = name.split(".")
    kind, number = re.fullmatch(r"(conv|dense)(?:2d)?_?(\d*)", layer).groups()
    is_keras = "2d" in layer or "_" in layer or layer == "dense"
    return kind, int(number or 0) + is_keras, variable
