"""Layers that change, resize and crop images, in a model or in front of it.

Inside of Keras's graphs these layers cast whole numbers to the dtype of their policy first: see
`casting.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, Row, dtype_of
from torch_impl.keras_config.rows.modules import KerasLayer, moved

_MOVED = ("fill_mode", "interpolation", "fill_value")


def _random(kind: Callable[..., nn.Module], *names: str, draws_in_floatx: bool = True) -> Row:
    """Returns the row of a layer that draws; without a seed in the config, the seed is 0.

    It draws in the dtype of the policy; Keras draws in its floatx, which the config lacks.
    """

    def plan(entry: Entry) -> Planned:
        options = {"random_dtype": dtype_of(entry.config)} if draws_in_floatx else {}
        return Planned(KerasLayer, Planned(kind, **entry.pick(*names, "seed"), **options))

    return plan


def _shear(entry: Entry) -> Planned:
    """Plans a RandomShear; Keras writes f as [-f, f], which neither half takes as arguments."""
    factors = {
        name: factor[1] if tuple(factor) == (-factor[1], factor[1]) else factor
        for name, factor in entry.pick("x_factor", "y_factor").items()
    }
    options = {**entry.pick(*_MOVED, "seed"), "random_dtype": dtype_of(entry.config)}
    return Planned(KerasLayer, Planned(layers.RandomShear, **factors, **options))


ROWS: dict[str, Row] = {
    "RandomFlip": _random(layers.RandomFlip, "mode"),
    # Keras cannot rotate with a floatx of float64.
    "RandomRotation": _random(layers.RandomRotation, "factor", *_MOVED, draws_in_floatx=False),
    "RandomZoom": _random(layers.RandomZoom, "height_factor", "width_factor", *_MOVED),
    "RandomTranslation": _random(
        layers.RandomTranslation, "height_factor", "width_factor", *_MOVED
    ),
    # This one draws in the dtype of the images.
    "RandomContrast": _random(
        layers.RandomContrast, "factor", "value_range", draws_in_floatx=False
    ),
    "RandomBrightness": _random(layers.RandomBrightness, "factor", "value_range"),
    "RandomCrop": _random(layers.RandomCrop, "height", "width"),
    "RandomShear": _shear,
    # Keras writes no seed of it.
    "RandomGrayscale": _random(layers.RandomGrayscale, "factor"),
    "RandomInvert": _random(layers.RandomInvert, "factor", "value_range"),
    "RandomColorDegeneration": _random(layers.RandomColorDegeneration, "factor", "value_range"),
    "RandomSharpness": _random(layers.RandomSharpness, "factor", "value_range"),
    "Solarization": _random(
        layers.Solarization, "addition_factor", "threshold_factor", "value_range"
    ),
    "CenterCrop": moved(layers.CenterCrop, "height", "width"),
    "Resizing": moved(
        layers.Resizing,
        *("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio"),
        *("fill_mode", "fill_value", "antialias"),
    ),
}
