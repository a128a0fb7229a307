"""Writes files of whole models with Keras 2, and what the models compute.

    python benchmarks/old_files/writer.py FOLDER

It runs in an environment with Keras 2 (tried with TensorFlow 2.15), and needs nothing of this
project but the two files beside it, which have models with operations of TensorFlow. Of each model
it writes NAME.h5, NAME.keras and NAME.npz: inputs as x0, x1, and outputs in
evaluation as y0, y1. Names say what Keras 3 does with a file: "refused_" is one that it cannot
compute alike.
"""

import sys
from pathlib import Path

import between
import keras
import numpy as np
import operations
import tensorflow as tf
from keras import layers as L

ROWS, STEPS, IMAGES = (5,), (6, 4), (8, 8, 3)
SIZES = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}
NETWORKS = (
    *("MobileNet", "MobileNetV2", "EfficientNetB0", "ResNet50", "DenseNet121", "Xception"),
    *("NASNetMobile", "InceptionV3", "VGG16", "ResNet50V2", "EfficientNetV2B0"),
)
OF_STEPS = {
    "conv1d": lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2),
    "separable1d": lambda: L.SeparableConv1D(4, 3),
    "transposed1d": lambda: L.Conv1DTranspose(3, 3, strides=2),
    "depthwise1d": lambda: L.DepthwiseConv1D(3),
    "lstm": lambda: L.LSTM(3, return_sequences=True),
    "lstm_dropouts": lambda: L.LSTM(3, dropout=0.2, recurrent_dropout=0.1),
    "gru": lambda: L.GRU(3),
    "gru_before": lambda: L.GRU(3, reset_after=False),
    "backwards": lambda: L.SimpleRNN(3, go_backwards=True),
    "bidirectional": lambda: L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum"),
    "cell": lambda: L.RNN(L.LSTMCell(3)),
    "cells": lambda: L.RNN([L.GRUCell(3), L.LSTMCell(2)]),
    "distributed": lambda: L.TimeDistributed(L.Dense(3)),
    "masking": lambda: L.Masking(),
    "mean1d": lambda: L.GlobalAveragePooling1D(),
    "greatest1d": lambda: L.GlobalMaxPooling1D(keepdims=True),
    "max1d": lambda: L.MaxPooling1D(2),
    "average1d": lambda: L.AveragePooling1D(2, padding="same"),
    "padding1d": lambda: L.ZeroPadding1D(2),
    "cropping1d": lambda: L.Cropping1D(1),
    "upsampling1d": lambda: L.UpSampling1D(2),
    "spatial1d": lambda: L.SpatialDropout1D(0.2),
    "permute": lambda: L.Permute((2, 1)),
    "einsum": lambda: L.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d"),
    "layer_norm": lambda: L.LayerNormalization(),
    "unit_norm": lambda: L.UnitNormalization(),
    "group_norm": lambda: L.GroupNormalization(2),
}
OF_IMAGES = {
    "conv": lambda: L.Conv2D(4, 3, strides=2, padding="same"),
    "groups": lambda: L.Conv2D(6, 3, groups=3),
    "separable": lambda: L.SeparableConv2D(4, 3),
    "depthwise": lambda: L.DepthwiseConv2D(3, depth_multiplier=2),
    "transposed": lambda: L.Conv2DTranspose(4, 3, strides=2, padding="same"),
    "batch_norm": lambda: L.BatchNormalization(),
    "batch_norm_axis": lambda: L.BatchNormalization(axis=1),
    "max": lambda: L.MaxPooling2D(),
    "average": lambda: L.AveragePooling2D(2, padding="same"),
    "mean": lambda: L.GlobalAveragePooling2D(),
    "greatest": lambda: L.GlobalMaxPooling2D(),
    "padding": lambda: L.ZeroPadding2D(((1, 0), (2, 1))),
    "cropping": lambda: L.Cropping2D(1),
    "upsampling": lambda: L.UpSampling2D(2, interpolation="bilinear"),
    "flatten": lambda: L.Flatten(),
    "rescaling": lambda: L.Rescaling(1 / 127.5, -1),
    "resizing": lambda: L.Resizing(5, 5),
    "center": lambda: L.CenterCrop(5, 5),
    "flip": lambda: L.RandomFlip("horizontal"),
    "rotation": lambda: L.RandomRotation(0.1),
    "zoom": lambda: L.RandomZoom(0.1),
    "translation": lambda: L.RandomTranslation(0.1, 0.1),
    "contrast": lambda: L.RandomContrast(0.1),
    "brightness": lambda: L.RandomBrightness(0.1),
    "refused_crop": lambda: L.RandomCrop(5, 5),
    "spatial": lambda: L.SpatialDropout2D(0.2),
    "prelu": lambda: L.PReLU(shared_axes=[1, 2]),
    "normalization": lambda: L.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]),
}
OF_ROWS = {
    "leaky": lambda: L.LeakyReLU(0.2),
    "elu": lambda: L.ELU(0.7),
    "relu": lambda: L.ReLU(6.0, 0.1, 0.2),
    "softmax": lambda: L.Softmax(),
    "swish": lambda: L.Activation("swish"),
    "gelu": lambda: L.Activation("gelu"),
    "refused_hard_sigmoid": lambda: L.Activation("hard_sigmoid"),
    "refused_threshold": lambda: L.ThresholdedReLU(0.3),
    "refused_lambda": lambda: L.Lambda(lambda x: x * 2),
    "dropout": lambda: L.Dropout(0.3),
    "gaussian_dropout": lambda: L.GaussianDropout(0.2),
    "gaussian_noise": lambda: L.GaussianNoise(0.2),
    "alpha_dropout": lambda: L.AlphaDropout(0.2),
    "rules": lambda: L.Dense(
        3,
        activation="selu",
        kernel_regularizer="l1_l2",
        kernel_constraint=keras.constraints.MaxNorm(2.0),
        bias_initializer=keras.initializers.TruncatedNormal(stddev=0.1),
        kernel_initializer="he_normal",
    ),
    "activity": lambda: L.ActivityRegularization(l1=0.1),
    "reshape": lambda: L.Reshape((5, 1)),
    "discretization": lambda: L.Discretization([0.0, 1.0]),
}


