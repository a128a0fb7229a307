"""Twins of models with masks of sequences: outputs, their masks, gradients, in both modes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from keras import ops
from rows import each_row
from test_twin_layers import BAR, assert_twin, difference, fill_weights, flat

from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.builders import BUILDERS
from torch_impl.keras_config.custom import Lambda
from torch_impl.keras_config.graph import Call, Tensor
from torch_impl.keras_config.masks import taken_from, told_to
from torch_impl.masks import mask_of

pytestmark = pytest.mark.usefixtures("direct")

WORDS, STEPS = 11, 7


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def tokens(shape, seed):
    """Token 0 at the end of most sequences, and inside of and before some; one token at least."""
    generator = np.random.default_rng(seed)
    found = generator.integers(1, WORDS, size=shape)
    lengths = generator.integers(1, shape[-1], size=(*shape[:-1], 1))
    found[np.arange(shape[-1]) >= lengths] = 0
    found[-1, ..., 0] = found[-1, ..., 2] = 0
    found[-1, ..., 3] = 4
    return found.astype("int32")


def measured(shape, seed, value=0.0):
    """Signed features, with steps of one value alone, and steps where some features have it."""
    generator = np.random.default_rng(seed)
    found = generator.normal(size=shape)
    found[generator.random(shape[:2]) < 0.4] = value
    found[:, 3, 1] = value
    found[:, 2] = value
    found[:, 0, 2] = 0.5
    return found


def chain(*layers, shape=(STEPS,), dtype="int32"):
    def build():
        return keras.Sequential([L.Input(shape, dtype=dtype), *(layer() for layer in layers)])

    return build


def embedding(width=4):
    return L.Embedding(WORDS, width, mask_zero=True)


def graph(function, *inputs):
    """A functional model of token inputs, each with an embedding of its own."""

    def build():
        given = [L.Input((STEPS,), dtype="int32") for _ in range(inputs[0] if inputs else 1)]
        ends = function(*(embedding()(x) for x in given))
        return keras.Model(given if len(given) > 1 else given[0], ends)

    return build


def recurrent(kind, **options):
    return graph(lambda x: getattr(L, kind)(3, **options)(x))


def seq2seq(source, target):
    """The mask of the target does not reach a layer that is given its first state, as in Keras."""
    _, *states = L.LSTM(3, return_state=True)(source)
    return L.Dense(2)(L.LSTM(3, return_sequences=True)(target, initial_state=states))


def nested(x):
    inner = keras.Sequential([L.Input((STEPS, 4)), L.Dropout(0.3, seed=4), L.GRU(3)])
    whole = L.Input((STEPS, 4))
    outer = keras.Model(whole, L.LSTM(4, return_sequences=True)(whole))
    return inner(outer(x))


def two_ends(x):
    y = L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode=None)(x)
    return [*y, L.Dense(2)(x), L.Flatten()(x)]


def by_hand(x):
    """Masks that are given to layers, computed by operations."""
    mask = ops.any(ops.greater(x, 0.02), axis=-1)
    y = L.LSTM(3, return_sequences=True)(x, mask=mask)
    scores = ops.squeeze(L.Dense(1)(y), -1)
    weights = L.Softmax(axis=1)(scores, mask=ops.logical_not(mask))
    return [L.GlobalAveragePooling1D()(y, mask=mask), weights]


def merged(name, **options):
    def function(first, second):
        """The second input is shorter in places, so that the masks differ."""
        both = [L.LSTM(4, return_sequences=True)(first), L.Dense(4)(second)]
        y = getattr(L, name)(**options)(both)
        return [y, L.GRU(3)(y)]

    return graph(function, 2)


def merged_with_unmasked(name):
    def function(x):
        y = getattr(L, name)()([x, L.Conv1D(4, 3, padding="same")(x), L.Dense(4)(x)])
        return [y, L.GRU(2)(y)]

    return graph(function)


def of_ranks(name):
    """The input of fewer axes gets new ones, and loses its mask."""

    def function(x):
        y = getattr(L, name)()([x, L.LSTM(4)(x)])
        return [y, L.GRU(2)(y)]

    return graph(function)


DESTROYING = {
    "conv": lambda: L.Conv1D(3, 2),
    "flatten": L.Flatten,
    "reshape": lambda: L.Reshape((STEPS, 2, 2)),
    "permute": lambda: L.Permute((1, 2)),
    "pool": lambda: L.MaxPooling1D(2),
    "global_max": L.GlobalMaxPooling1D,
    "padding": lambda: L.ZeroPadding1D(1),
    "rms": L.RMSNormalization,
}
PASSING = {
    "dense": lambda: L.Dense(3, activation="relu"),
    "activation": lambda: L.Activation("tanh"),
    "relu": L.ReLU,
    "leaky": L.LeakyReLU,
    "prelu": L.PReLU,
    "elu": L.ELU,
    "batch": lambda: L.BatchNormalization(momentum=0.7),
    "layer": L.LayerNormalization,
    "group": lambda: L.GroupNormalization(2),
    "unit": L.UnitNormalization,
    "rescaling": lambda: L.Rescaling(3.0, 0.2),
    "dropout": lambda: L.Dropout(0.4, seed=3),
    "spatial": lambda: L.SpatialDropout1D(0.4, seed=3),
    "gaussian": lambda: L.GaussianNoise(0.4, seed=3),
    "identity": L.Identity,
    "distributed": lambda: L.TimeDistributed(L.Dense(3)),
    "distributed_norm": lambda: L.TimeDistributed(L.BatchNormalization(momentum=0.7)),
}
MODELS = {
    "lstm": recurrent("LSTM"),
    "lstm_all": recurrent("LSTM", return_sequences=True, return_state=True),
    "lstm_zero": recurrent("LSTM", return_sequences=True, zero_output_for_mask=True),
    "lstm_backwards": recurrent("LSTM", return_sequences=True, go_backwards=True),
    "lstm_zero_last": recurrent("LSTM", zero_output_for_mask=True),
    "gru": recurrent("GRU", return_state=True),
    "gru_before": recurrent("GRU", reset_after=False, return_sequences=True),
    "gru_backwards": recurrent("GRU", go_backwards=True),
    "rnn": recurrent("SimpleRNN", activation="relu", return_sequences=True),
    "two_layers": chain(embedding, lambda: L.LSTM(4, return_sequences=True), lambda: L.GRU(3)),
    **{
        f"bidirectional_{mode}_{how}": chain(
            embedding,
            lambda mode=mode, how=how: L.Bidirectional(
                L.LSTM(3, return_sequences=how == "all"), merge_mode=mode
            ),
            lambda: L.Dense(2),
        )
        for mode in ("concat", "sum")
        for how in ("all", "last")
    },
    "bidirectional_state": graph(
        lambda x: L.Bidirectional(L.GRU(3, return_sequences=True, return_state=True))(x)
    ),
    "mean": chain(embedding, L.GlobalAveragePooling1D),
    "mean_kept": chain(embedding, lambda: L.GlobalAveragePooling1D(keepdims=True)),
    "no_mask": chain(lambda: L.Embedding(WORDS, 4), lambda: L.LSTM(3)),
    "seq2seq": graph(seq2seq, 2),
    "nested": graph(nested),
    "two_ends": graph(two_ends),
    "by_hand": graph(by_hand),
    **{name: merged(name) for name in ("Add", "Subtract", "Multiply", "Average")},
    **{name: merged(name) for name in ("Maximum", "Minimum", "Concatenate")},
    "Concatenate_steps": merged("Concatenate", axis=1),
    "Dot": merged("Dot", axes=2),
    **{f"{name}_unmasked": merged_with_unmasked(name) for name in ("Multiply", "Maximum")},
    **{f"{name}_unmasked": merged_with_unmasked(name) for name in ("Concatenate", "Add")},
    **{f"{name}_ranks": of_ranks(name) for name in ("Add", "Multiply", "Minimum")},
    **{f"then_{n}": chain(embedding, make) for n, make in DESTROYING.items()},
    **{f"then_{n}": chain(embedding, make) for n, make in PASSING.items()},
}
FEATURES = {
    "masking": chain(L.Masking, lambda: L.LSTM(4), shape=(STEPS, 3), dtype="float64"),
    "masking_value": chain(
        lambda: L.Masking(-1.3),
        L.BatchNormalization,
        lambda: L.GRU(4, return_sequences=True),
        shape=(STEPS, 3),
        dtype="float64",
    ),
    "masking_only": chain(L.Masking, shape=(STEPS, 3), dtype="float64"),
    "masking_twice": chain(
        L.Masking,
        lambda: L.Masking(0.5),
        L.GlobalAveragePooling1D,
        shape=(STEPS, 3),
        dtype="float64",
    ),
}


def assert_same_with_masks(model, make):
    # The statistics of a batch take several samples, and three are also in what comes after it.
    assert_twin(model, [x.shape[1:] for x in model.inputs], make, steps=[(3, True), (1, False)])
    twin = from_keras_config(model.get_config()).eval()
    twin.load_keras_weights(model.get_weights())
    arrays = [make((3, *x.shape[1:]), 40 + n) for n, x in enumerate(model.inputs)]
    theirs = flat(model(arrays if len(arrays) > 1 else arrays[0]))
    for y, expected in zip(flat(twin(*map(torch.tensor, arrays))), theirs, strict=True):
        mask = getattr(expected, "_keras_mask", None)
        assert (mask is None) == (mask_of(y) is None)
        if mask is not None:
            np.testing.assert_array_equal(mask_of(y).numpy(), mask.numpy())


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@each_row("build", MODELS.values(), ids=MODELS)
def test_masks_of_tokens_go_through_the_twin_as_through_keras(build):
    assert_same_with_masks(build(), tokens)


@each_row("build", FEATURES.values(), ids=FEATURES)
def test_steps_of_one_value_are_masked(build):
    value = float(np.float32(-1.3)) if build is FEATURES["masking_value"] else 0.0
    assert_same_with_masks(build(), lambda shape, seed: measured(shape, seed, value))


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_a_mask_of_the_inputs_is_taken_as_keras_takes_it():
    model = chain(
        lambda: L.LSTM(3, return_sequences=True),
        L.GlobalAveragePooling1D,
        shape=(STEPS, 3),
        dtype="float64",
    )()
    fill_weights(model)
    twin = from_keras_config(model.get_config())
    twin.load_keras_weights(model.get_weights())
    x, mask = measured((3, STEPS, 3), 1), tokens((3, STEPS), 2) != 0
    ours = twin(torch.tensor(x), mask=torch.tensor(mask))
    theirs = model(tf.constant(x), mask=tf.constant(mask))
    assert difference(ours.detach().numpy(), theirs.numpy()) <= BAR


def test_inner_sequences_have_masks_of_their_own():
    """Sentences of words: the inner layer is told the mask of each step."""
    x = L.Input((4, STEPS), dtype="int32")
    inner = L.TimeDistributed(L.LSTM(3))(embedding()(x))
    assert_same_with_masks(keras.Model(x, inner), tokens)


def residual(x):
    """Keras takes the mask of the query away, so that none is behind the sum."""
    y = L.MultiHeadAttention(2, 3)(x, x)
    z = L.Add()([x, y])
    return [y, z, L.GRU(2)(z), L.GRU(2)(y)]


def attending_twice(x):
    y = L.MultiHeadAttention(2, 3)(x, x)
    z = L.MultiHeadAttention(2, 3)(x, y)
    return [z, L.GRU(2)(z), L.GlobalAveragePooling1D()(z)]


def two_sequences(first, second):
    y = L.MultiHeadAttention(2, 3)(query=first, value=second, use_causal_mask=True)
    return [y, L.GRU(2)(y)]


def grouped(x):
    y = L.GroupQueryAttention(3, 4, 2)(x, x)
    return [y, L.GRU(2)(L.Add()([x, y]))]


def of_products(x):
    y = L.Attention()([x, x])
    return [y, L.GRU(2)(y)]


def of_sums(x):
    y = L.AdditiveAttention()([x, x])
    return [y, L.GlobalAveragePooling1D()(y)]


ATTENTION = {
    "residual": graph(residual),
    "twice": graph(attending_twice),
    "two": graph(two_sequences, 2),
    "grouped": graph(grouped),
    "products": graph(of_products),
    "sums": graph(of_sums),
}


@pytest.mark.skipif("MultiHeadAttention" not in BUILDERS, reason="the twin has no attention yet")
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@each_row("build", ATTENTION.values(), ids=ATTENTION)
def test_attention_is_told_the_masks_of_its_inputs(build):
    assert_same_with_masks(build(), tokens)


def test_the_inputs_of_a_call_lose_their_masks_where_keras_takes_them():
    query, value, mask = (Tensor(name, 0, 0) for name in ("query", "value", "mask"))
    call = Call("attention", 0, [query], {"value": value, "attention_mask": mask})
    assert taken_from("MultiHeadAttention", call) == [query, value]
    assert taken_from("GroupQueryAttention", call) == []


def test_a_mask_for_a_lambda_reaches_its_function_only_by_an_argument_as_in_keras():
    x = torch.zeros(2, 3)
    for function, told in ((lambda t: t, {}), (lambda t, mask: t, {"mask": x > 0})):
        options, first, _ = told_to("code", Lambda(function), [x], {"mask": x > 0}, ([None], {}))
        assert options.keys() == told.keys()
        assert first is x


def test_a_mask_for_a_layer_that_takes_none_is_refused():
    x = torch.zeros(2, 3)
    with pytest.raises(
        ValueError, match=r"^mask of 'out': expected none, as the layer takes none$"
    ):
        told_to("out", torch.nn.Linear(3, 2), [x], {"mask": x > 0}, ([None], {}))
