"""Activations as layers, and layers that scale their input."""

from __future__ import annotations

from benchmarks.public_layers.setting import FEATURES, IMAGES, SEQUENCES, settings

# Without glu: the shape that Keras infers for it is not that of its output.
NAMES = (
    *("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "sigmoid", "tanh"),
    *("softmax", "softplus", "softsign", "exponential", "hard_sigmoid", "hard_silu", "hard_tanh"),
    *("hard_shrink", "soft_shrink", "tanh_shrink", "log_sigmoid", "log_softmax", "mish"),
    *("squareplus", "sparse_plus", "sparsemax", "sparse_sigmoid", "linear"),
)

SETTINGS = [
    *settings("Activation", SEQUENCES, *({"activation": name} for name in NAMES)),
    *settings(
        "ReLU",
        IMAGES,
        {},
        {"max_value": 1.0, "negative_slope": 0.2, "threshold": 0.1},
        {"max_value": 6.0},
        {"negative_slope": 0.1},
    ),
    *settings("LeakyReLU", IMAGES, {}, {"negative_slope": 0.1}),
    *settings("ELU", IMAGES, {}, {"alpha": 0.5}),
    *settings(
        "PReLU",
        IMAGES,
        {},
        {"shared_axes": [1, 2]},
        {"alpha_initializer": "ones", "alpha_regularizer": "l2", "alpha_constraint": "non_neg"},
    ),
    *settings("Softmax", IMAGES, {}, {"axis": 1}, {"axis": (1, 3)}),
    *settings("Softmax", FEATURES, {"axis": -1}),
    *settings(
        "Rescaling",
        IMAGES,
        {"scale": 1 / 127.5, "offset": -1},
        {"scale": [0.1, 0.2, 0.3, 0.4], "offset": [1.0, 2.0, 3.0, 4.0]},
    ),
]
