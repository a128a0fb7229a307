"""Normalisations: axes, constants, what is left out, rules of scale and offset."""

from __future__ import annotations

from benchmarks.public_layers.setting import FEATURES, IMAGES, SEQUENCES, Given, settings

_RULES = {
    "beta_initializer": "ones",
    "gamma_initializer": "he_normal",
    "beta_regularizer": "l1",
    "gamma_regularizer": "l2",
    "beta_constraint": "non_neg",
    "gamma_constraint": "non_neg",
}
_OF_ONE_AXIS = {**_RULES, "gamma_initializer": "random_uniform"}

SETTINGS = [
    *settings(
        "BatchNormalization",
        IMAGES,
        {},
        {"axis": 1, "momentum": 0.8, "epsilon": 0.01},
        {"center": False},
        {"scale": False, "moving_mean_initializer": "ones"},
        {**_OF_ONE_AXIS, "moving_variance_initializer": "zeros"},
        {"trainable": False},
    ),
    *settings("BatchNormalization", FEATURES, {}, {"momentum": 0.5}),
    *settings("BatchNormalization", Given(SEQUENCES, is_masked=True), {}),
    *settings(
        "LayerNormalization",
        IMAGES,
        {},
        {"axis": [1, 3], "epsilon": 0.01},
        {"axis": (1, 2, 3), "scale": False},
        {"center": False},
        _OF_ONE_AXIS,
    ),
    *settings("LayerNormalization", Given(SEQUENCES, is_masked=True), {"axis": 1}),
    *settings("RMSNormalization", SEQUENCES, {}, {"epsilon": 0.1}, {"axis": (1, 2)}),
    *settings(
        "GroupNormalization",
        IMAGES,
        {"groups": 2},
        {"groups": -1, "scale": False},
        {"groups": 1, "center": False, "epsilon": 0.01},
        {"groups": 3, "axis": 1},
        {"groups": 2, **_OF_ONE_AXIS},
    ),
    *settings("UnitNormalization", IMAGES, {}, {"axis": [1, 2]}, {"axis": 1}),
    *settings(
        "Normalization",
        IMAGES,
        {"mean": [0.5, 1, 1.5, 2], "variance": [1, 2, 3, 4]},
        {"mean": 0.5, "variance": 4.0, "axis": None},
        {"mean": [0.5, 1, 1.5, 2], "variance": [1, 2, 3, 4], "invert": True},
        {},
    ),
]
