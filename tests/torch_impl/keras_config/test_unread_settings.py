"""A setting that nothing in a twin heeds is refused by the names of layer and setting."""

import inspect

import keras
import pytest
from keras import layers as L
from rows import each_row

from torch_impl.keras_config import NoTwinError, from_keras_config
from torch_impl.keras_config.rows.entry import USUAL


def config_of(layer):
    return keras.Sequential([L.Input((6, 4)), layer]).get_config()


def test_a_low_rank_part_is_refused():
    config = config_of(L.Dense(2, lora_rank=1, name="head"))
    with pytest.raises(NoTwinError, match=r"^layer 'head' of class 'Dense': lora_rank=1.*: expect"):
        from_keras_config(config)


@each_row(
    "layer, path, kind",
    [
        (L.Dense(2, name="one"), (), "Dense"),
        (L.Conv1D(2, 2, name="one"), (), "Conv1D"),
        (L.Dropout(0.5, name="one"), (), "Dropout"),
        (L.RNN(L.GRUCell(2), name="one"), ("cell",), "RNN"),
        (L.Bidirectional(L.LSTM(2, name="one")), ("layer",), "LSTM"),
        (L.TimeDistributed(L.Dense(2, name="one")), ("layer",), "Dense"),
        (L.Dense(2, activation=L.LeakyReLU(0.3), name="one"), ("activation",), "Dense"),
    ],
)
@each_row("value", ["fast", True, False, 0, {"mode": "int8"}])
def test_a_setting_of_a_newer_keras_is_refused_wherever_it_stands(layer, path, kind, value):
    config = config_of(layer)
    inner = config["layers"][1]["config"]
    for key in path:
        inner = inner[key]["config"]
    inner["of_keras_9"] = value
    with pytest.raises(NoTwinError) as caught:
        from_keras_config(config)
    (problem,) = caught.value.problems
    assert f"of class {kind!r}: of_keras_9={value!r}: expected no such setting" in problem
    inner["of_keras_9"] = None
    from_keras_config(config)


@each_row("kind, name, usual", [(kind, *row) for kind in USUAL for row in USUAL[kind].items()])
def test_a_usual_value_is_that_of_keras(kind, name, usual):
    parameters = inspect.signature(getattr(L, kind).__init__).parameters
    assert usual is ... or parameters[name].default == usual