def sequential(shape, layer):
    return keras.Sequential([keras.Input(shape), layer])


def functional(shape, call):
    x = keras.Input(shape)
    return keras.Model(x, call(x))


def twice(x):
    dense = L.Dense(4, name="twice")
    return L.Add()([dense(x), dense(L.Dropout(0.1)(x))])


def inner(x):
    layers = [keras.Input(IMAGES), L.Conv2D(3, 3), L.BatchNormalization(), L.Flatten()]
    return L.Dense(2)(keras.Sequential(layers, name="inner")(x))


def inner_last(x):
    """Ends with a Sequential, beside a model that is functional."""
    a = keras.Input((5,))
    functional = keras.Model(a, L.Dense(3)(L.Dense(4)(a)), name="functional")
    last = keras.Sequential([keras.Input((5,)), L.Dense(2)], name="last")
    return [functional(x), last(x), functional(L.Dense(5)(x))]


def inner_twice(x):
    a = keras.Input((4,))
    model = keras.Model(a, [L.Dense(3)(a), L.Dense(2)(a)], name="inner")
    first, _ = model(x[0])
    _, second = model(x[1])
    return L.Concatenate()([first, second])


def states(x):
    _, *given = L.LSTM(4, return_state=True)(x)
    return L.LSTM(4)(x, initial_state=given)


def pairs(x):
    a, b, c, d = (L.Dense(3)(x) for _ in range(4))
    return L.Maximum()([L.Average()([a, b]), L.Subtract()([c, d]), L.Multiply()([a, d])])


GRAPHS = {
    "add": lambda: functional(ROWS, lambda x: L.Add()([L.Dense(3)(x), L.Dense(3)(x)])),
    "pairs": lambda: functional(ROWS, pairs),
    "dot": lambda: functional(
        ROWS, lambda x: L.Dot(1, normalize=True)([L.Dense(3)(x), L.Dense(3)(x)])
    ),
    "attention": lambda: functional(STEPS, lambda x: L.Attention(use_scale=True)([x, x])),
    "additive": lambda: functional(STEPS, lambda x: L.AdditiveAttention()([x, x])),
    "heads": lambda: functional(
        STEPS, lambda x: L.MultiHeadAttention(2, 3, dropout=0.1)(x, L.Dense(5)(x))
    ),
    "heads_key": lambda: functional(
        STEPS, lambda x: L.MultiHeadAttention(2, 3)(x, value=L.Dense(5)(x), key=L.Dense(2)(x))
    ),
    "shared": lambda: functional(STEPS, twice),
    "inner": lambda: functional(IMAGES, inner),
    "inner_twice": lambda: (lambda xs: keras.Model(xs, inner_twice(xs)))(
        [keras.Input((4,)), keras.Input((4,))]
    ),
    "inner_last": lambda: functional(ROWS, inner_last),
    "states": lambda: functional(STEPS, states),
    "concatenate": lambda: functional(
        IMAGES, lambda x: L.Concatenate(axis=1)([L.Conv2D(3, 1)(x), x])
    ),
    "operator": lambda: functional(ROWS, lambda x: L.Dense(5)(x) + x * 2.0),
    "slice_of_steps": lambda: functional(STEPS, lambda x: L.Dense(3)(x[:, -1, :])),
    "function": lambda: functional(ROWS, lambda x: tf.nn.relu(L.Dense(3)(x))),
    "refused_lstm2d": lambda: sequential((3, 6, 6, 2), L.ConvLSTM2D(2, 3)),
    "lstm2d": lambda: sequential((3, 6, 6, 2), L.ConvLSTM2D(2, 3, recurrent_activation="sigmoid")),
    "volumes": lambda: keras.Sequential(
        [keras.Input((5, 5, 5, 2)), L.Conv3D(2, 3), L.MaxPooling3D(), L.BatchNormalization()]
    ),
    "refused_local": lambda: sequential(STEPS, L.LocallyConnected1D(2, 3)),
    "embedding": lambda: keras.Sequential(
        [keras.Input((6,), dtype="int32"), L.Embedding(11, 4, mask_zero=True), L.LSTM(3)]
    ),
    "shape_of_first": lambda: keras.Sequential([L.Dense(3, input_shape=(5,)), L.Dense(2)]),
    "policies": lambda: keras.Sequential(
        [
            keras.Input(ROWS),
            L.Dense(3, dtype=keras.mixed_precision.Policy("mixed_bfloat16")),
            L.Dense(2, dtype="float32"),
        ]
    ),
}


