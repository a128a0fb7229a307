"""The promise: same seed, same run, for the document's programs, through native Keras training."""

import numpy as np
import pytest
from helpers import SEEDS
from pairs import keras_trace, torch_trace

from parity.ladder import LEVELS
from parity.pair import RunOptions
from parity.pipeline import run_all
from parity.scenarios import scenario
from parity.tolerance import Float64Tolerance

PROGRAMS = ("capacity", "augmentation", "dropout")


def run(tmp_path, *specs, **options):
    """Runs specs one child at a time: the test workers already keep the cores busy."""
    return run_all(specs, RunOptions(out=tmp_path / "out", workers=1, **options))


def failures(result):
    """What went wrong, in words that help in a test report."""
    first = result.first_divergence
    return result.errors or (first and (first[0].id, first[1]))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_whole_float64_training_agrees_to_1e_12_with_every_rate_cut(tmp_path, name):
    (result,) = run(tmp_path, scenario(name).replace(dtype="float64"))
    assert result.verdict == "pass", failures(result)
    keras, torch = result.history["keras"], result.history["torch"]
    assert len(keras["loss"]) == {"capacity": 50, "augmentation": 20, "dropout": 20}[name]
    for key, values in keras.items():
        np.testing.assert_allclose(torch[key], values, rtol=0, atol=1e-12)
    assert keras["learning_rate"] == torch["learning_rate"]
    if name == "capacity":
        assert len(set(keras["learning_rate"])) >= 3


@pytest.mark.parametrize("name", ["augmentation", "dropout"])
@pytest.mark.parametrize("seed", SEEDS)
def test_from_each_seed_all_is_drawn_alike_for_three_epochs(tmp_path, seed, name):
    # In float32, whose masks and initial weights are other streams than those of float64; 150 is no
    # multiple of 17.
    settings = {"seed": seed, "epochs": 3, "train_size": 150, "val_size": 40, "batch_size": 17}
    keras = keras_trace(tmp_path, scenario(name).replace(**settings))
    torch = torch_trace(tmp_path, tmp_path / "torch")
    data, init, forward = (
        LEVELS[level](keras, torch, Float64Tolerance()) for level in ("data", "init", "forward")
    )
    for item in (*data.items, *init.items):
        # Bit for bit, apart from images that were interpolated.
        is_interpolated = item.name == "images" and name == "augmentation"
        assert item.worst <= (5e-7 if is_interpolated else 0), item
    assert {item.epoch for item in data.items} == {None, 0, 1, 2}
    masks = [item for item in forward.items if item.name.endswith(".mask")]
    assert [item.worst for item in masks] == [0] * (2 if name == "dropout" else 0)


@pytest.mark.parametrize("batch_size", [1, 17])
def test_a_batch_size_that_leaves_a_rest_gives_the_same_run_in_float64(tmp_path, batch_size):
    settings = {"dtype": "float64", "epochs": 2, "train_size": 203, "val_size": 50}
    specs = [
        scenario(name).replace(**settings, batch_size=batch_size)
        for name in ("augmentation", "dropout")
    ]
    for result in run(tmp_path, *specs):
        assert result.verdict == "pass", failures(result)
