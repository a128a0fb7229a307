"""Layers that number values, and layers that encode such numbers."""

from __future__ import annotations

import torch

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.entry import Entry, Row, dtype_of


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


ROWS: dict[str, Row] = {
    "Hashing": _hashing,
    "HashedCrossing": _hashed_crossing,
    "CategoryEncoding": _category_encoding,
    "Discretization": _discretization,
    "IntegerLookup": _integer_lookup,
}
