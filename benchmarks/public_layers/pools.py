"""Pools of windows, of whole images, and to a given size."""

from __future__ import annotations

from benchmarks.public_layers.setting import (
    IMAGES,
    SEQUENCES,
    VOLUMES,
    Given,
    Setting,
    settings,
)

_SHAPES = (SEQUENCES, IMAGES, VOLUMES)


def _windows(kind: str, rank: int) -> list[Setting]:
    return settings(
        f"{kind}Pooling{rank}D",
        _SHAPES[rank - 1],
        {"pool_size": 2},
        {"pool_size": (3, 2, 2)[:rank], "strides": 1},
        {"pool_size": 2, "padding": "same"},
        {"pool_size": 3, "strides": (2, 3, 1)[:rank], "padding": "same"},
    )


def _whole(kind: str, rank: int) -> list[Setting]:
    return settings(f"Global{kind}Pooling{rank}D", _SHAPES[rank - 1], {}, {"keepdims": True})


def _adaptive(kind: str, rank: int) -> list[Setting]:
    """Windows of two lengths, and windows that overlap.

    There is no output of 1: TensorFlow's values are undefined there.
    """
    return settings(
        f"Adaptive{kind}Pooling{rank}D",
        _SHAPES[rank - 1],
        {"output_size": 2},
        {"output_size": (3, 4, 2)[:rank]},
        {"output_size": (7, 6, 5)[:rank]},
    )


SETTINGS = [
    *(
        setting
        for kind in ("Max", "Average")
        for rank in (1, 2, 3)
        for family in (_windows, _whole, _adaptive)
        for setting in family(kind, rank)
    ),
    *settings("GlobalAveragePooling1D", Given(SEQUENCES, is_masked=True), {}, {"keepdims": True}),
    *settings("GlobalMaxPooling1D", Given(SEQUENCES, is_masked=True), {}),
]
