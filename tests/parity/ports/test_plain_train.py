"""train.py in plain torch, of a program with a loss of the user's own for one of its outputs."""

import importlib
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from golden_programs import fit, outputs
from safetensors.torch import load_file
from written import as_keras

from benchmarks.ported.packages import package_of

BAR = 1e-12
RNG = np.random.default_rng(4)
X, KIND, SIZE = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 2)), RNG.normal(size=(20, 2))
WEIGHTS = np.linspace(0.0, 2.0, 20)
of_two = outputs("mse", fit, x=X, y={"kind": KIND, "size": SIZE})


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Calls `main` of train.py, from its weights in order; returns weights before and after."""
    out = tmp_path / "plain_of_one_of_two"
    out.mkdir()
    package_of(SimpleNamespace(name=out.name, factory=of_two), out, plain=True)
    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module(f"{out.name}.train")

    def call(loss=train.fit_, **arrays):
        np.savez(tmp_path / "data.npz", x=X, y_kind=KIND, y_size=SIZE, **arrays)
        files = [str(tmp_path / "data.npz"), "--out", str(tmp_path / "out.pt")]
        given = ["--dtype", "float64", "--from-keras", "--no-shuffle", "--epochs", "2"]
        monkeypatch.setattr(sys, "argv", ["train", *files, *given])
        monkeypatch.setattr(train, "fit_", loss)
        train.main()
        begun = load_file(out / "weights.safetensors")
        return begun, torch.load(tmp_path / "out.pt", weights_only=True)

    return call


def far(y_pred, y_true, sample_weight=None):
    each = (3 * (y_true - y_pred).abs()).mean(-1)
    return (each if sample_weight is None else each * sample_weight).mean()


def unweighted(y_pred, y_true):
    return far(y_pred, y_true)


def test_a_loss_trains_as_in_fit_once_it_is_written(trained):
    with pytest.raises(NotImplementedError, match="is to be written"):
        trained()
    begun, state = trained(unweighted)
    keras.backend.clear_session()
    model = of_two().model
    for weight in model.weights:
        weight.assign(as_keras(weight, begun))
    model.fit(X, {"kind": KIND, "size": SIZE}, epochs=2, batch_size=8, shuffle=False, verbose=0)
    for weight in model.weights:
        theirs = np.asarray(weight)
        assert np.abs(theirs - as_keras(weight, state)).max() <= BAR * np.abs(theirs).max()
        assert np.abs(theirs - as_keras(weight, begun)).max() > 1e-3  # it has trained


def test_weights_that_the_loss_does_not_take_are_told_in_one_line(trained):
    with pytest.raises(SystemExit, match="give unweighted the argument sample_weight"):
        trained(unweighted, weight=WEIGHTS)
    (_, state), (_, without) = trained(far, weight=WEIGHTS), trained(far)
    assert max((state[key] - without[key]).abs().max() for key in state) > 1e-3
