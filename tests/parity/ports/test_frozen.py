"""Layers that do not train are frozen in few statements, and no others are."""

import json

import keras
from keras import layers as L
from rows import each_row
from written import written

from parity.ports.fit_text import frozen_text
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


def frozen(model, *, until=None):
    """A model that does not train; or whose layers do not, up to one by name."""
    for part in [model] if until is None else model.layers:
        part.trainable = until is not None and part.name > until
    return model


def small():
    """A frozen layer of a model inside, and two of the model around it, of which one can."""
    inner = keras.Sequential([L.Input((3,)), L.Dense(4, name="kept"), L.Dense(2)], name="inner")
    frozen(inner.get_layer("kept"))
    x = L.Input((3,))
    y = L.Dense(1, name="end", trainable=False)(L.Dropout(0.5, trainable=False)(inner(x)))
    return keras.Model(x, y)


# Model -> the statements, and how many parameters train after them. As a fine-tuning has it, of a
# block that is frozen in part, the parts are named, and whole blocks are one.
CASES = {
    "nothing": (lambda: transfer(base()), [], None),
    "a base": (lambda: transfer(frozen(base())), ["model.base.requires_grad_(False)"], 2),
    "the network": (lambda: frozen(transfer(base())), ["model.requires_grad_(False)"], 0),
    "layers by their paths": (
        small,
        ["model.inner.kept.requires_grad_(False)", "model.end.requires_grad_(False)"],
        2,
    ),
    "the first layers of a base": (
        lambda: transfer(frozen(base(), until="block2_narrow")),
        [
            'frozen = ["base.blocks.block0", "base.blocks.block1", '
            '"base.blocks.block2.narrow", "base.blocks.block2.end"]',
            "for name in frozen:",
            "    model.get_submodule(name).requires_grad_(False)",
        ],
        None,
    ),
}


@each_row("what", CASES)
def test_what_does_not_train_is_frozen_in_few_statements(what, tmp_path):
    build, statements, count = CASES[what]
    model = build()
    config = json.loads(model.to_json())["config"]
    module, program, _ = written(model, tmp_path)
    found = frozen_text(module, program, trace(from_keras_config(config), config))
    assert found == statements
    exec("\n".join(found), {"model": module})  # noqa: S102 - it is what train.py does
    left = [name for name, weight in module.named_parameters() if weight.requires_grad]
    assert len(left) == (len(model.trainable_weights) if count is None else count)
    assert what != "a base" or left == ["end.weight", "end.bias"]
