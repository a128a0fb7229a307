"""Layers that do not train are frozen in few statements, and no others are."""

import json

import keras
from keras import layers as L
from written import written

from parity.ports.frozen import frozen_text
from parity.ports.graph import trace
from torch_impl.keras_config import from_keras_config


def base():
    """A model of four blocks of four layers, as the base of a transfer."""
    x = inputs = L.Input((3,))
    for number in range(4):
        y = L.Dense(5, activation="relu", name=f"block{number}_widen")(x)
        y = L.LayerNormalization(name=f"block{number}_norm")(y)
        y = L.Dense(3, activation="tanh", name=f"block{number}_narrow")(y)
        x = L.Add(name=f"block{number}_add")([x, L.Dense(3, name=f"block{number}_end")(y)])
    return keras.Model(inputs, x, name="base")


def transfer(inner):
    x = L.Input((3,))
    return keras.Model(x, L.Dense(1, name="end")(L.Dropout(0.5)(inner(x))))


def statements_of(model, folder):
    """The statements, and the names of the parameters that train after them."""
    config = json.loads(model.to_json())["config"]
    module, program, _ = written(model, folder)
    found = frozen_text(module, program, trace(from_keras_config(config), config))
    exec("\n".join(found), {"model": module})  # noqa: S102 - it is what train.py does
    return found, [name for name, weight in module.named_parameters() if weight.requires_grad]


def test_a_network_that_trains_whole_needs_no_statement(tmp_path):
    assert statements_of(transfer(base()), tmp_path)[0] == []


def test_a_base_is_frozen_in_one_statement(tmp_path):
    inner = base()
    inner.trainable = False
    found, left = statements_of(transfer(inner), tmp_path)
    assert found == ["model.base.requires_grad_(False)"]
    assert left == ["end.weight", "end.bias"]


def test_a_network_may_be_frozen_whole(tmp_path):
    model = transfer(base())
    model.trainable = False
    assert statements_of(model, tmp_path) == (["model.requires_grad_(False)"], [])


def test_a_layer_of_a_model_inside_is_named_by_its_path(tmp_path):
    inner = keras.Sequential([L.Input((3,)), L.Dense(4, name="kept"), L.Dense(2)], name="inner")
    inner.get_layer("kept").trainable = False
    x = L.Input((3,))
    y = L.Dense(1, name="end", trainable=False)(L.Dropout(0.5, trainable=False)(inner(x)))
    found, left = statements_of(keras.Model(x, y), tmp_path)
    assert found == [
        "model.inner.kept.requires_grad_(False)",
        "model.end.requires_grad_(False)",
    ]
    assert [name.partition(".")[0] for name in left] == ["inner", "inner"]


def test_the_first_layers_of_a_base_are_listed_and_whole_blocks_are_one(tmp_path):
    """As a fine-tuning has them: of a block that is frozen in part, the parts are named."""
    inner = base()
    for layer in inner.layers:
        layer.trainable = layer.name > "block2_narrow"
    found, left = statements_of(transfer(inner), tmp_path)
    assert found == [
        'frozen = ["base.blocks.block0", "base.blocks.block1", '
        '"base.blocks.block2.narrow", "base.blocks.block2.end"]',
        "for name in frozen:",
        "    model.get_submodule(name).requires_grad_(False)",
    ]
    assert len(left) == len(inner.trainable_weights) + len(["end.weight", "end.bias"])
