"""A file of a whole model is loaded as Keras saved it; what it has no code for is refused."""

import json
import zipfile

import keras
import numpy as np
import pytest
from keras import layers as L
from rows import each_row

from parity.errors import InputError
from parity.halves.keras.program.saved_model import saved_model


class Own(L.Layer):
    """A layer of the user's."""

    def call(self, x):
        return x


def mine(x):
    return x


def saved(folder, name, *layers):
    model = keras.Sequential([L.Input((3,)), *layers, L.Dense(2)])
    model.compile(keras.optimizers.SGD(0.03), keras.losses.mean_squared_error)
    model.save(folder / name)
    return model


@each_row("name", ["m.keras", "m.h5"])
def test_a_model_is_what_was_saved(tmp_path, name):
    model = saved(tmp_path, name, L.Dense(4, activation="relu"), L.BatchNormalization())
    loaded = saved_model(tmp_path / name)()
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.compiled
    assert type(loaded.optimizer).__name__ == "SGD"


def test_the_rate_is_that_of_the_program_and_not_what_float32_left_of_it(tmp_path):
    saved(tmp_path, "m.keras")
    keras.config.set_floatx("float64")
    assert float(saved_model(tmp_path / "m.keras")().optimizer.learning_rate.numpy()) == 0.03


@each_row("name", ["m.keras", "m.h5"])
def test_all_code_that_a_file_does_not_have_is_named_at_once(tmp_path, name):
    saved(
        tmp_path,
        name,
        Own(name="own"),
        L.Lambda(lambda x: x * 2, name="twice"),
        L.Dense(2, activation=mine, name="bent"),
    )
    with pytest.raises(InputError) as raised:
        saved_model(tmp_path / name)()
    told = str(raised.value)
    assert "\n" not in told
    for part in (
        "the class 'Own' of layer 'own'",
        "the code of a Lambda, layer 'twice'",
        "the function 'mine' of layer 'bent'",
        "expected a function of your own",
    ):
        assert part in told


def changed(folder, change):
    """A `.keras` whose configuration is another one."""
    saved(folder, "m.keras", L.Dense(2, name="first"))
    with zipfile.ZipFile(folder / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config["config"]["layers"][1])
    members["config.json"] = json.dumps(config).encode()
    path = folder / "changed.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@each_row("change, told", [
        ({"module": "os", "class_name": "system", "registered_name": None}, "the class 'system'"),
        ({"module": "keras.layers", "class_name": "TFSMLayer"}, "the code of a TFSMLayer"),
        ({"config": {"name": "v", "vocabulary": "/etc/passwd"}}, "the path of a file, vocabulary"),
        ({"config": {"name": "d", "activation": {"class_name": "function", "config": "get_file"}}},
         "the function 'get_file'"),
    ])  # fmt: skip
def test_what_a_hostile_file_names_is_neither_imported_nor_read(tmp_path, change, told):
    path = changed(tmp_path, lambda layer: layer.update(change))
    with pytest.raises(InputError, match=told):
        saved_model(path)()


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_h5_that_keras_writes_and_does_not_read_is_told_as_such(tmp_path):
    """The same model in a `.keras` is read."""
    inputs = L.Input((3,))
    one, other = L.Dense(2)(inputs), L.Dense(2)(inputs)
    model = keras.Model(inputs, one + other)
    for name in ("sum.h5", "sum.keras"):
        model.save(tmp_path / name)
    with pytest.raises(InputError, match=r"sum\.h5: Keras .* cannot load it") as raised:
        saved_model(tmp_path / "sum.h5")()
    assert "an .h5 which it cannot read again, and can as .keras" in str(raised.value)
    loaded = saved_model(tmp_path / "sum.keras")()
    x = np.ones((2, 3))
    np.testing.assert_array_equal(loaded(x), model(x))


def test_what_keras_cannot_load_is_one_line(tmp_path):
    """It is a `.keras`: another form would not help."""
    path = changed(tmp_path, lambda layer: layer["config"].update(units="many"))
    with pytest.raises(InputError, match=r"changed\.keras: Keras .* cannot load it") as raised:
        saved_model(path)()
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(
        "expected a file that keras.models.load_model loads, or a function of your own that builds "
        "the model and loads its weights"
    )
