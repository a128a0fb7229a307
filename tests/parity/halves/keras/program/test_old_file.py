"""Files that Keras 2.15 wrote (benchmarks/old_files/writer.py) compute what they computed there."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from paths import SUPPORT
from rows import each_row

from parity.errors import InputError
from parity.halves.keras.program.saved_model import renewed_file, saved_model, version_of

FOLDER = SUPPORT / "keras_2"
READ = [path.name for path in sorted(FOLDER.iterdir()) if path.with_suffix(".npz").exists()]
READ = [name for name in READ if not name.endswith(".npz")]


@each_row("name", READ)
def test_outputs_are_those_of_keras_2(name):
    model = saved_model(FOLDER / name)()
    given = np.load((FOLDER / name).with_suffix(".npz"))
    xs = [given[key] for key in given if key.startswith("x")]
    ys = model(xs if len(xs) > 1 else xs[0], training=False)
    for number, y in enumerate(ys if isinstance(ys, list) else [ys]):
        # Both compute in float32, by other kernels.
        np.testing.assert_allclose(y, given[f"y{number}"], rtol=1e-5, atol=1e-6)


@each_row("name, told", [
        ("refused_hard_sigmoid.keras", "has hard_sigmoid of layer 'activation'.* otherwise"),
        ("refused_threshold.keras", "has the class 'ThresholdedReLU'.*which Keras 3 has not"),
        ("refused_random.h5", "has the operation 'nn.dropout' of TensorFlow for which"),
    ])  # fmt: skip
def test_what_keras_3_computes_otherwise_is_refused_in_one_line(name, told):
    with pytest.raises(InputError, match=told) as raised:
        saved_model(FOLDER / name)()
    assert "\n" not in str(raised.value)


def test_what_a_model_was_compiled_with_is_there():
    model = saved_model(FOLDER / "two_outputs.h5")()
    assert type(model.optimizer) is keras.optimizers.SGD
    assert model.optimizer.momentum == 0.9
    assert float(model.optimizer._learning_rate(10)) == pytest.approx(0.09)
    model = saved_model(FOLDER / "words.keras")()
    assert (type(model.optimizer), model.loss) == (keras.optimizers.RMSprop, "binary_crossentropy")


@each_row("name", ["photos.h5", "words.keras"])
def test_a_renewed_file_is_a_copy_and_the_old_one_stays(tmp_path, name):
    before = (FOLDER / name).read_bytes()
    copy = renewed_file(FOLDER / name, tmp_path)
    assert (copy.parent, copy.name) == (tmp_path, name)
    assert (FOLDER / name).read_bytes() == before
    assert version_of(copy) == version_of(FOLDER / name) == "2.15.0"


def test_a_file_without_metadata_has_no_version(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    assert version_of(Path(tmp_path / "m.keras")) == ""
