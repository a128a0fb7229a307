"""Layers that make one tensor of several, also with masks and with sizes that broadcast."""

from __future__ import annotations

from benchmarks.public_layers.setting import FEATURES, IMAGES, SEQUENCES, Given, settings

_TWO = (Given(IMAGES), Given(IMAGES))
_MASKED = (Given(SEQUENCES, is_masked=True), Given(SEQUENCES, is_masked=True))
_HALF_MASKED = (Given(SEQUENCES, is_masked=True), Given(SEQUENCES))

SETTINGS = [
    *(
        setting
        for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
        for given in (_TWO, _MASKED, (Given(IMAGES), Given((1, 5, 4))))
        for setting in settings(kind, given, {}, form="list")
    ),
    *(
        setting
        for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum")
        for setting in settings(kind, (*_TWO, Given(IMAGES)), {}, form="list")
    ),
    *settings("Add", _HALF_MASKED, {}, form="list"),
    *settings("Concatenate", _TWO, {}, {"axis": 1}, {"axis": -2}, form="list"),
    *settings("Concatenate", (Given(FEATURES), Given((3,)), Given((2,))), {}, form="list"),
    *settings("Concatenate", _MASKED, {"axis": 1}, {"axis": -1}, form="list"),
    *settings("Concatenate", _HALF_MASKED, {"axis": 1}, form="list"),
    *settings("Dot", (Given(FEATURES), Given(FEATURES)), {"axes": 1}, form="list"),
    *settings(
        "Dot",
        (Given(SEQUENCES), Given(SEQUENCES)),
        {"axes": -1, "normalize": True},
        {"axes": (1, 1)},
        form="list",
    ),
    *settings("Dot", (Given((7, 4)), Given((4, 3))), {"axes": (2, 1)}, form="list"),
]
