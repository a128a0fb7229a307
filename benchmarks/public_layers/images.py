"""Layers that change, resize and crop images."""

from __future__ import annotations

from keras import layers

from benchmarks.public_layers.setting import Given, settings

_IMAGES = Given((6, 5, 3))
_MOVED = {"fill_mode": "constant", "interpolation": "nearest", "fill_value": 0.5}

SETTINGS = [
    *settings(
        "Pipeline",
        _IMAGES,
        lambda: {"layers": [layers.Rescaling(0.5), layers.Resizing(4, 7, "nearest")]},
        lambda: {"layers": [layers.CenterCrop(4, 3), layers.Dropout(0.4, seed=3)]},
    ),
    *settings("CenterCrop", _IMAGES, {"height": 4, "width": 3}, {"height": 7, "width": 3}),
    *settings(
        "Resizing",
        _IMAGES,
        {"height": 4, "width": 7},
        {"height": 4, "width": 7, "interpolation": "nearest"},
        {"height": 4, "width": 7, "interpolation": "bicubic", "antialias": True},
        {"height": 4, "width": 7, "interpolation": "lanczos3"},
        {"height": 4, "width": 7, "crop_to_aspect_ratio": True},
        {"height": 8, "width": 9, "pad_to_aspect_ratio": True, "fill_value": 0.5},
    ),
    *settings("RandomFlip", _IMAGES, {"seed": 3}, {"mode": "horizontal", "seed": 3}),
    *settings(
        "RandomRotation", _IMAGES, {"factor": 0.3, "seed": 3}, {"factor": 0.3, "seed": 3, **_MOVED}
    ),
    *settings(
        "RandomZoom",
        _IMAGES,
        {"height_factor": 0.3, "seed": 3},
        {"height_factor": 0.3, "width_factor": (-0.2, 0.4), "seed": 3, **_MOVED},
    ),
    *settings(
        "RandomTranslation",
        _IMAGES,
        {"height_factor": 0.3, "width_factor": 0.2, "seed": 3},
        {"height_factor": 0.3, "width_factor": (-0.2, 0.4), "seed": 3, **_MOVED},
    ),
    *settings("RandomContrast", _IMAGES, {"factor": 0.3, "value_range": (-9, 9), "seed": 3}),
    *settings("RandomBrightness", _IMAGES, {"factor": 0.3, "value_range": (-9, 9), "seed": 3}),
    *settings("RandomCrop", _IMAGES, {"height": 4, "width": 3, "seed": 3}),
    *settings(
        "RandomShear",
        _IMAGES,
        {"x_factor": 0.3, "seed": 3},
        {"x_factor": (0.1, 0.2), "y_factor": 0.4, "seed": 3, **_MOVED},
    ),
    *settings("RandomGrayscale", _IMAGES, {}, {"factor": 0.8, "seed": 3}),
    *settings(
        "RandomInvert",
        _IMAGES,
        {"seed": 3},
        {"factor": (0.7, 0.9), "value_range": (-9, 9), "seed": 3},
    ),
    *settings(
        "RandomColorDegeneration", _IMAGES, {"factor": 0.7, "value_range": (-9, 9), "seed": 3}
    ),
    *settings("RandomSharpness", _IMAGES, {"factor": 0.7, "value_range": (-9, 9), "seed": 3}),
    *settings(
        "Solarization",
        _IMAGES,
        {"value_range": (-9, 9), "seed": 3},
        {
            "addition_factor": 0.2,
            "threshold_factor": (0.3, 0.6),
            "value_range": (-9, 9),
            "seed": 3,
        },
    ),
]
