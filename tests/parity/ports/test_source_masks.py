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
TOKENS = np.array([[3, 1, 0, 0, 0], [2, 4, 1, 2, 0], [1, 1, 2, 3, 4]])


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def recurrent(return_sequences=False):
    tokens = L.Input((5,), dtype="int32")
    x = L.Embedding(6, 4, mask_zero=True)(tokens)
    x = L.LSTM(3, return_sequences=return_sequences)(x)
    return keras.Model(tokens, L.Dense(2)(x))


def pooled():
    x = inputs = L.Input((5, 2))
    x = L.Masking(0.5)(x)
    return keras.Model(inputs, L.GlobalAveragePooling1D()(x))


def difference(model, x, folder):
    module, program, _ = written(model, folder)
    (ours,) = outputs(module.eval()(*fed(program, [x])), program)
    return np.abs(ours - np.asarray(model(x))).max()


def test_a_pool_is_told_the_mask_of_a_masking_layer(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    x[:, 3:] = 0.5
    assert difference(pooled(), x, tmp_path) <= BAR


def test_an_output_carries_its_mask_to_the_loss(tmp_path):
    model = recurrent(return_sequences=True)
    module, program, _ = written(model, tmp_path)
    made = module.eval()(*fed(program, [TOKENS]))
    assert np.array_equal(mask_of(made).numpy(), TOKENS != 0)


class GaussianNoise(L.Layer):
    """A class of the user's own with the name of one of Keras's."""

    def call(self, x):
        return x * 2


def test_a_mask_that_nothing_needs_is_not_made(tmp_path):
    """Keras tells an LSTM with given states none; the last Dense takes none; the loss has it."""
    tokens = L.Input((5,), dtype="int32")
    x = L.Embedding(6, 4, mask_zero=True)(tokens)
    states = [L.Dense(3)(L.Flatten()(L.Embedding(6, 2)(tokens))) for _ in range(2)]
    x = L.LSTM(3, return_sequences=True)(x, initial_state=states)
    model = keras.Model(tokens, L.TimeDistributed(L.Dense(2))(x))
    _, source = source_of(model)
    assert source.count("!= 0") == 1
    assert "with_mask" in source
    assert difference(model, TOKENS, tmp_path) <= BAR


def test_a_class_of_ones_own_is_not_keras_of_that_name():
    x = L.Input((4,))
    with pytest.raises(NoTwinError, match="of class 'GaussianNoise': expected one of"):
        source_of(keras.Model(x, GaussianNoise()(x)))


OTHERS = np.array([[5, 0, 0, 1, 0], [2, 0, 1, 2, 0], [0, 0, 2, 3, 0]])


def joined(join, masked=True):
    """Two sequences of tokens, one of which may have no mask, that a layer joins."""
    tokens, others = L.Input((5,), dtype="int32"), L.Input((5,), dtype="int32")
    x = L.Embedding(6, 4, mask_zero=True)(tokens)
    y = L.Embedding(6, 4, mask_zero=masked)(others)
    return keras.Model([tokens, others], L.LSTM(3)(join([x, y])))


JOINS = {
    "add": (L.Add, {}, "mask = mask | ("),
    "multiply": (L.Multiply, {}, "mask = mask | mask2"),
    "maximum": (L.Maximum, {}, "mask=[mask, mask2]"),
    "features": (L.Concatenate, {}, "mask = mask | ("),
    "steps": (L.Concatenate, {"axis": 1}, "mask = torch.cat([mask, "),
}


@each_row("dtype", ["float64", "float32"])
@each_row("name", JOINS)
def test_masks_of_several_tensors_are_joined_as_keras_joins_them(name, dtype, tmp_path):
    """Keras's graph has operations for it, unless the layer casts its inputs to another dtype."""
    kind, settings, text = JOINS[name]
    model = joined(kind(**settings, dtype=dtype))
    module, program, source = written(model, tmp_path)
    if dtype == "float32":
        assert text in source
    (ours,) = outputs(module.eval()(*fed(program, [TOKENS, OTHERS])), program)
    theirs = np.asarray(model([TOKENS, OTHERS]))
    # One rounding of what is joined, which an LSTM at its beginning does not make larger.
    assert np.abs(ours - theirs).max() <= (BAR if dtype == "float64" else 6e-8)
    # Without the second mask another number of steps would count.
    (other,) = outputs(module.eval()(*fed(program, [TOKENS, TOKENS])), program)
    assert np.abs(other - theirs).max() > 1e-3


@each_row("dtype", ["float64", "float32"])
@each_row("axis", [1, -1])
def test_all_steps_of_a_tensor_without_a_mask_count(axis, dtype, tmp_path):
    model = joined(L.Concatenate(axis=axis, dtype=dtype), masked=False)
    module, program, source = written(model, tmp_path)
    assert "torch.ones_like(" in source
    (ours,) = outputs(module.eval()(*fed(program, [TOKENS, OTHERS])), program)
    allowed = BAR if dtype == "float64" else 6e-8
    assert np.abs(ours - np.asarray(model([TOKENS, OTHERS]))).max() <= allowed


def test_a_sum_with_a_tensor_without_a_mask_has_none(tmp_path):
    model = joined(L.Add(), masked=False)
    module, program, source = written(model, tmp_path)
    assert "mask" not in source
    (ours,) = outputs(module.eval()(*fed(program, [TOKENS, OTHERS])), program)
    assert np.abs(ours - np.asarray(model([TOKENS, OTHERS]))).max() <= BAR


def test_a_mask_of_masks_is_joined_step_by_step(tmp_path):
    tokens, others = L.Input((5,), dtype="int32"), L.Input((5,), dtype="int32")
    table = L.Embedding(6, 4, mask_zero=True)
    x = L.Concatenate(axis=1)([L.Add()([table(tokens), table(others)]), table(others)])
    model = keras.Model([tokens, others], L.GRU(3)(L.Dense(4)(x)))
    module, program, _ = written(model, tmp_path)
    (ours,) = outputs(module.eval()(*fed(program, [TOKENS, OTHERS])), program)
    assert np.abs(ours - np.asarray(model([TOKENS, OTHERS]))).max() <= BAR


def each_step(inner, shape=(2, 5), **settings):
    words = L.Input(shape, dtype="int32")
    x = L.Embedding(6, 4, mask_zero=True)(words)
    return keras.Model(words, L.Dense(2)(L.TimeDistributed(inner, **settings)(x)))


WORDS = np.stack([TOKENS, OTHERS], axis=1)


@each_row("kind", [L.LSTM, L.GRU, L.GlobalAveragePooling1D])
def test_a_layer_is_told_the_mask_of_each_step_to_which_it_is_applied(kind, tmp_path):
    model = each_step(kind() if kind is L.GlobalAveragePooling1D else kind(3))
    module, program, source = written(model, tmp_path)
    assert "mask=each" in source
    (ours,) = outputs(module.eval()(*fed(program, [WORDS])), program)
    assert np.abs(ours - np.asarray(model(WORDS))).max() <= BAR


@each_row("is_step", [True, False])
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
def test_a_mask_that_reaches_layers_inside_of_a_model_is_refused(is_step):
    steps = L.Input((5, 4))
    inner = keras.Model(steps, L.LSTM(3)(steps), name="inner")
    if is_step:
        model = each_step(inner, name="inner_steps")
    else:
        tokens = L.Input((5,), dtype="int32")
        model = keras.Model(tokens, inner(L.Embedding(6, 4, mask_zero=True)(tokens)))
    with pytest.raises(NoTwinError, match=r"'inner.*a mask reaches layers inside of it"):
        source_of(model)


def test_a_model_of_two_inputs_without_masks_is_written(tmp_path):
    """Keras tells it a list of two masks that are none."""
    one, other = L.Input((4,)), L.Input((4,))
    inner = keras.Model([one, other], L.Dense(3)(L.Add()([one, other])))
    x, y = L.Input((4,)), L.Input((4,))
    model = keras.Model([x, y], L.Dense(2)(inner([x, y])))
    arrays = list(np.random.default_rng(0).normal(size=(2, 3, 4)))
    module, program, _ = written(model, tmp_path)
    (ours,) = outputs(module.eval()(*fed(program, arrays)), program)
    assert np.abs(ours - np.asarray(model(arrays))).max() <= BAR


def test_a_merging_layer_of_two_models_is_traced_and_left_as_it_was():
    shared = L.Add(name="both")
    tokens, others = L.Input((5,), dtype="int32"), L.Input((5,), dtype="int32")

    def inner(name):
        one, other = L.Input((5,), dtype="int32"), L.Input((5,), dtype="int32")
        tables = [L.Embedding(6, 4, mask_zero=True)(each) for each in (one, other)]
        return keras.Model([one, other], L.LSTM(3)(shared(tables)), name=name)

    merged = L.Concatenate()([inner(name)([tokens, others]) for name in ("first", "second")])
    config = json.loads(keras.Model([tokens, others], merged).to_json())["config"]
    twin = from_keras_config(config, shared=["both"])
    traced = trace(twin, config)
    assert set(traced.inner) == {"first", "second"}
    assert not any("compute_mask" in vars(module) for module in twin.modules())
