"""Layers that prepare features: numbered values, and images in a model or in front of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, KerasLayer, Row, dtype_of, moved

# --- Layers that number values, and layers that encode such numbers -------------------------------


def _check_dense(entry: Entry) -> None:
    if entry.config.get("sparse"):
        raise ValueError("sparse=True: expected False")


def _category_encoding(entry: Entry) -> Planned:
    _check_dense(entry)
    given = entry.pick("num_tokens", "output_mode")
    return Planned(layers.CategoryEncoding, **given, dtype=dtype_of(entry.config))


def _discretization(entry: Entry) -> Planned:
    _check_dense(entry)
    if entry.config.get("bin_boundaries") is None:
        raise ValueError("bin_boundaries=None: expected a layer that has them, or was adapted")
    given = entry.pick("bin_boundaries", "output_mode")
    return Planned(layers.Discretization, **given, dtype=dtype_of(entry.config))


def _integer_lookup(entry: Entry) -> Planned:
    _check_dense(entry)
    config = entry.config
    if config.get("invert"):
        raise ValueError("invert=True: expected False")
    if not isinstance(config.get("vocabulary"), list | tuple):
        raise ValueError("vocabulary: expected its integers in the config, as of a list of them")
    if config.get("oov_method", "floormod") != "floormod" or config.get("salt") is not None:
        raise ValueError("oov_method and salt: expected 'floormod' and None")
    depth = config["max_tokens"] if config.get("pad_to_max_tokens") else None
    given = entry.pick("vocabulary", "num_oov_indices", "mask_token", "output_mode")
    return Planned(layers.IntegerLookup, **given, depth=depth)


def _hashing(entry: Entry) -> Planned:
    _check_dense(entry)
    given = entry.pick("num_bins", "mask_value", "salt", "output_mode")
    if isinstance(given.get("mask_value"), str):
        raise ValueError(f"mask_value={given['mask_value']!r}: expected an integer or None")
    return Planned(layers.Hashing, **given, dtype=_of_encoding(entry))


def _hashed_crossing(entry: Entry) -> Planned:
    _check_dense(entry)
    return Planned(
        layers.HashedCrossing, **entry.pick("num_bins", "output_mode"), dtype=_of_encoding(entry)
    )


def _of_encoding(entry: Entry) -> torch.dtype:
    """Returns the dtype of an encoding; that of numbers is int64."""
    dtype = dtype_of(entry.config)
    return dtype if dtype.is_floating_point else torch.float32


ROWS_OF_CATEGORIES: dict[str, Row] = {
    "Hashing": _hashing,
    "HashedCrossing": _hashed_crossing,
    "CategoryEncoding": _category_encoding,
    "Discretization": _discretization,
    "IntegerLookup": _integer_lookup,
}


# --- Layers that change, resize and crop images, in a model or in front of it ---------------------
#
# Inside of Keras's graphs these layers cast whole numbers to the dtype of their policy first: see
# `casting.py`.


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
