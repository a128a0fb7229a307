"""What rounding may change in the numbers of a check: measured by Keras, and bounded here.

Keras against itself, with every weight moved by one unit in the last place, is measured when a
bundle is recorded and stands among its facts. A bundle comes from outside, and a fact of it must
not be able to let every port pass; hence MOST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from parity.ladder.tolerance import FLOAT64, NOISE_FACTOR

if TYPE_CHECKING:
    from parity.traces.bundle import Bundle

# Eight units in the last place of float32 (1.2e-7): where rounding of float64 does more than that,
# a comparison in float64 tells less than one in float32, and is none. Relative to the largest value
# of all arrays of a kind, since a gradient that cancels to 1e-17 is rounding and nothing else.
MOST = 1e-6
# Groups of arrays that are of one kind, each of them of one weight.
_GROUPS = ("gradient", "state", "trajectory")


def allowed(bundle: Bundle, key: str) -> float:
    """Returns what an array may differ by, relative to its largest value.

    Args:
        bundle: what Keras computed, and what rounding changes in it.
        key: of the array.
    """
    scale = bundle.largest(key) or 1.0  # as in `compare_close`
    floor, noise = FLOAT64, NOISE_FACTOR * _measured(bundle, key)
    if key.startswith("gradient/"):
        # A gradient that cancels is all rounding, which has the size of the greatest gradient.
        floor *= max(1.0, _largest_of_kind(bundle, key) / scale)
    if noise > MOST and not _is_decided_by_rounding(bundle, key):
        noise = min(noise, MOST * max(1.0, _largest_of_kind(bundle, key) / scale))
    return max(floor, noise)


def _measured(bundle: Bundle, key: str) -> float:
    """What the perturbed pass changed of an array.

    In one number, changes may cancel by chance: a loss moves at least as much as what it is of.
    """
    noise = bundle.facts["noise"]
    measured = float(noise.get(key, 0.0))
    is_loss = key in ("loss/value", "trajectory/losses")
    return max(measured, float(noise.get("forward/train/output", 0.0))) if is_loss else measured


def _is_decided_by_rounding(bundle: Bundle, key: str) -> bool:
    """Whether an array follows from a gradient that is nothing but rounding.

    An optimizer that normalises its steps, such as Lion, makes steps of full size of it. Statistics
    have no gradient and may follow from one of these.
    """
    part, _, rest = key.partition("/")
    name = rest.partition("/")[2]
    weights = bundle.facts["weights"]
    if part != "trajectory" or name not in weights:
        return False
    trained = [weight for weight, entry in weights.items() if entry["trainable"]]
    keys = {weight: f"gradient/{weight}" for weight in trained}
    most = FLOAT64 * max(map(bundle.largest, keys.values()), default=0.0)
    asked = [name] if weights[name]["trainable"] else trained
    return any(
        bundle.largest(keys[weight]) <= most and bool(np.isfinite(bundle[keys[weight]]).all())
        for weight in asked
    )


def _largest_of_kind(bundle: Bundle, key: str) -> float:
    parts = key.split("/")
    if parts[0] not in _GROUPS:
        return bundle.largest(key)
    prefix = "/".join(parts[:2]) if parts[0] == "trajectory" else parts[0]
    keys = {f"{prefix}/{name}" for name in bundle.facts["weights"]} | {key}
    return max(bundle.largest(other) for other in keys if other in bundle)
