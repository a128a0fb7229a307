"""`fit` of a user's program in the rounds of a benchmark, without a parent."""

import keras
import numpy as np
import pytest
from bench_children import Rounds
from programs_here import spec_of

from parity.bench.server import JOINED, NoMoreRounds, ProgramBenchTask
from parity.errors import InputError
from parity.halves.keras.bench import bench_program
from parity.traces.feed_file import write_feed

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("user_program")]


@pytest.fixture
def fits(monkeypatch):
    """The model and the arguments of every call of `fit`."""
    found, own = [], keras.Model.fit

    def fit(model, *arguments, **keywords):
        found.append((model, keywords))
        return own(model, *arguments, **keywords)

    monkeypatch.setattr(keras.Model, "fit", fit)
    return found


def rounds_of(run, part="train", samples=70, keras="keras_side.py:build", **changes):
    task = ProgramBenchTask(
        part, "keras", "fp32", spec_of(keras=keras, batch_size=16), samples, str(run), **changes
    )
    server = Rounds(2)
    with pytest.raises(NoMoreRounds):
        bench_program(task, None, server)
    return server


@pytest.mark.parametrize(
    ("samples", "steps"), [(70, 5), (32, 2)], ids=["an epoch", "a part of one"]
)
def test_fit_gets_its_own_arguments_but_for_validation_and_callbacks(
    fits, tmp_path, samples, steps
):
    server = rounds_of(tmp_path, samples=samples)
    ((model, given),) = fits
    assert server.samples == [samples, samples]
    assert int(model.optimizer.iterations) == 2 * steps
    assert model.dtype == "float32"
    assert set(given) == {
        *("x", "y", "sample_weight", "batch_size", "class_weight", "shuffle"),
        *("epochs", "verbose", "callbacks"),
    }
    assert (len(given["x"]), given["class_weight"]) == (samples, {0: 0.7, 1: 2.1})
    assert [type(each).__name__ for each in given["callbacks"]] == ["Rounds"]


def test_written_batches_are_fed_from_memory_with_their_weights(fits, tmp_path):
    draw = np.random.default_rng(0)
    weight = draw.uniform(size=48)
    nests = {"x": draw.normal(size=(48, 6)), "y": np.arange(48) % 3, "weight": weight}
    write_feed(tmp_path / JOINED, nests, {})
    rounds_of(tmp_path, samples=48, keras="keras_side.py:batches", is_written=True)
    given = fits[0][1]
    assert given["sample_weight"].tolist() == weight.tolist()
    assert (given["shuffle"], given["class_weight"]) == (False, None)


@pytest.mark.parametrize(("samples", "batch_size", "steps"), [(50, 8, 7), (20, 8, 3), (50, 25, 2)])
def test_a_flow_of_the_program_is_fed_in_passes(fits, tmp_path, samples, batch_size, steps):
    spec = spec_of(keras="flow_keras:build", batch_size=batch_size)
    task = ProgramBenchTask("train", "keras", "fp32", spec, samples, str(tmp_path), is_flow=True)
    server = Rounds(2)
    with pytest.raises(NoMoreRounds):
        bench_program(task, None, server)
    ((model, fed),) = fits
    assert server.samples == [samples, samples]
    assert int(model.optimizer.iterations) == 2 * steps
    assert (fed["x"].n, fed["x"].batch_size) == (samples, batch_size)
    assert fed["x"].image_data_generator.rotation_range == 20
    assert fed.get("validation_data") is None


def test_a_program_in_another_precision_is_refused(tmp_path):
    (tmp_path / "half_side.py").write_text(
        "import keras\n"
        "import keras_side\n"
        "def build():\n"
        "    keras.config.set_dtype_policy('mixed_bfloat16')\n"
        "    return keras_side.build()\n"
    )
    spec = spec_of(keras=f"{tmp_path}/half_side.py:build", batch_size=16)
    task = ProgramBenchTask("train", "keras", "fp32", spec, 70, str(tmp_path))
    with pytest.raises(InputError, match="computes in bfloat16; expected float32"):
        bench_program(task, None, Rounds(1))
