"""What a user says of an input is looked at, and a wrong word is told in one line."""

import sys

import keras
import pytest
from rows import each_row

from keras_impl import Input
from parity.errors import InputError
from parity.halves.keras.factories import call_factory, user_factory
from parity.halves.keras.program.script import factory_of
from parity.programs.check_spec import CheckSpec


@each_row(
    "settings, told",
    [
        ({"kind": "token"}, "Input(kind='token'): expected one of tokens, numbers, image, boo"),
        ({"kind": "tokens"}, "Input(kind='tokens'): expected their number, count=..., too"),
        ({"kind": "tokens", "count": 0}, "Input(count=0): expected a whole number of at least 1"),
        ({"count": 2.5}, "Input(count=2.5): expected a whole number of at least 1"),
        ({"count": True}, "Input(count=True): expected a whole number"),
        ({"kind": "numbers", "count": 3}, "Input(count=3): expected none, since kind is 'numbers'"),
        ({"count": 3, "range": (0, 2)}, "Input(count=..., range=...): expected one of them"),
        ({"range": (2, 1)}, "Input(range=(2, 1)): expected two finite numbers, the smaller one"),
        ({"range": (0, float("nan"))}, "expected two finite numbers"),
        ({"range": 5}, "Input(range=5): expected two finite numbers"),
        ({"range": (0, 0.5), "kind": "tokens"}, "expected whole numbers, since kind is 'tokens'"),
        ({"range": (0, 1), "kind": "booleans"}, "expected none, since kind is 'booleans'"),
        ({"padding": "left"}, "Input(padding='left'): expected one of none, post, any"),
        ({"shape": 5}, "Input(shape=5): expected whole numbers of at least 1, or None"),
        ({"shape": (0, 3)}, "Input(shape=(0, 3)): expected whole numbers"),
        ({"shape": (2.0,)}, "Input(shape=(2.0,)): expected whole numbers"),
        ({"dtype": "string"}, "Input(dtype='string'): expected the name of one of numbers"),
    ],
)
def test_a_wrong_setting_of_an_input_is_told_in_one_line(settings, told):
    with pytest.raises(InputError) as raised:
        call_factory(lambda: Input(**settings), seed=1)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


@each_row(
    "given, limits",
    [
        (Input((3, None), "tokens", 7), (0, 6)),
        (Input(range=(-1, 2.5)), (-1, 2.5)),
        (Input((), kind="tokens", range=(1, 12), padding="post", dtype="int32"), (1, 12)),
        (Input(count=4), (0, 3)),
        (Input(kind="image"), None),
    ],
)
def test_an_input_has_limits_if_they_are_said(given, limits):
    assert given.limits == limits


@pytest.fixture
def file_with_a_loss(tmp_path, monkeypatch):
    """A file of a user's with objects at its top, and Keras left as it was."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = keras.config.floatx(), keras.config.dtype_policy()
    (tmp_path / "top_of_keras.py").write_text(
        "import keras\nLOSS = keras.losses.BinaryCrossentropy(label_smoothing=0.1)\n"
        "METRIC = keras.metrics.Mean()\nAUGMENT = keras.Sequential([keras.layers.RandomFlip()])\n"
        "PINNED = keras.layers.Activation('softmax', dtype='float32')\n"
        "def build():\n    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n"
        "    model.tops = [LOSS.dtype, METRIC.dtype, AUGMENT.compute_dtype, PINNED.compute_dtype]\n"
        "    return model\n"
    )
    keras.config.set_floatx("float32")
    yield tmp_path
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])
    sys.modules.pop("top_of_keras", None)


def test_objects_at_the_top_of_a_file_have_the_dtype_of_each_call(file_with_a_loss):
    reference = "top_of_keras.py:build"
    spec = CheckSpec(keras=reference, torch="t.py:build", folder=str(file_with_a_loss))
    assert {*call_factory(factory_of(spec), 0).model.tops} == {"float64"}
    factory = user_factory("--keras", reference, file_with_a_loss, 0)
    for dtype in ("float64", "float32", "float64"):
        assert {*call_factory(factory, 0, dtype).model.tops} == {dtype}
