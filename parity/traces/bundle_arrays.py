"""Which arrays a bundle may hold, told by their names, dtypes and shapes."""

from __future__ import annotations

from typing import Any

MAX_KEY = 1_000  # characters
MAX_RANK = 8  # NumPy's own limit is 64; of Keras's layers none goes beyond 5
# First part of a key -> dtypes. Keras computes in float64; inputs may be tokens, targets classes.
_ANY = ("F64", "F32", "I64", "I32", "U8", "BOOL")
PARTS = {
    "init": ("F64",),
    "weights": ("F64",),
    "built": ("F64",),
    "state": ("F64",),
    "batches": ("F64",),  # statistics of a normalisation that is called several times
    "input": ("F64", "I64", "BOOL"),
    "target": ("F64", "I64"),
    "weight": ("F64",),  # of samples
    "forward": _ANY,  # what passes between layers may be tokens or masks
    "mask": ("BOOL", "F64"),  # the noise of a layer is in the place of a mask
    "draw": ("F64", "I64"),  # random numbers, as the model's own code draws them
    "augmented": ("F64",),  # images that layers changed at random
    "image_state": ("I64",),  # of the generators of these layers
    "image_changes": ("F64",),
    "counted": ("BOOL",),  # where masks of sequences say that values count
    "loss": ("F64",),
    "metric": ("F64",),
    "metric_input": ("F64",),
    "gradient": ("F64",),
    "penalty_gradient": ("F64",),
    "output_gradient": ("F64",),
    "optimizer": ("F64",),
    "trajectory": ("F64",),
    "schedule": ("F64",),
    "start": ("F64",),  # of a whole run, as the next one
    "order": ("I64",),
}
# Beginnings of keys.
_OF_THEIR_OWN = {
    "loss/confident/target": ("F64", "I64"),
    "metric_input/target": ("F64", "I64"),
    "schedule/stopped": ("I64",),
}


def check_array(key: str, dtype: Any, shape: Any) -> str:
    """Returns what is wrong with an array of a trace, "" if nothing is.

    Args:
        key: of the array.
        dtype: as a safetensors header names it.
        shape: a list of its sides.
    """
    part = key.partition("/")[0]
    if part not in PARTS:
        return f"the array {key[:60]!r} is none that this version knows; record it again"
    own = [dtypes for start, dtypes in _OF_THEIR_OWN.items() if f"{key}/".startswith(f"{start}/")]
    dtypes = own[0] if own else PARTS[part]
    if dtype not in dtypes:
        shown = f"the array {key[:60]!r} is {str(dtype)[:20]!r}"
        return f"{shown}; expected {' or '.join(dtypes)}"
    return check_form(key, dtype, shape)


def check_form(key: str, dtype: Any, shape: Any, dtypes: tuple[str, ...] = _ANY) -> str:
    """Returns what is wrong with an array of any use, as `check_array` does."""
    shown = f"the array {key[:60]!r}"
    if len(key) > MAX_KEY:
        return f"{shown} has a name of {len(key):,} characters; expected at most {MAX_KEY:,}"
    if dtype not in dtypes:
        return f"{shown} is {str(dtype)[:20]!r}; expected {' or '.join(dtypes)}"
    if not isinstance(shape, list) or not all(type(side) is int and side >= 1 for side in shape):
        return f"{shown} has the shape {str(shape)[:60]}; expected integers of at least 1"
    if len(shape) > MAX_RANK:
        return f"{shown} has {len(shape)} axes; expected at most {MAX_RANK}"
    return ""
