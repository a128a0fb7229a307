"""Dropouts and noise: rates, shapes of masks, masked steps."""

from __future__ import annotations

from benchmarks.public_layers.setting import IMAGES, SEQUENCES, VOLUMES, Given, settings

SETTINGS = [
    *settings(
        "Dropout",
        IMAGES,
        {"rate": 0.4, "seed": 7},
        {"rate": 0.4, "noise_shape": (None, 1, 5, 1), "seed": 7},
        {"rate": 0.0, "seed": 7},
    ),
    *settings("Dropout", Given(SEQUENCES, is_masked=True), {"rate": 0.4, "seed": 7}),
    *settings("SpatialDropout1D", SEQUENCES, {"rate": 0.4, "seed": 7}),
    *settings("SpatialDropout2D", IMAGES, {"rate": 0.4, "seed": 7}),
    *settings("SpatialDropout3D", VOLUMES, {"rate": 0.4, "seed": 7}),
    *settings("AlphaDropout", IMAGES, {"rate": 0.4, "seed": 7}),
    *settings("AlphaDropout", SEQUENCES, {"rate": 0.3, "noise_shape": (None, 7, 1), "seed": 7}),
    *settings("GaussianNoise", IMAGES, {"stddev": 0.4, "seed": 7}),
    *settings("GaussianDropout", SEQUENCES, {"rate": 0.4, "seed": 7}),
]
