"""Whole trainings of scripts: what they set, draw and do beside `fit` is no fault of the port."""

import shutil

import pytest
from programs_here import FOLDER, left_out, result_of, spec_of

from parity.errors import InputError
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

TRAIN = (FOLDER / "train.py").read_text()
OWN_SEED = "keras.utils.set_random_seed(int(sys.argv[1]))"
IN_A_ROW = "import random, numpy as np, tensorflow as tf\nrandom.seed(4); np.random.seed(4)\n"


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Trains a script and the right port; returns the result and the trace of Keras."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def train(script, name="run", **settings):
        folder = tmp_path / "mine"
        shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
        (folder / "train.py").write_text(script)
        spec = spec_of("train.py", arguments=("3",), epochs=1, **settings)
        result = result_of(spec.replace(folder=str(folder)), tmp_path / name)
        return result, Trace(RunFolder(tmp_path / name).half("keras").path)

    return train


def start_of(trace):
    return {name: trace[f"start/{name}"].tolist() for name in trace.below("start")}


@pytest.mark.long
def test_a_seed_that_is_asked_for_takes_the_place_of_any_that_a_script_sets(trained):
    seeds = {"seed": 7, "sets_seed": True}
    found = [
        trained(TRAIN, "keras", **seeds),
        trained(TRAIN.replace(OWN_SEED, f"{IN_A_ROW}tf.random.set_seed(4)"), "row", **seeds),
        trained(TRAIN.replace(OWN_SEED, ""), "none", seed=7),
    ]
    assert [result.verdict for result, _ in found] == ["pass"] * 3
    starts = [start_of(trace) for _, trace in found]
    assert starts[0] == starts[1] == starts[2]
    histories = [result.history["keras"]["loss"] for result, _ in found]
    assert histories[0] == histories[1] == histories[2]  # the order of the samples, too
    # These scripts do nothing but train.
    told = {each for result, _ in found for each in left_out(result)}
    assert not {"later trainings of the script", "what the script does after `fit`"} & told


def test_a_script_that_draws_its_model_from_the_clock_is_told(trained):
    drawing = "net = model()\nimport time\nnet.optimizer.learning_rate = time.time() % 1 + 0.01\n"
    with pytest.raises(InputError, match=r"^train.py builds another model each time it runs: lear"):
        trained(TRAIN.replace("net = model()\n", drawing))


@pytest.mark.long
def test_what_a_script_does_after_fit_is_left_out_and_told(trained):
    result, _ = trained(f"{TRAIN}net.fit(x, y, verbose=0)\nnet.fit(x, y, verbose=0)\n1 / 0\n")
    assert result.verdict == "pass"
    why = left_out(result)
    assert "calls `fit` 3 times, and the first call is" in why["later trainings of the script"]
    told = why["what the script does after `fit`"]
    assert told == "it broke off (ZeroDivisionError: division by zero (train.py, line 23))"
