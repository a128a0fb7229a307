"""Layers with one table or kernel, and layers that pass their input on."""

from __future__ import annotations

from keras import layers

from benchmarks.public_layers.functions import scaled
from benchmarks.public_layers.setting import FEATURES, IMAGES, SEQUENCES, Given, settings

_RULES = {
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "kernel_constraint": "unit_norm",
    "bias_constraint": "non_neg",
}
_TOKENS = Given((5,), high=9)
_TABLE = {
    "embeddings_initializer": "ones",
    "embeddings_regularizer": "l2",
    "embeddings_constraint": "max_norm",
}

SETTINGS = [
    *settings("InputLayer", FEATURES, {}),
    *settings(
        "Dense",
        FEATURES,
        {"units": 3},
        {"units": 3, "activation": "relu", "use_bias": False},
        {"units": 3, **_RULES, "activity_regularizer": "l2"},
        {"units": 3, "trainable": False},
    ),
    *settings("Dense", IMAGES, {"units": 3, "activation": "softmax"}),
    *settings("Dense", Given(SEQUENCES, is_masked=True), {"units": 3, "activation": "gelu"}),
    *settings("EinsumDense", FEATURES, {"equation": "ab,bc->ac", "output_shape": 3}),
    *settings(
        "EinsumDense",
        SEQUENCES,
        {
            "equation": "abc,cde->abde",
            "output_shape": (7, 2, 3),
            "bias_axes": "de",
            "activation": "relu",
        },
        {"equation": "...x,xy->...y", "output_shape": 3, "bias_axes": "y", **_RULES},
        {"equation": "abc,bd->adc", "output_shape": (5, 4)},
    ),
    *settings(
        "Embedding",
        _TOKENS,
        {"input_dim": 9, "output_dim": 3},
        {"input_dim": 9, "output_dim": 3, "mask_zero": True},
        {"input_dim": 9, "output_dim": 3, **_TABLE},
    ),
    *settings(
        "ReversibleEmbedding",
        _TOKENS,
        {"input_dim": 9, "output_dim": 3},
        {"input_dim": 9, "output_dim": 3, "tie_weights": False, **_TABLE},
        {"input_dim": 9, "output_dim": 3, "mask_zero": True},
    ),
    *settings(
        "ReversibleEmbedding",
        Given((5, 3)),
        {"input_dim": 9, "output_dim": 3},
        {"input_dim": 9, "output_dim": 3, "tie_weights": False, "logit_soft_cap": 2.0},
        {"input_dim": 9, "output_dim": 3, "reverse_dtype": "float64"},
        options={"reverse": True},
    ),
    *settings("Identity", SEQUENCES, {}),
    *settings("Identity", Given(SEQUENCES, is_masked=True), {}),
    *settings("Masking", SEQUENCES, {}, {"mask_value": 0.25}),
    *settings("ActivityRegularization", SEQUENCES, {"l1": 0.1}, {"l1": 0.1, "l2": 0.2}),
    *settings(
        "SpectralNormalization",
        FEATURES,
        lambda: {"layer": layers.Dense(3)},
        lambda: {"layer": layers.Dense(3, activation="tanh"), "power_iterations": 3},
    ),
    *settings(
        "SpectralNormalization",
        IMAGES,
        lambda: {"layer": layers.Conv2D(3, 2)},
    ),
    *settings("Lambda", FEATURES, lambda: {"function": scaled, "arguments": {"by": 3.0}}),
    *settings("Lambda", IMAGES, lambda: {"function": scaled, "output_shape": (6, 5, 4)}),
]