def photos():
    x = inputs = keras.Input((12, 12, 3), name="photo")
    x = L.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="first")(x)
    x = L.ReLU(name="positive")(L.BatchNormalization(name="norm")(x))
    x = L.Activation("relu")(L.DepthwiseConv2D(3, padding="same", name="depthwise")(x))
    x = L.Dropout(0.25)(L.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, L.Dense(5, activation="softmax", name="out")(x))
    model.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model, (np.random.normal(size=(32, 12, 12, 3)), np.random.randint(0, 5, 32))


def words():
    model = keras.Sequential(
        [
            keras.Input((9,), dtype="int32"),
            L.Embedding(20, 8, mask_zero=True),
            L.LSTM(6, return_sequences=True),
            L.Bidirectional(L.GRU(4)),
            L.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.RMSprop(0.01, momentum=0.5), "binary_crossentropy")
    return model, (np.random.randint(0, 20, (32, 9)), np.random.randint(0, 2, (32, 1)))


def two_outputs():
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    penalty = keras.regularizers.l2(1e-3)
    x = L.Dense(6, activation="tanh", kernel_regularizer=penalty)(a)
    x = L.LayerNormalization()(L.Concatenate()([x, L.Dense(6, activation="gelu")(b)]))
    model = keras.Model([a, b], [L.Dense(2, name="left")(x), L.Dense(1, name="right")(x)])
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        {"left": "mse", "right": "mae"},
        loss_weights={"left": 1.0, "right": 0.5},
    )
    x = {"a": np.random.normal(size=(16, 4)), "b": np.random.normal(size=(16, 3))}
    y = {"left": np.random.normal(size=(16, 2)), "right": np.random.normal(size=(16, 1))}
    return model, (x, y)


def network(name):
    size = SIZES.get(name, 32)
    kind = getattr(keras.applications, name)
    return kind(weights=None, input_shape=(size, size, 3), classes=5)


def models():
    """Yields the name of each model, and a function that makes it."""
    for shape, layers in ((STEPS, OF_STEPS), (IMAGES, OF_IMAGES), (ROWS, OF_ROWS)):
        for name, layer in layers.items():
            yield name, lambda shape=shape, layer=layer: sequential(shape, layer())
    yield from GRAPHS.items()
    yield from operations.MODELS.items()
    yield from between.NETWORKS.items()
    for name in NETWORKS:
        yield name, lambda name=name: network(name)


def write(folder, name, model):
    """Writes both files of a model, and what it computes."""
    generator = np.random.default_rng(1)
    xs = []
    for each in model.inputs:
        shape = [2, *(size or 6 for size in each.shape[1:])]
        if each.dtype == "int32":
            xs.append(generator.integers(0, 11, shape).astype("int32"))
        else:
            xs.append(generator.normal(size=shape).astype("float32"))
    ys = model(xs if len(xs) > 1 else xs[0], training=False)
    ys = tf.nest.flatten(ys)
    for ending in ("h5", "keras"):
        path = folder / f"{name}.{ending}"
        try:
            model.save(path)
        except TypeError as error:  # Keras 2 cannot write an ellipsis into a .keras
            path.unlink(missing_ok=True)
            print(f"{path.name} is not written: {str(error)[:60]}")
    arrays = {f"x{k}": x for k, x in enumerate(xs)}
    np.savez(folder / f"{name}.npz", **arrays, **{f"y{k}": np.asarray(y) for k, y in enumerate(ys)})


def main():
    assert keras.__version__.startswith("2."), f"this is Keras {keras.__version__}"
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in models():
        keras.backend.clear_session()
        keras.utils.set_random_seed(5)
        model = make()
        if name in between.NETWORKS:  # weights of both signs
            for weight in model.trainable_weights:
                weight.assign_add(np.random.normal(size=weight.shape) * 0.1)
        elif name not in NETWORKS:
            for weight in model.weights:
                if weight.dtype.is_floating:
                    weight.assign(np.abs(np.random.normal(size=weight.shape)) * 0.3 + 0.1)
        model.compile("adam", "mse")
        write(folder, name, model)
    for make in (photos, words, two_outputs):
        keras.backend.clear_session()
        keras.utils.set_random_seed(3)
        model, (x, y) = make()
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        write(folder, make.__name__, model)
        model.save(folder / f"{make.__name__}_saved")


if __name__ == "__main__":
    main()
