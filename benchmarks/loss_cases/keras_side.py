"""Keras models with several outputs or losses, with losses of layers, and with weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers as L
from keras import losses, ops, regularizers

from keras_impl import Reference

NUM = 24  # samples of a training
WEIGHTS = {"kind": 0.5, "place": 1.5, "seen": 1.0}
BY_CLASS = {0: 1.0, 1: 3.0, 2: 0.5}


def heads() -> keras.Model:
    """A list of three outputs: classes, values, yes or no."""
    inputs = keras.Input((5,))
    h = L.Dropout(0.3)(L.Dense(7, activation="tanh", name="body")(inputs))
    outputs = [
        L.Dense(4, activation="softmax", name="kind")(L.Dense(6, "tanh", name="deep")(h)),
        L.Dense(4, name="place")(h),
        L.Dense(1, activation="sigmoid", name="seen")(h),
    ]
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(0.1),
        loss={
            "kind": "sparse_categorical_crossentropy",
            "place": "mse",
            "seen": "binary_crossentropy",
        },
        loss_weights=WEIGHTS,
        metrics={"kind": ["accuracy"], "place": ["mae"], "seen": ["accuracy"]},
    )
    return model


def nested() -> keras.Model:
    """Outputs in outputs, and one without a loss."""
    inputs = keras.Input((5,))
    h = L.Dense(7, activation="tanh", name="body")(inputs)
    box = {"size": L.Dense(2, name="size")(h), "place": L.Dense(3, name="place")(h)}
    model = keras.Model(inputs, {"box": box, "score": L.Dense(1, name="score")(h)})
    given = {"box": {"size": "mse", "place": losses.Huber(0.7)}, "score": None}
    model.compile(keras.optimizers.Adam(0.01), loss=given)
    return model


def weighted() -> Reference:
    """Weights of samples for each output; those of a sequence for its steps."""
    inputs = keras.Input((6, 3))
    h = L.Dense(5, activation="tanh", name="body")(inputs)
    steps = L.Dense(4, name="steps")(h)
    whole = L.Dense(1, activation="sigmoid", name="whole")(L.GlobalAveragePooling1D()(h))
    model = keras.Model(inputs, {"steps": steps, "whole": whole})
    entropy = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.SGD(0.1),
        loss={"steps": entropy, "whole": "mse"},
        loss_weights={"steps": 0.7, "whole": 2.0},
        metrics={"steps": ["accuracy"]},
        weighted_metrics={"whole": ["mae"]},
    )
    draw = np.random.default_rng(0)
    return Reference(
        model,
        x=draw.normal(size=(NUM, 6, 3)),
        y={"steps": draw.integers(0, 4, (NUM, 6)), "whole": draw.random((NUM, 1))},
        sample_weight={"steps": draw.random((NUM, 6)), "whole": draw.random(NUM)},
    )


@keras.utils.register_keras_serializable("loss_cases")
class Divergence(L.Layer):
    """Half of its input, which is a mean; the other half is a logarithm of a variance."""

    def call(self, given: Any) -> Any:
        """Adds the KL divergence from the standard normal, a mean over the samples."""
        mean, log = given[..., :3], given[..., 3:]
        each = -0.5 * ops.sum(1 + log - mean**2 - ops.exp(log), axis=-1)
        self.add_loss(0.3 * ops.mean(each))
        return mean


def autoencoder() -> keras.Model:
    """A loss that a layer adds, behind a dropout, with penalties of a weight and of an output."""
    inputs = keras.Input((5,))
    h = L.Dropout(0.4)(L.Dense(8, activation="tanh", name="encode")(inputs))
    code = Divergence(name="divergence")(L.Dense(6, name="code")(h))
    decode = L.Dense(
        5,
        name="decode",
        kernel_regularizer=regularizers.L2(0.01),
        activity_regularizer=regularizers.L1(0.02),
    )
    model = keras.Model(inputs, decode(code))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def classes() -> Reference:
    """Weights of classes."""
    inputs = keras.Input((5,))
    model = keras.Model(inputs, L.Dense(3, activation="softmax", name="kind")(inputs))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return Reference(model, class_weight=BY_CLASS)


def speech() -> keras.Model:
    """Labels of sequences that are shorter than the output: CTC."""
    inputs = keras.Input((9, 3))
    h = L.Dense(6, activation="tanh", name="body")(inputs)
    model = keras.Model(inputs, L.Dense(5, name="letters")(h))
    model.compile(keras.optimizers.SGD(0.1), losses.CTC())
    return model


def of_scene(y: Any, p: Any) -> Any:
    """Returns the loss of each sample, from targets (N, H, W, 6) and outputs (N, H, W, 8)."""
    there, kind = y[..., :1], ops.cast(y[..., 5], "int32")
    box = ops.sum(there * (y[..., 1:5] - p[..., 1:5]) ** 2, axis=(1, 2, 3))
    seen = ops.sum((there - ops.sigmoid(p[..., :1])) ** 2, axis=(1, 2, 3))
    entropy = losses.sparse_categorical_crossentropy(kind, p[..., 5:], from_logits=True)
    return box + seen + ops.sum(entropy, axis=(1, 2))


def scenes() -> Reference:
    """A detector with a loss of its own, whose targets `fit` gets have another shape."""
    inputs = keras.Input((6, 6, 2))
    cells = L.Conv2D(8, 3, strides=2, padding="same", name="cells")(inputs)
    model = keras.Model(inputs, cells)
    model.compile(keras.optimizers.SGD(0.01), of_scene)
    draw = np.random.default_rng(0)
    there = draw.integers(0, 2, (NUM, 3, 3, 1))
    box, kind = draw.normal(size=(NUM, 3, 3, 4)), draw.integers(0, 3, (NUM, 3, 3, 1))
    return Reference(
        model, x=draw.normal(size=(NUM, 6, 6, 2)), y=np.concatenate([there, box, kind], -1)
    )


class OfItsOwn(keras.Model):
    """Two outputs of a class of its own, which do not tell their names."""

    def __init__(self) -> None:
        super().__init__()
        self.body = L.Dense(7, activation="tanh", name="body")
        self.kind, self.place = L.Dense(4, name="kind"), L.Dense(2, name="place")

    def call(self, given: Any) -> Any:
        """Returns logits and values."""
        h = self.body(given)
        return self.kind(h), self.place(h)


def of_its_own() -> Reference:
    """Losses in a list, with weights."""
    model = OfItsOwn()
    entropy = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss=[entropy, "mse"], loss_weights=[1.0, 0.5])
    return Reference(model, input_shapes=[(5,)])
