"""Masks of sequences are made where they come from, and told to the layers that take them."""

import json

import keras
import numpy as np
import pytest
from keras import layers as L
from rows import each_row
from written import fed, outputs, source_of, written

from parity.ports.graph import trace
from torch_impl.keras_config import NoTwinError, from_keras_config
from torch_impl.masks import mask_of

BAR = 1e-12
IN_FLOAT32 = 6e-8  # one rounding of what is joined, which an LSTM at its beginning leaves as it is
TOKENS = np.array([[3, 1, 0, 0, 0], [2, 4, 1, 2, 0], [1, 1, 2, 3, 4]])
OTHERS = np.array([[5, 0, 0, 1, 0], [2, 0, 1, 2, 0], [0, 0, 2, 3, 0]])
STEPS = np.random.default_rng(0).normal(size=(3, 5, 2))
STEPS[:, 3:] = 0.5


def words(shape=(5,)):
    return L.Input(shape, dtype="int32")


def embedded(tokens, masked=True):
    return L.Embedding(6, 4, mask_zero=masked)(tokens)


def pooled():
    inputs = L.Input((5, 2))
    return keras.Model(inputs, L.GlobalAveragePooling1D()(L.Masking(0.5)(inputs)))


def needed():
    """Keras tells an LSTM with given states none; the last Dense takes none; the loss has it."""
    tokens = words()
    states = [L.Dense(3)(L.Flatten()(L.Embedding(6, 2)(tokens))) for _ in range(2)]
    x = L.LSTM(3, return_sequences=True)(embedded(tokens), initial_state=states)
    return keras.Model(tokens, L.TimeDistributed(L.Dense(2))(x))


def joined(join, masked=True):
    """Two sequences of tokens, one of which may have no mask, that a layer joins."""
    inputs = [words(), words()]
    return keras.Model(inputs, L.LSTM(3)(join([embedded(inputs[0]), embedded(inputs[1], masked)])))


def of_masks():
    """A mask of masks."""
    inputs, table = [words(), words()], L.Embedding(6, 4, mask_zero=True)
    x, y = map(table, inputs)
    x = L.Concatenate(axis=1)([L.Add()([x, y]), table(inputs[1])])
    return keras.Model(inputs, L.GRU(3)(L.Dense(4)(x)))


def each_step(inner, **settings):
    steps = words((2, 5))
    return keras.Model(steps, L.Dense(2)(L.TimeDistributed(inner, **settings)(embedded(steps))))


def unmasked():
    """Keras tells it a list of two masks that are none."""
    inner = [L.Input((5,)), L.Input((5,))]
    inner = keras.Model(inner, L.Dense(3)(L.Add()(inner)))
    inputs = [L.Input((5,)), L.Input((5,))]
    return keras.Model(inputs, L.Dense(2)(inner(inputs)))


BOTH = [TOKENS, OTHERS]
IN_STEPS = [np.stack(BOTH, axis=1)]
JOINS = {
    "add": (L.Add, {}, "mask = mask | ("),
    "multiply": (L.Multiply, {}, "mask = mask | mask2"),
    "maximum": (L.Maximum, {}, "mask=[mask, mask2]"),
    "features": (L.Concatenate, {}, "mask = mask | ("),
    "steps": (L.Concatenate, {"axis": 1}, "mask = torch.cat([mask, "),
}
# Model -> what it is fed, and a text that is so often in its source. Keras's graph has operations
# that join masks, unless the layer casts its inputs to another dtype.
CASES = {
    "pool": (pooled, [STEPS], "mask = ", 1),
    "needed": (needed, [TOKENS], "!= 0", 1),
    **{
        f"{name} in {dtype}": (
            lambda kind=kind, options={**settings, "dtype": dtype}: joined(kind(**options)),
            BOTH,
            text if dtype == "float32" else "mask",
            None,
        )
        for name, (kind, settings, text) in JOINS.items()
        for dtype in ("float64", "float32")
    },
    # All steps of a tensor without a mask count.
    **{
        f"one mask, axis {axis} in {dtype}": (
            lambda axis=axis, dtype=dtype: joined(L.Concatenate(axis, dtype=dtype), masked=False),
            BOTH,
            "torch.ones_like(",
            None,
        )
        for axis in (1, -1)
        for dtype in ("float64", "float32")
    },
    "sum without": (lambda: joined(L.Add(), masked=False), BOTH, "mask", 0),
    "masks of masks": (of_masks, BOTH, "mask", None),
    "each lstm": (lambda: each_step(L.LSTM(3)), IN_STEPS, "mask=each", 1),
    "each gru": (lambda: each_step(L.GRU(3)), IN_STEPS, "mask=each", 1),
    "each pool": (lambda: each_step(L.GlobalAveragePooling1D()), IN_STEPS, "mask=each", 1),
    "no masks": (unmasked, list(np.moveaxis(STEPS, 2, 0)), "mask", 0),
}


@each_row("name", CASES)
def test_steps_are_left_out_as_in_keras(name, tmp_path):
    build, x, text, count = CASES[name]
    model = build()
    module, program, source = written(model, tmp_path)
    assert source.count(text) == count if count is not None else text in source
    made = module.eval()(*fed(program, x))
    (ours,), theirs = outputs(made, program), np.asarray(model(x if len(x) > 1 else x[0]))
    assert np.abs(ours - theirs).max() <= (IN_FLOAT32 if "float32" in name else BAR)
    if name == "needed":  # an output carries its mask to the loss
        np.testing.assert_array_equal(mask_of(made), TOKENS != 0)
    if name.partition(" ")[0] in JOINS:  # without the second mask other steps would count
        (other,) = outputs(module.eval()(*fed(program, [TOKENS, TOKENS])), program)
        assert np.abs(other - theirs).max() > 1e-3


class GaussianNoise(L.Layer):
    """A class of the user's own with the name of one of Keras's."""

    def call(self, x):
        return x * 2


def inside(is_step):
    """A mask reaches layers inside of a model."""
    steps = L.Input((5, 4))
    inner = keras.Model(steps, L.LSTM(3)(steps), name="inner")
    if is_step:
        return each_step(inner, name="inner_steps")
    tokens = words()
    return keras.Model(tokens, inner(embedded(tokens)))


def named():
    x = L.Input((4,))
    return keras.Model(x, GaussianNoise()(x))


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
@each_row(
    "build, told",
    [
        (named, "of class 'GaussianNoise': expected one of"),
        (lambda: inside(True), r"'inner.*a mask reaches layers inside of it"),
        (lambda: inside(False), r"'inner.*a mask reaches layers inside of it"),
    ],
    ids=["name", "step", "model"],
)
def test_what_is_not_known_is_refused(build, told):
    with pytest.raises(NoTwinError, match=told):
        source_of(build())


def test_a_merging_layer_of_two_models_is_traced_and_left_as_it_was():
    shared = L.Add(name="both")

    def inner(name):
        inputs = [words(), words()]
        return keras.Model(inputs, L.LSTM(3)(shared([*map(embedded, inputs)])), name=name)

    inputs = [words(), words()]
    merged = L.Concatenate()([inner(name)(inputs) for name in ("first", "second")])
    config = json.loads(keras.Model(inputs, merged).to_json())["config"]
    twin = from_keras_config(config, shared=["both"])
    assert set(trace(twin, config).inner) == {"first", "second"}
    assert not any("compute_mask" in vars(module) for module in twin.modules())
