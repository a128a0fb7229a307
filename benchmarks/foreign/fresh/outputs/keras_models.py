"""Keras models with several inputs, outputs and losses, weights of samples, added losses."""

import keras
import numpy as np
from keras import layers

from keras_impl import Reference


def compiled(inputs, outputs, loss, **settings):
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), loss, **settings)
    return model


def heads():
    """A class and a place of one thing."""
    inputs = keras.Input((6,), name="x")
    x = layers.Dense(8, activation="relu", name="body")(inputs)
    outputs = {
        "kind": layers.Dense(3, activation="softmax", name="kind")(x),
        "place": layers.Dense(2, name="place")(x),
    }
    return compiled(
        inputs,
        outputs,
        {"kind": "sparse_categorical_crossentropy", "place": "mse"},
        loss_weights={"kind": 1.0, "place": 0.3},
        metrics={"kind": ["accuracy"], "place": ["mae"]},
    )


def towers():
    """A second head in the middle helps the training; both have the same classes."""
    inputs = keras.Input((6,), name="x")
    low = layers.Dense(8, activation="relu", name="low")(inputs)
    high = layers.Dense(7, activation="relu", name="high")(low)
    main = layers.Dense(4, name="main")(high)
    aux = layers.Dense(4, name="aux")(low)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return compiled(inputs, [main, aux], [loss, loss], loss_weights=[1.0, 0.4])


def confused():
    """One head has logits, the other one probabilities."""
    inputs = keras.Input((5,), name="x")
    x = layers.Dense(6, activation="tanh", name="body")(inputs)
    raw = layers.Dense(1, name="raw")(x)
    sure = layers.Dense(1, activation="sigmoid", name="sure")(x)
    losses = {
        "raw": keras.losses.BinaryCrossentropy(from_logits=True),
        "sure": "binary_crossentropy",
    }
    return compiled(inputs, {"raw": raw, "sure": sure}, losses)


class Divergence(layers.Layer):
    def call(self, mean, log_variance):
        each = 1 + log_variance - keras.ops.square(mean) - keras.ops.exp(log_variance)
        self.add_loss(-0.5 * 0.1 * keras.ops.mean(keras.ops.sum(each, axis=1)))
        return mean


def coder():
    """An autoencoder with the divergence of its code from a normal one."""
    inputs = keras.Input((7,), name="x")
    x = layers.Dense(6, activation="relu", name="body")(inputs)
    mean, log_variance = layers.Dense(3, name="mean")(x), layers.Dense(3, name="log_variance")(x)
    code = Divergence(name="divergence")(mean, log_variance)
    return compiled(inputs, layers.Dense(7, name="decoder")(code), "mse")


def penalised():
    inputs = keras.Input((6,), name="x")
    l2 = keras.regularizers.L2(0.02)
    x = layers.Dense(8, activation="relu", kernel_regularizer=l2, name="body")(inputs)
    return compiled(inputs, layers.Dense(2, kernel_regularizer=l2, name="head")(x), "mse")


def sparse_code():
    """A penalty of what a layer puts out."""
    inputs = keras.Input((6,), name="x")
    x = layers.Dense(
        8, activation="relu", activity_regularizer=keras.regularizers.L1(0.01), name="code"
    )(inputs)
    return compiled(inputs, layers.Dense(6, name="decoder")(x), "mae")


def weighted():
    inputs = keras.Input((4,), name="x")
    x = layers.Dense(6, activation="relu", name="body")(inputs)
    model = compiled(inputs, layers.Dense(3, name="head")(x), keras.losses.Huber(0.5))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 3))
    return Reference(model, x=x, y=y, sample_weight=rng.uniform(0.2, 3, 40))


def weighted_pair():
    """Each output has weights of its own."""
    inputs = keras.Input((4,), name="x")
    x = layers.Dense(6, activation="relu", name="body")(inputs)
    outputs = [layers.Dense(1, name="near")(x), layers.Dense(2, name="far")(x)]
    model = compiled(inputs, outputs, ["mse", "mae"], loss_weights=[0.5, 2.0])
    rng = np.random.default_rng(0)
    y = [rng.normal(size=(40, 1)), rng.normal(size=(40, 2))]
    weights = [rng.uniform(0.2, 3, 40), rng.uniform(0.2, 3, 40)]
    return Reference(model, x=rng.normal(size=(40, 4)), y=y, sample_weight=weights)


def classes():
    inputs = keras.Input((5,), name="x")
    x = layers.Dense(6, activation="relu", name="body")(inputs)
    model = compiled(
        inputs,
        layers.Dense(3, activation="softmax", name="head")(x),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return Reference(model, class_weight={0: 1.0, 1: 3.0, 2: 0.5})


def joined():
    """Three inputs by name; two have the same width."""
    inputs = {
        name: keras.Input((width,), name=name)
        for name, width in (("age", 3), ("income", 3), ("city", 4))
    }
    x = layers.Concatenate(name="all")([inputs["age"], inputs["income"], inputs["city"]])
    x = layers.Dense(7, activation="relu", name="body")(x)
    return compiled(inputs, layers.Dense(2, name="head")(x), "mse")


def twins():
    """One body for two inputs, and two outputs: the difference and the product."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    body = layers.Dense(5, activation="tanh", name="body")
    a, b = body(left), body(right)
    gap = layers.Dense(1, name="gap")(layers.Subtract(name="minus")([a, b]))
    both = layers.Dense(2, activation="sigmoid", name="both")(layers.Multiply(name="times")([a, b]))
    return compiled(
        [left, right], [gap, both], ["mse", "binary_crossentropy"], loss_weights=[0.7, 1.0]
    )
