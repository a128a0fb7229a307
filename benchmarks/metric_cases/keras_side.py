"""Keras models with metrics."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers as L
from keras import losses, metrics

from keras_impl import Reference

NUM = 40  # samples of a training


def _built(shape: tuple[int, ...], last: L.Layer, inner: L.Layer) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, last(inner(inputs)))


def classes() -> keras.Model:
    """Six classes, by a softmax."""
    model = _built((7,), L.Dense(6, activation="softmax"), L.Dense(9, activation="tanh"))
    model.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        metrics=[
            "accuracy",
            metrics.SparseTopKCategoricalAccuracy(k=3, name="top3"),
            metrics.SparseCategoricalCrossentropy(name="entropy"),
        ],
    )
    return model


def one_hot() -> keras.Model:
    """Four classes as one-hot rows, with logits."""
    model = _built((5,), L.Dense(4), L.Dense(9, activation="tanh"))
    model.compile(
        "sgd",
        losses.CategoricalCrossentropy(from_logits=True),
        metrics=["acc", metrics.TopKCategoricalAccuracy(k=2, name="top2")],
    )
    return model


def yes_or_no() -> Reference:
    """One probability, with class weights."""
    model = _built((6,), L.Dense(1, activation="sigmoid"), L.Dense(8, activation="tanh"))
    model.compile(
        "sgd",
        "binary_crossentropy",
        metrics=["accuracy", metrics.AUC(name="auc"), metrics.Precision(0.3, name="precision")],
        weighted_metrics=[metrics.BinaryAccuracy(name="share"), metrics.Recall(name="recall")],
    )
    return Reference(model, class_weight={0: 0.5, 1: 3.0})


def logit() -> keras.Model:
    """One logit, which the metrics know."""
    model = _built((6,), L.Dense(1), L.Dense(8, activation="tanh"))
    model.compile(
        "sgd",
        losses.BinaryCrossentropy(from_logits=True),
        metrics=[
            metrics.BinaryAccuracy(threshold=0.0, name="right"),
            metrics.BinaryCrossentropy(from_logits=True, name="entropy"),
        ],
    )
    return model


def labels() -> keras.Model:
    """Four labels, each yes or no."""
    model = _built((6,), L.Dense(4, activation="sigmoid"), L.Dense(8, activation="tanh"))
    model.compile(
        "sgd",
        "binary_crossentropy",
        metrics=[
            "binary_accuracy",
            metrics.F1Score(average="macro", threshold=0.5, name="f1"),
            metrics.AUC(multi_label=True, name="auc"),
        ],
    )
    return model


def values() -> keras.Model:
    """Three numbers."""
    model = _built((6,), L.Dense(3), L.Dense(8, activation="tanh"))
    model.compile(
        "sgd", "mse", metrics=["mae", metrics.RootMeanSquaredError(name="rmse"), metrics.R2Score()]
    )
    return model


def weighted() -> Reference:
    """Two numbers, whose samples have weights."""
    model = _built((6,), L.Dense(2), L.Dense(8, activation="tanh"))
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(NUM, 6)), draw.normal(size=(NUM, 2))
    return Reference(model, x=x, y=y, sample_weight=draw.uniform(0.5, 2, NUM))


def pixels() -> keras.Model:
    """The class of every pixel."""
    model = _built(
        (8, 6, 2),
        L.Conv2D(3, 1, activation="softmax"),
        L.Conv2D(5, 3, padding="same", activation="tanh"),
    )
    model.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        metrics=["accuracy", metrics.MeanIoU(3, sparse_y_pred=False, name="iou")],
    )
    return model


@keras.utils.register_keras_serializable("metric_cases")
def within_half(y_true, y_pred):
    """How often an output is nearer than 0.5."""
    return keras.ops.cast(keras.ops.abs(y_true - y_pred) < 0.5, y_pred.dtype)


def custom() -> keras.Model:
    """Two numbers, and a metric of the user's own."""
    model = _built((6,), L.Dense(2), L.Dense(8, activation="tanh"))
    model.compile("sgd", "mse", metrics=[within_half])
    return model
