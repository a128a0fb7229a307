"""The twin of every Keras layer, in a model of one: outputs, gradients, weights after steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from keras.src.applications import convnext
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
from rows import each_row

from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.builders import BUILDERS
from torch_impl.keras_config.rows import preprocessing
from torch_impl.weights import read

BAR = 1e-12  # relative to the greatest entry, or to SMALLEST if that is less
# Behind a saturated softmax a gradient is the difference of numbers near 1: rounding in it is 1e-15
# (measured), whatever its size.
SMALLEST = 1e-2
IMAGES, SEQUENCES, VOLUMES, FEATURES = (6, 5, 4), (7, 4), (4, 5, 3, 2), (6,)

# Of each class of layers, its input and what makes it.
CASES = {
    "Dense": (IMAGES, lambda: L.Dense(3, activation="gelu")),
    "Dense_features": (FEATURES, lambda: L.Dense(3, use_bias=False)),
    "Dense_layer_as_activation": (FEATURES, lambda: L.Dense(3, activation=L.LeakyReLU(0.1))),
    "Activation": (SEQUENCES, lambda: L.Activation("softmax")),
    "Identity": (SEQUENCES, lambda: L.Identity()),
    "ActivityRegularization": (SEQUENCES, lambda: L.ActivityRegularization(0.1, 0.2)),
    "Flatten": (IMAGES, lambda: L.Flatten()),
    "Flatten_numbers": ((), lambda: L.Flatten()),
    "Embedding": (FEATURES, lambda: L.Embedding(9, 3)),
    "Masking": (SEQUENCES, lambda: L.Masking(0.25)),
    "Conv1D": (SEQUENCES, lambda: L.Conv1D(3, 2, padding="causal", activation="relu")),
    "Conv2D": (IMAGES, lambda: L.Conv2D(3, (2, 3), strides=2, padding="same", activation="tanh")),
    "Conv3D": (VOLUMES, lambda: L.Conv3D(3, 2, padding="same")),
    "Conv1DTranspose": (SEQUENCES, lambda: L.Conv1DTranspose(3, 3, strides=2, padding="same")),
    "Conv2DTranspose": (IMAGES, lambda: L.Conv2DTranspose(3, 2, output_padding=0)),
    "Conv3DTranspose": (VOLUMES, lambda: L.Conv3DTranspose(3, 2, use_bias=False)),
    "DepthwiseConv1D": (SEQUENCES, lambda: L.DepthwiseConv1D(2, depth_multiplier=2)),
    "DepthwiseConv2D": (IMAGES, lambda: L.DepthwiseConv2D(3, strides=2, padding="same")),
    "SeparableConv1D": (SEQUENCES, lambda: L.SeparableConv1D(3, 2, activation="silu")),
    "SeparableConv2D_dilated": (
        (9, 8, 3),
        lambda: L.SeparableConv2D(4, 3, dilation_rate=2, padding="same"),
    ),
    "SeparableConv2D": (IMAGES, lambda: L.SeparableConv2D(3, 2, depth_multiplier=2)),
    "MaxPooling1D": (SEQUENCES, lambda: L.MaxPooling1D(2, padding="same")),
    "MaxPooling2D": (IMAGES, lambda: L.MaxPooling2D((3, 2), strides=2, padding="same")),
    "AveragePooling1D": (SEQUENCES, lambda: L.AveragePooling1D(2)),
    "AveragePooling2D": (IMAGES, lambda: L.AveragePooling2D(2, padding="same")),
    "GlobalMaxPooling1D": (SEQUENCES, lambda: L.GlobalMaxPooling1D()),
    "GlobalMaxPooling2D": (IMAGES, lambda: L.GlobalMaxPooling2D(keepdims=True)),
    "GlobalMaxPooling3D": (VOLUMES, lambda: L.GlobalMaxPooling3D()),
    "GlobalAveragePooling1D": (SEQUENCES, lambda: L.GlobalAveragePooling1D(keepdims=True)),
    "GlobalAveragePooling2D": (IMAGES, lambda: L.GlobalAveragePooling2D()),
    "GlobalAveragePooling3D": (VOLUMES, lambda: L.GlobalAveragePooling3D()),
    "BatchNormalization": (IMAGES, lambda: L.BatchNormalization(momentum=0.8)),
    "BatchNormalization_axis": (IMAGES, lambda: L.BatchNormalization(axis=1, scale=False)),
    "BatchNormalization_frozen": (IMAGES, lambda: L.BatchNormalization(trainable=False)),
    "LayerNormalization": (IMAGES, lambda: L.LayerNormalization()),
    "LayerNormalization_axes": (IMAGES, lambda: L.LayerNormalization(axis=[1, 3])),
    "RMSNormalization": (SEQUENCES, lambda: L.RMSNormalization()),
    "GroupNormalization": (IMAGES, lambda: L.GroupNormalization(2)),
    "UnitNormalization": (IMAGES, lambda: L.UnitNormalization(axis=[1, 2])),
    "Normalization": (IMAGES, lambda: L.Normalization()),
    "Normalization_given": (
        IMAGES,
        lambda: L.Normalization(mean=[0.5, 1, 1.5, 2], variance=[1, 2, 3, 4]),
    ),
    "Normalization_inverted": (IMAGES, lambda: L.Normalization(axis=(1, -1), invert=True)),
    "Rescaling": (IMAGES, lambda: L.Rescaling(1 / 127.5, offset=-1)),
    "Rescaling_channels": (IMAGES, lambda: L.Rescaling([0.1, 0.2, 0.3, 0.4])),
    "PReLU": (IMAGES, lambda: L.PReLU(shared_axes=[1, 2])),
    "ReLU": (IMAGES, lambda: L.ReLU(max_value=1.0, threshold=0.1, negative_slope=0.2)),
    "LeakyReLU": (IMAGES, lambda: L.LeakyReLU()),
    "ELU": (IMAGES, lambda: L.ELU()),
    "Softmax": (IMAGES, lambda: L.Softmax(axis=1)),
    "Softmax_axes": (IMAGES, lambda: L.Softmax(axis=(1, 3))),
    "Softmax_all_axes": (IMAGES, lambda: L.Softmax(axis=None)),
    "Dropout": (IMAGES, lambda: L.Dropout(0.4, seed=7)),
    "Dropout_noise_shape": (IMAGES, lambda: L.Dropout(0.4, noise_shape=(None, 1, 5, 1), seed=7)),
    "AlphaDropout": (SEQUENCES, lambda: L.AlphaDropout(0.4, seed=7)),
    "GaussianNoise": (IMAGES, lambda: L.GaussianNoise(0.4, seed=7)),
    "GaussianDropout": (SEQUENCES, lambda: L.GaussianDropout(0.4, seed=7)),
    "SpatialDropout1D": (SEQUENCES, lambda: L.SpatialDropout1D(0.4, seed=7)),
    "SpatialDropout2D": (IMAGES, lambda: L.SpatialDropout2D(0.4, seed=7)),
    "SpatialDropout3D": (VOLUMES, lambda: L.SpatialDropout3D(0.4, seed=7)),
    "Reshape": (IMAGES, lambda: L.Reshape((-1, 3, 8))),
    "Permute": (IMAGES, lambda: L.Permute((3, 1, 2))),
    "RepeatVector": (FEATURES, lambda: L.RepeatVector(3)),
    "ZeroPadding1D": (SEQUENCES, lambda: L.ZeroPadding1D((1, 2))),
    "ZeroPadding2D": (IMAGES, lambda: L.ZeroPadding2D(((1, 2), (0, 3)))),
    "ZeroPadding3D": (VOLUMES, lambda: L.ZeroPadding3D((1, 2, 3))),
    "Cropping1D": (SEQUENCES, lambda: L.Cropping1D((2, 0))),
    "Cropping2D": (IMAGES, lambda: L.Cropping2D(((1, 2), (0, 3)))),
    "Cropping3D": (VOLUMES, lambda: L.Cropping3D(((1, 0), (2, 1), (0, 1)))),
    "UpSampling1D": (SEQUENCES, lambda: L.UpSampling1D(3)),
    "UpSampling2D": (IMAGES, lambda: L.UpSampling2D((2, 3))),
    "UpSampling3D": (VOLUMES, lambda: L.UpSampling3D((1, 2, 3))),
    "LSTM": (SEQUENCES, lambda: L.LSTM(3, return_sequences=True)),
    "GRU": (SEQUENCES, lambda: L.GRU(3, go_backwards=True, activation="relu")),
    "SimpleRNN": (SEQUENCES, lambda: L.SimpleRNN(3, return_state=True)),
    "Bidirectional": (SEQUENCES, lambda: L.Bidirectional(L.LSTM(3, return_sequences=True))),
    "Bidirectional_GRU": (SEQUENCES, lambda: L.Bidirectional(L.GRU(3), merge_mode="ave")),
    "RNN": (SEQUENCES, lambda: L.RNN(L.GRUCell(3, dropout=0.3, seed=4), return_state=True)),
    "RNN_stacked": (SEQUENCES, lambda: L.RNN([L.LSTMCell(3), L.SimpleRNNCell(2)])),
    "ConvLSTM1D": (IMAGES, lambda: L.ConvLSTM1D(3, 2, dropout=0.3, seed=4)),
    "ConvLSTM2D": (VOLUMES, lambda: L.ConvLSTM2D(3, 2, padding="same", return_state=True)),
    "ConvLSTM3D": ((2, *VOLUMES), lambda: L.ConvLSTM3D(3, 2, strides=2, return_sequences=True)),
    "EinsumDense": (SEQUENCES, lambda: L.EinsumDense("abc,cde->abde", (None, 2, 3), "gelu", "e")),
    "EinsumDense_ellipsis": (IMAGES, lambda: L.EinsumDense("...x,xy->...y", 3, bias_axes="y")),
    "LayerNormalization_rms": (IMAGES, lambda: L.LayerNormalization(rms_scaling=True)),
    "GroupNormalization_instance": (IMAGES, lambda: L.GroupNormalization(-1, scale=False)),
    "GroupNormalization_layer": (IMAGES, lambda: L.GroupNormalization(1)),
    "SpectralNormalization": (IMAGES, lambda: L.SpectralNormalization(L.Conv2D(3, 2))),
    "SpectralNormalization_dense": (
        FEATURES,
        lambda: L.SpectralNormalization(L.Dense(3, activation="tanh"), power_iterations=3),
    ),
    "LayerScale": (IMAGES, lambda: convnext.LayerScale(0.1, 4)),
    "TimeDistributed": (IMAGES, lambda: L.TimeDistributed(L.Conv1D(3, 2, activation="relu"))),
}


# Of two inputs of one shape.
MERGING = {
    **{name: {} for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    **{"Concatenate": {"axis": 1}, "Dot": {"axes": -1, "normalize": True}},
}
MERGED = {
    name: ([IMAGES] * 2, lambda *both, name=name: getattr(L, name)(**MERGING[name])(both))
    for name in MERGING
}


# Of several inputs; made by the test of attention below. Shapes of query, value and key.
ATTENTION = {
    "MultiHeadAttention": (
        [(5, 6), (4, 3), (4, 2)],
        lambda q, v, k: L.MultiHeadAttention(2, 3, value_dim=5, dropout=0.4, seed=3)(
            q, v, key=k, use_causal_mask=True
        ),
    ),
    "MultiHeadAttention_self": ([(5, 6)], lambda x: L.MultiHeadAttention(2, 3)(x, x)),
    "MultiHeadAttention_scores": (
        [(5, 6), (4, 6)],
        lambda q, v: L.MultiHeadAttention(3, 2, use_bias=False, output_shape=4, use_gate=True)(
            q, v, return_attention_scores=True
        )[0],
    ),
    "MultiHeadAttention_axes": (
        [(3, 4, 5)],
        lambda x: L.MultiHeadAttention(2, 3, attention_axes=2)(x, x),
    ),
    "GroupQueryAttention_self": ([(5, 6)], lambda x: L.GroupQueryAttention(3, 4, 2)(x, x)),
    "GroupQueryAttention": (
        [(5, 6), (4, 6)],
        lambda q, v: L.GroupQueryAttention(2, 4, 2, dropout=0.3, seed=5)(q, v),
    ),
    "Attention": (
        [(5, 6), (4, 6)],
        lambda q, v: L.Attention(use_scale=True, score_mode="concat", dropout=0.3, seed=4)([q, v]),
    ),
    "AdditiveAttention": ([(5, 6), (4, 6)], lambda q, v: L.AdditiveAttention()([q, v])),
    "CustomScaleLayer": ([(5, 6), (5, 6)], lambda a, b: CustomScaleLayer(0.17)([a, b])),
}


# What other tests compare.
ELSEWHERE = {
    # Of integers: tests/torch_impl/layers/test_categories.py.
    *("CategoryEncoding", "Discretization", "IntegerLookup"),
    # Drawn from Keras's global generator; a test below gives them that generator's numbers.
    "StochasticDepth",
    # In float32 only, which TensorFlow has: tests/torch_impl/layers/test_pooling.py.
    *("MaxPooling3D", "AveragePooling3D"),
    *preprocessing.ROWS,  # test_twin_images.py
    # test_public_layers.py
    *(f"Adaptive{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)),
    *("STFTSpectrogram", "MelSpectrogram", "Hashing", "HashedCrossing"),
    "ReversibleEmbedding",  # below
    # A weight that code of the user's computes with is no layer of Keras: test_written_out.py.
    *("HeldWeight", "MaskedBy"),
}


def test_every_builder_has_a_case():
    here = {name.partition("_")[0] for name in [*CASES, *ATTENTION, *MERGING]}
    assert here | ELSEWHERE == BUILDERS.keys()


# Size and mode of the batches of the steps: the statistics of a batch take several samples.
STEPS = ((3, True), (1, True), (2, False))


pytestmark = pytest.mark.usefixtures("float64")


def words(shape, seed):
    return np.random.default_rng(seed).integers(0, 9, shape)


def values(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def fill_weights(model):
    for number, weight in enumerate(model.weights):
        array = values(weight.shape, 50 + number)
        positive = weight.name in ("moving_variance", "variance")
        weight.assign(np.abs(array) * 1e-2 + 1e-3 if positive else array)
    for layer in model.layers:
        if isinstance(layer, L.Normalization):
            layer.finalize_state()  # Keras computes with a copy of the weights


def twin_of(model, custom=None):
    """With the weights of the model, by their paths where each has one of its own."""
    twin = from_keras_config(model.to_json(), custom)
    paths = {weight.path: weight.numpy() for weight in model.weights}
    twin.load_keras_weights(paths if len(paths) == len(model.weights) else model.get_weights())
    return twin


def computed(twin, *arrays):
    return twin(*map(torch.tensor, arrays)).detach().numpy()


def difference(ours, theirs, least=SMALLEST):
    assert ours.shape == theirs.shape
    return np.max(np.abs(ours - theirs)) / max(np.max(np.abs(theirs)), least)


def step(model, twin, arrays, training, rate=0.01):
    """Outputs and gradients of both; one plain step of all weights. Returns the differences."""
    constants = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(constants)
        theirs = keras.tree.flatten(
            model(constants if constants[1:] else constants[0], training=training)
        )
        upstream = [values(output.shape, 80 + n) for n, output in enumerate(theirs)]
        total = sum(tf.reduce_sum(t * u) for t, u in zip(theirs, upstream, strict=True))
    weights = model.trainable_weights
    gradients = tape.gradient(total, [constants, [w.value for w in weights]])
    tensors = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    twin.train(training).zero_grad()
    ours = keras.tree.flatten(twin(tensors))
    total = sum((o * torch.tensor(u)).sum() for o, u in zip(ours, upstream, strict=True))
    if total.requires_grad:
        total.backward()
    found = {
        f"output {n}": difference(o.detach().numpy(), t.numpy())
        for n, (o, t) in enumerate(zip(ours, theirs, strict=True))
    }
    found |= {
        f"input gradient {n}": difference(tensor.grad.numpy(), gradient.numpy())
        for n, (tensor, gradient) in enumerate(zip(tensors, gradients[0], strict=True))
        if gradient is not None
    }
    own = list(read(twin, gradient=True).values())
    largest = max((np.max(np.abs(array)) for array in own), default=0.0)
    for weight, mine, gradient in zip(weights, own, gradients[1], strict=True):
        dense = tf.convert_to_tensor(gradient).numpy()
        # That of a key's bias is rounding alone: it adds the same to all scores of a query.
        least = largest if weight.path.endswith("key/bias") else SMALLEST
        found[f"gradient of {weight.path}"] = difference(mine, dense, least)
        weight.assign(weight.numpy() - rate * dense)
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.grad is not None:
                parameter.sub_(rate * parameter.grad)
    return found


def assert_twin(model, shapes, make=values, steps=STEPS, custom=None):
    """In both modes, for some sizes: what `step` compares, and all weights at the end."""
    fill_weights(model)
    twin, found = twin_of(model, custom), {}
    for number, (batch, training) in enumerate(steps):
        arrays = [make((batch, *s), number + 10 * n) for n, s in enumerate(shapes)]
        for name, value in step(model, twin, arrays, training).items():
            found[f"{name}, batch {batch}, {training=}"] = value
    for (name, mine), weight in zip(twin.keras_weights().items(), model.weights, strict=True):
        assert weight.path.endswith(name) or name.endswith(weight.path)
        found[f"{name} after the steps"] = difference(mine, weight.numpy())
    assert not {name: value for name, value in found.items() if not value <= BAR}


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@each_row("name", CASES)
def test_the_twin_of_a_layer_is_the_layer(name):
    keras.utils.clear_session()  # it numbers weights without a name through the whole process
    shape, make = CASES[name]
    integers = name == "Embedding"
    inputs = L.Input(shape, dtype="int64" if integers else "float64")
    assert_twin(keras.Model(inputs, make()(inputs)), [shape], words if integers else values)


@each_row("shapes, make", [*ATTENTION.values(), *MERGED.values()], ids=[*ATTENTION, *MERGED])
def test_the_twin_of_attention_or_a_merging_layer_is_the_layer(shapes, make):
    inputs = [L.Input(shape) for shape in shapes]
    assert_twin(keras.Model(inputs, make(*inputs)), shapes)


def test_a_mask_that_is_an_input_reaches_the_attention():
    x, mask = L.Input((4, 6)), L.Input((4, 4), dtype="bool")
    model = keras.Model([x, mask], L.MultiHeadAttention(2, 3)(x, x, attention_mask=mask))
    given, allowed = values((3, 4, 6), 1), np.random.default_rng(2).random((3, 4, 4)) < 0.6
    ours = computed(twin_of(model).eval(), given, allowed)
    assert difference(ours, model([given, allowed]).numpy()) <= BAR
    assert difference(ours, model([given, np.ones_like(allowed)]).numpy()) > 1e-3


@each_row("tied", [True, False])
def test_the_twin_of_a_reversible_embedding_leads_there_and_back(tied):
    layer = L.ReversibleEmbedding(9, 3, tie_weights=tied, logit_soft_cap=2.0)
    inputs = L.Input((5,), dtype="int64")
    model = keras.Model(inputs, layer(L.Dense(3, activation="tanh")(layer(inputs)), reverse=True))
    assert_twin(model, [(5,)], words)


def test_the_twin_of_stochastic_depth_has_keras_numbers_with_its_generators_state():
    keras.utils.set_random_seed(3)
    inputs = L.Input((5, 4))
    model = keras.Model(inputs, convnext.StochasticDepth(0.4)(inputs))
    twin = from_keras_config(model.to_json())
    (depth,) = (m for m in twin.modules() if type(m).__name__ == "StochasticDepth")
    generator = keras.src.random.seed_generator.global_seed_generator()
    depth.state = tuple(int(n) for n in generator.state.numpy())
    given = values((20, 5, 4), 1)
    for _ in range(3):
        theirs = model(given, training=True).numpy()
        assert difference(computed(twin.train(), given), theirs) <= BAR
        assert 0 < (theirs == 0).all((1, 2)).sum() < 20
    assert difference(computed(twin.eval(), given), given) == 0
