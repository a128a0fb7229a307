"""The masks of sequences that a call of a layer is given beside its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from parity.halves.keras import versions

# Masks of sequences, which a call is told beside its inputs.
_MASKS = ("mask", "query_mask", "value_mask", "key_mask")


def without_masks(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the keyword arguments of a call that are no masks of sequences."""
    return {name: value for name, value in keywords.items() if name not in _MASKS}


def given_masks_of(inputs: list[Any], told: Any) -> list[Any]:
    """Returns the mask of each input: one that the call was told, or else that which it carries."""
    own = list(map(versions.mask_of, inputs))
    by_hand = [] if told is None else tf.nest.flatten(told)
    return [*by_hand[: len(own)], *own[len(by_hand) :]]
