"""Twins of models with masks of sequences: outputs, their masks, gradients, in both modes."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from keras import ops
from rows import each_row
from test_twin_layers import BAR, assert_twin, difference, fill_weights, twin_of

from torch_impl.keras_config.builders import options_with_masks
from torch_impl.masks import mask_of

pytestmark = pytest.mark.usefixtures("direct", "float64")


WORDS, STEPS = 11, 7
MERGING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


def embedding(width=4):
    return L.Embedding(WORDS, width, mask_zero=True)


def graph(function, number=1):
    """A functional model of token inputs, each with an embedding of its own."""

    def build():
        given = [L.Input((STEPS,), dtype="int32") for _ in range(number)]
        return keras.Model(given[0] if number == 1 else given, function(*map(embedded, given)))

    return build


def embedded(x):
    return embedding()(x)


def each_alone(*layers):
    """One model of all layers, each on the same masked sequence."""
    return graph(lambda x: keras.tree.flatten([layer()(x) for layer in layers]))


def chain(*layers, shape=(STEPS,), dtype="int32"):
    return lambda: keras.Sequential([L.Input(shape, dtype=dtype), *(layer() for layer in layers)])


def masked_values(*layers):
    return chain(*layers, shape=(STEPS, 3), dtype="float64")


def merged(first, second):
    """The second input is shorter in places, so that the masks differ."""
    both = [L.LSTM(4, return_sequences=True)(first), L.Dense(4)(second)]
    ends = [getattr(L, name)()(both) for name in MERGING]
    return [*ends, L.Concatenate(axis=1)(both), L.Dot(axes=2)(both), L.GRU(3)(ends[0])]


def merged_with_unmasked(x):
    """Of fewer axes, an input gets new ones, and loses its mask."""
    unmasked = [x, L.Conv1D(4, 3, padding="same")(x), L.Dense(4)(x)]
    of_ranks = [x, L.LSTM(4)(x)]
    return [
        *(getattr(L, name)()(unmasked) for name in ("Multiply", "Maximum", "Concatenate", "Add")),
        *(getattr(L, name)()(of_ranks) for name in ("Add", "Multiply", "Minimum")),
    ]


def attention(first, second):
    """Keras takes the mask of the query away, so that none is behind the first sum."""
    y = L.MultiHeadAttention(2, 3)(first, first)
    two = L.MultiHeadAttention(2, 3)(query=first, value=second, use_causal_mask=True)
    grouped = L.GroupQueryAttention(3, 4, 2)(second, second)
    other = [L.Attention()([second, second]), L.AdditiveAttention()([second, second])]
    sums = [L.Add()([first, y]), L.Add()([second, grouped])]
    return [y, two, grouped, *other, *sums, *map(L.GlobalAveragePooling1D(), sums)]


def attending_twice(x):
    z = L.MultiHeadAttention(2, 3)(x, L.MultiHeadAttention(2, 3)(x, x))
    # Large inputs saturate gates, whose gradients are then rounding alone.
    return [z, L.GRU(2)(L.UnitNormalization()(z)), L.GlobalAveragePooling1D()(z)]


def seq2seq(source, target):
    """The mask of the target does not reach a layer that is given its first state, as in Keras."""
    _, *states = L.LSTM(3, return_state=True)(source)
    return L.Dense(2)(L.LSTM(3, return_sequences=True)(target, initial_state=states))


def by_hand(x):
    """Masks that are given to layers, computed by operations."""
    mask = ops.any(ops.greater(x, 0.02), axis=-1)
    y = L.LSTM(3, return_sequences=True)(x, mask=mask)
    weights = L.Softmax(axis=1)(ops.squeeze(L.Dense(1)(y), -1), mask=ops.logical_not(mask))
    return [L.GlobalAveragePooling1D()(y, mask=mask), weights]


def nested(x):
    whole = L.Input((STEPS, 4))
    inner = keras.Sequential([L.Input((STEPS, 4)), L.Dropout(0.3, seed=4), L.GRU(3)])
    return inner(keras.Model(whole, L.LSTM(4, return_sequences=True)(whole))(x))


MODELS = {
    "recurrent": each_alone(
        lambda: L.LSTM(3),
        lambda: L.LSTM(3, return_sequences=True, return_state=True),
        lambda: L.LSTM(3, return_sequences=True, zero_output_for_mask=True),
        lambda: L.LSTM(3, return_sequences=True, go_backwards=True),
        lambda: L.LSTM(3, zero_output_for_mask=True),
        lambda: L.GRU(3, return_state=True),
        lambda: L.GRU(3, reset_after=False, return_sequences=True),
        lambda: L.GRU(3, go_backwards=True),
        lambda: L.SimpleRNN(3, activation="relu", return_sequences=True),
    ),
    "both_ways": each_alone(
        lambda: L.Bidirectional(L.LSTM(3, return_sequences=True)),
        lambda: L.Bidirectional(L.LSTM(3), merge_mode="sum"),
        lambda: L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode=None),
        lambda: L.Bidirectional(L.GRU(3, return_sequences=True, return_state=True)),
    ),
    "two_layers": chain(embedding, lambda: L.LSTM(4, return_sequences=True), lambda: L.GRU(3)),
    "mean": each_alone(L.GlobalAveragePooling1D, lambda: L.GlobalAveragePooling1D(keepdims=True)),
    "no_mask": chain(lambda: L.Embedding(WORDS, 4), lambda: L.LSTM(3)),
    "seq2seq": graph(seq2seq, 2),
    "nested": graph(nested),
    "by_hand": graph(by_hand),
    "merged": graph(merged, 2),
    "unmasked": graph(merged_with_unmasked),
    "destroying": each_alone(
        lambda: L.Conv1D(3, 2),
        L.Flatten,
        lambda: L.Reshape((STEPS, 2, 2)),
        lambda: L.Permute((1, 2)),
        lambda: L.MaxPooling1D(2),
        L.GlobalMaxPooling1D,
        lambda: L.ZeroPadding1D(1),
        L.RMSNormalization,
    ),
    "passing": each_alone(
        lambda: L.Dense(3, activation="relu"),
        lambda: L.Activation("tanh"),
        L.ReLU,
        L.LeakyReLU,
        L.PReLU,
        L.ELU,
        lambda: L.BatchNormalization(momentum=0.7),
        L.LayerNormalization,
        lambda: L.GroupNormalization(2),
        L.UnitNormalization,
        lambda: L.Rescaling(3.0, 0.2),
        lambda: L.Dropout(0.4, seed=3),
        lambda: L.SpatialDropout1D(0.4, seed=3),
        lambda: L.GaussianNoise(0.4, seed=3),
        L.Identity,
        lambda: L.TimeDistributed(L.Dense(3)),
        lambda: L.TimeDistributed(L.BatchNormalization(momentum=0.7)),
    ),
    "attention": graph(attention, 2),
    "twice": graph(attending_twice),
    # Of words: the inner layer is told the mask of each step.
    "sentences": chain(embedding, lambda: L.TimeDistributed(L.LSTM(3)), shape=(4, STEPS)),
    "masking": masked_values(L.Masking, lambda: L.LSTM(4)),
    "masking_value": masked_values(
        lambda: L.Masking(-1.3), L.BatchNormalization, lambda: L.GRU(4, return_sequences=True)
    ),
    "masking_only": masked_values(L.Masking),
    "masking_twice": masked_values(L.Masking, lambda: L.Masking(0.5), L.GlobalAveragePooling1D),
}


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@each_row("name", MODELS)
def test_masks_go_through_the_twin_as_through_keras(name):
    """Of token 0, or of steps of one value."""
    value = float(np.float32(-1.3)) if name == "masking_value" else 0.0
    made = partial(measured, value=value) if name.startswith("masking") else tokens
    assert_same_with_masks(MODELS[name](), made)


def tokens(shape, seed):
    """Token 0 at the end of most sequences, and inside of and before some; one token at least."""
    generator = np.random.default_rng(seed)
    found = generator.integers(1, WORDS, size=shape)
    found[np.arange(shape[-1]) >= generator.integers(1, shape[-1], size=(*shape[:-1], 1))] = 0
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


def assert_same_with_masks(model, make):
    # The statistics of a batch take several samples, and three are also in what comes after it.
    assert_twin(model, [x.shape[1:] for x in model.inputs], make, steps=[(3, True), (1, False)])
    twin = twin_of(model).eval()
    arrays = [make((3, *x.shape[1:]), 40 + n) for n, x in enumerate(model.inputs)]
    theirs = keras.tree.flatten(model(arrays if len(arrays) > 1 else arrays[0]))
    ours = keras.tree.flatten(twin(*map(torch.tensor, arrays)))
    for y, expected in zip(ours, theirs, strict=True):
        mask = getattr(expected, "_keras_mask", None)
        assert (mask is None) == (mask_of(y) is None)
        if mask is not None:
            np.testing.assert_array_equal(mask_of(y).numpy(), mask.numpy())


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
def test_a_mask_of_the_inputs_is_taken_as_keras_takes_it():
    model = masked_values(lambda: L.LSTM(3, return_sequences=True), L.GlobalAveragePooling1D)()
    fill_weights(model)
    x, mask = measured((3, STEPS, 3), 1), tokens((3, STEPS), 2) != 0
    ours = twin_of(model)(torch.tensor(x), mask=torch.tensor(mask)).detach().numpy()
    assert difference(ours, model(tf.constant(x), mask=tf.constant(mask)).numpy()) <= BAR


def test_a_mask_for_a_layer_that_takes_none_is_refused():
    x = torch.zeros(2, 3)
    with pytest.raises(
        ValueError, match=r"^mask of 'out': expected none, as the layer takes none$"
    ):
        options_with_masks("out", torch.nn.Linear(3, 2), [x], {"mask": x > 0}, ([None], {}))
