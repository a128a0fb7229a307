"""Whole trainings by a `train_step` of the user's own: weights, numbers and rates of each step."""

import shutil

import numpy as np
import pytest
from programs_here import keras_half, result_of, spec_of

from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.ladder.items import PASS
from parity.runs import record
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

pytestmark = pytest.mark.long


def spec(model, port):
    names = {"keras": f"own_keras.py:{model}", "torch": f"own_torch.py:{port}"}
    return spec_of(**names, epochs=None)


@pytest.fixture
def reference(tmp_path_factory):
    """The training of Keras by the name of the model."""
    return lambda model: keras_half(tmp_path_factory, spec(model, model))


@pytest.mark.parametrize("model", ["small_gan", "autoencoder", "plain"])
def test_a_right_step_trains_as_keras_does(reference, model, tmp_path):
    found = result_of(spec(model, model), tmp_path, reference(model))
    assert (found.verdict, found.incomplete) == ("pass", ()), found.first
    halves = [Trace(RunFolder(tmp_path).half(half).training.path) for half in ("keras", "torch")]
    names = halves[1].below("training/final")
    assert names == halves[0].below("training/final")
    for name in names:
        theirs, ours = (half[f"training/final/{name}"] for half in halves)
        start = halves[0][f"training/weights/0/{name}"]
        assert not np.array_equal(theirs, start), name
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())
    assert halves[0].history.keys() == halves[1].history.keys()
    level = next(each for each in found.levels if each.id == "trajectory")
    assert level.status == PASS
    assert halves[0].history.keys() <= {item.name for item in level.items}


@pytest.mark.parametrize(
    ("model", "port"),
    [
        ("small_gan", "small_gan__rate_wrong"),
        ("gan", "gan__beta_wrong"),
        ("gan", "gan__dropping_wrong"),
        ("autoencoder", "autoencoder__weighted_wrong"),
        ("plain", "plain__summed_wrong"),
    ],
)
def test_a_wrong_step_fails_and_trains_otherwise(reference, model, port, tmp_path):
    assert result_of(spec(model, port), tmp_path, reference(model)).verdict == "fail"
    halves = [Trace(RunFolder(tmp_path).half(half).training.path) for half in ("keras", "torch")]
    apart = [
        np.abs(theirs - ours).max() / np.abs(theirs).max()
        for key in halves[1].below("training/final")
        for theirs, ours in [[half[f"training/final/{key}"] for half in halves]]
    ]
    assert max(apart) > 1e-4


def test_a_step_that_goes_wrong_later_than_any_probe_fails(reference, tmp_path):
    found = result_of(spec("small_gan", "small_gan__late_wrong"), tmp_path, reference("small_gan"))
    assert (found.verdict, found.first.level) == ("fail", "trajectory")
    assert (found.first.item.epoch, found.first.item.step) == (1, 7)
    levels = {level.id: level.status for level in found.levels}
    assert levels["gradient"] == levels["loss"] == PASS


def test_a_training_that_draws_is_not_recorded(reference, tmp_path, monkeypatch):
    def leaves(jobs, children):
        half = RunFolder(reference("small_gan")).half("keras").path
        shutil.copytree(half, jobs[0].directories[0], dirs_exist_ok=True)
        return []

    monkeypatch.setattr("parity.runs.check_halves.run_shown", leaves)
    with pytest.raises(InputError, match="draws masks or random numbers in each step"):
        record.record_run(spec("small_gan", "small_gan"), tmp_path / "a", ChildOptions())
    assert not (tmp_path / "a").exists()
