"""Layers that number values, and layers that encode such numbers."""

from __future__ import annotations

from benchmarks.public_layers.setting import FEATURES, Given, settings

_NUMBERS = Given((5,), high=7)
_ONE = Given((1,), high=50)
_WORDS = [12, 3, 40, 7]

SETTINGS = [
    *settings(
        "CategoryEncoding",
        _NUMBERS,
        {"num_tokens": 7},
        {"num_tokens": 7, "output_mode": "one_hot"},
        {"num_tokens": 7, "output_mode": "count"},
    ),
    *settings(
        "Discretization",
        FEATURES,
        {"bin_boundaries": [-0.5, 0.0, 1.0]},
        {"bin_boundaries": [-0.5, 0.0, 1.0], "output_mode": "one_hot"},
        {"bin_boundaries": [-0.5, 0.0, 1.0], "output_mode": "multi_hot"},
        {"bin_boundaries": [-0.5, 0.0, 1.0], "output_mode": "count"},
    ),
    *settings(
        "IntegerLookup",
        Given((5,), high=50),
        {"vocabulary": _WORDS},
        {"vocabulary": _WORDS, "num_oov_indices": 3},
        {"vocabulary": _WORDS, "mask_token": 0, "oov_token": -2},
        {"vocabulary": _WORDS, "output_mode": "multi_hot"},
        {"vocabulary": _WORDS, "output_mode": "count"},
        {
            "vocabulary": _WORDS,
            "output_mode": "one_hot",
            "max_tokens": 9,
            "pad_to_max_tokens": True,
        },
    ),
    *settings(
        "Hashing",
        _ONE,
        {"num_bins": 5},
        {"num_bins": 7, "mask_value": 0},
        {"num_bins": 7, "salt": 133},
        {"num_bins": 7, "salt": [137, 42]},
        {"num_bins": 7, "output_mode": "one_hot"},
    ),
    *settings(
        "Hashing",
        Given((4,), high=2000),
        {"num_bins": 11},
        {"num_bins": 11, "output_mode": "multi_hot"},
        {"num_bins": 11, "output_mode": "count", "salt": 3},
    ),
    *settings(
        "HashedCrossing",
        (_ONE, Given((1,), high=9)),
        {"num_bins": 5},
        {"num_bins": 9, "output_mode": "one_hot"},
        form="list",
    ),
]
