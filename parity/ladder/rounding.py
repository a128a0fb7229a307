"""Tolerances, and the effect of rounding on the numbers of a check, measured with Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

# --- The tolerances of the two halves and their reasons -------------------------------------------
#
# float64 proves semantics: the tolerance is a small multiple of the effect of rounding, the same in
# every scenario. float32 measures noise: see `anchored.py`.


# Measured (docs/measurements.md): probes differ by at most 1e-14, whole float64 trainings of the
# article's programs on 600 images by at most 3e-13. The smallest known semantic fault, Adam's bias
# correction with betas that are not rounded to float32, moves weights by 7e-12 in a step of 0.001.
FLOAT64 = 1e-12
# Keras compared with itself, every weight moved by one unit in the last place, measures the effect
# of rounding; but a port rounds in every operation, not once. Of 148 correct ports with five seeds
# each, the largest difference was 17 times this (`benchmarks/accuracy/corpus.py pairs`, 5 seeds).
NOISE_FACTOR = 30.0
# A constant that is rounded to float32 differs by at most 2**-24 of itself; a derivative may have
# it twice. What is measured is multiplied by NOISE_FACTOR, since a port rounds in every operation;
# a constant is rounded once.
OF_A_CONSTANT = 2 * 2.0**-24 / NOISE_FACTOR
# The same for a port in float32, where every layer of Keras is perturbed. Of 146 correct ports, the
# nearest was at 1.3 times the noise (`corpus.py pairs --dtype float32 --seeds 3`), on one machine;
# others add in another order. The floor is 34 units in the last place.
FLOAT32 = 4e-6
FACTOR_OF_FLOAT32 = 10.0
# A resized value is rounded so often in float32, in any direction, by the root of the number: four
# corners, three times a difference, a product and a sum.
ROUNDINGS_OF_RESIZING = math.sqrt(4 + 9)
LARGEST_OF_GELU = 1e-6  # by which a rounded root of 2 may change gelu; tanh changes it more
# From here on torch's softplus returns its input: log(1 + exp(-20)), 2e-9, less than Keras's.
SOFTPLUS_LIMIT = 20.0
# Images are interpolated in float64 and rounded once to float32, in [0, 1] by at most 6e-8; if the
# halves add in a different order, a pixel may be rounded differently.
IMAGES_FLOAT32 = 5e-7
LEARNING_RATE = 1.2e-7  # relative: Keras keeps the rate in float32
# A schedule in float32 makes a few operations with numbers as large as its largest rate: four
# units in the last place of that. Near the end of a cosine, where the rate is small, that is much.
MOST_RATE_ROUNDING = 4 * 2.0**-23

# Sources of a tolerance, as reports name them.
EXACT = "bit for bit: nothing may differ"
WHOLE_RUN = (
    f"float64: {FLOAT64:g} (relative for values above 1), more than rounding and less than any "
    "known semantic fault"
)


# --- The effect of rounding on the numbers of a check: measured with Keras, and limited here ------
#
# The Keras half compares Keras with itself, with every weight moved by one unit in the last place,
# and stores the differences. In a bundle they come from outside, so MOST limits them: no bundle can
# make every port pass.


@dataclass(frozen=True)
class Limits:
    """What rounding may change in a port of one dtype, relative to an array's largest value.

    Attributes:
        floor: allowed in any case.
        factor: what is allowed of the measured effect of rounding.
        most: of all that is allowed; from here on an array tells little. Relative to the largest
            value of all arrays of a kind, since a gradient that cancels is only rounding.
        most_in_training: the same for weights in training, which move by rates that Keras keeps in
            float32: all of them differ by a few units of that.
    """

    floor: float
    factor: float
    most: float
    most_in_training: float


LIMITS = {
    # `most` is eight units in the last place of float32 (1.2e-7): if rounding in float64 has a
    # larger effect, a comparison in float64 shows less than one in float32, and is useless.
    "float64": Limits(floor=FLOAT64, factor=NOISE_FACTOR, most=1e-6, most_in_training=1e-3),
    "float32": Limits(floor=FLOAT32, factor=FACTOR_OF_FLOAT32, most=1e-2, most_in_training=1e-1),
}
# Constants that Keras has in float32, such as betas, move what an optimizer keeps, and all that
# follows from its steps, by more than rounding. They are rounded once, in one way: a port that
# computes with 0.999 as it is written differs by what a pass shows in which exactly these numbers
# are moved (the fact `constants`), not by a multiple of that; 2 is for a port that has some of
# them as Keras has them, and others as they are written, where their effects cancel in the pass.
TIMES_OF_CONSTANTS = 2.0
# An older bundle has no such pass: its noise has both. No beta up to this one can move a slot by
# more than `MOST_OF_BETAS`.
_MOVED_BY_BETAS, _LARGEST_BETA = ("optimizer/", "trajectory/losses", "log/"), 0.9999
MOST_OF_BETAS = TIMES_OF_CONSTANTS * 2.0**-25 / (1 - _LARGEST_BETA)
# Steps of a probe's training in which rounding cannot have grown to what decides.
NUM_CERTAIN_STEPS = 2
# Groups of arrays of one kind, one array per weight.
_GROUPS = ("gradient", "state", "trajectory")


class Recorded(Protocol):
    """What is read of the results of Keras: of a trace, or of one that is being written."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the trace, `noise` and `weights` among them."""

    def __contains__(self, key: str) -> bool:
        """Whether there is an array under a key."""

    def __getitem__(self, key: str) -> np.ndarray:
        """The array under a key."""

    def largest(self, key: str) -> float:
        """The largest absolute value of an array that is finite."""


def dtype_of(facts: Mapping[str, Any]) -> str:
    """Returns the dtype of the port for which rounding was measured; older bundles tell none."""
    return str(facts.get("dtype", "float64"))


def limits_of(keras: Recorded) -> Limits:
    """Returns the limits of the dtype in which the port computes."""
    return LIMITS[dtype_of(keras.facts)]


def allowed(keras: Recorded, key: str) -> float:
    """Returns the allowed difference of an array, relative to its largest value.

    Args:
        keras: the results of Keras, and the effect of rounding on them.
        key: key of the array.
    """
    return allowed_by_rounding(keras, key) + allowed_by_float32(keras, key)


def allowed_by_rounding(keras: Recorded, key: str) -> float:
    """Returns the part of this that is for rounding in the dtype of the port."""
    scale = keras.largest(key) or 1.0  # as in `compare_close`
    limits = limits_of(keras)
    measured = _measured(keras, key)
    floor, noise = limits.floor, limits.factor * measured
    if key.startswith("gradient/"):
        # A gradient that cancels is only rounding, which scales with the greatest gradient.
        floor *= max(1.0, _largest_of_kind(keras, key) / scale)
    if noise > limits.most and not is_decided_by_rounding(keras, key):
        greatest = limits.most_in_training if _moves_by_float32(keras, key) else limits.most
        most = greatest * max(1.0, _largest_of_kind(keras, key) / scale)
        noise = min(noise, most)
    if "constants" in keras.facts:
        constants = float(keras.facts["constants"].get(key, 0.0))
        return max(floor, noise) + TIMES_OF_CONSTANTS * constants
    if key.startswith(_MOVED_BY_BETAS):
        noise = max(noise, min(TIMES_OF_CONSTANTS * measured, MOST_OF_BETAS))
    return max(floor, noise)


def allowed_by_float32(keras: Recorded, key: str) -> float:
    """Returns the part of it that is for what the program itself asks for in float32.

    It is an allowance of its own, which has the limits of a port in float32: no check in float64
    can show more there than one in float32.
    """
    limits, scale = LIMITS["float32"], keras.largest(key) or 1.0
    most = limits.most_in_training if key.startswith("trajectory/") else limits.most
    most *= max(1.0, _largest_of_kind(keras, key) / scale)
    return min(limits.factor * _measured(keras, key, "float32_noise"), most)


def allowed_in_training(keras: Recorded, step: int, key: str) -> float:
    """Returns the allowed difference of an array after a step of a probe's training, from 1.

    It is a weight, or a number that the own step of a model returns, such as its loss; this counts
    as changed as what the networks of the model return in the first step.

    Up to `most_in_training` it is that of `allowed`. Of a network with many normalisations, whose
    last ones see few values, rounding decides more than that after some steps; then the array is
    not compared, unless it differs by even more. The first steps are certain in every network.
    """
    return _grown(keras, step, key, _measured(keras, key))


def allowed_loss(keras: Recorded, step: int) -> float:
    """Returns the same of the loss of one step, relative to itself."""
    key = "trajectory/losses"
    # Measured in relation to the largest loss; a loss that has fallen is as uncertain.
    size, largest = abs(float(keras[key][step - 1])) or 1.0, keras.largest(key)
    noise = max(keras.facts.get("loss_noise", [])[:step], default=0.0)
    return _grown(keras, step, key, noise) * max(1.0, largest / size)


def _grown(keras: Recorded, step: int, key: str, noise: float) -> float:
    limits = limits_of(keras)
    noise *= limits.factor
    is_grown = step > NUM_CERTAIN_STEPS and noise > limits.most_in_training
    return noise if is_grown else allowed(keras, key)


def _measured(keras: Recorded, key: str, fact: str = "noise") -> float:
    """Returns how much the passes of a fact changed an array: the perturbed ones by default.

    In a single number, changes may cancel by chance, so a loss counts at least as changed as the
    outputs from which it is computed.
    """
    noise = keras.facts.get(fact, {})
    measured = float(noise.get(key, 0.0))
    if key.startswith("log/"):
        outputs = (float(value) for name, value in noise.items() if name.startswith("part/"))
        return max([measured, *outputs])
    is_loss = key in ("loss/value", "trajectory/losses")
    return max(measured, float(noise.get("forward/train/output", 0.0))) if is_loss else measured


def is_decided_by_rounding(keras: Recorded, key: str) -> bool:
    """Whether an array depends on a gradient that is only rounding.

    An optimizer that normalises its steps, such as Lion, makes full steps from such a gradient.
    Statistics have no gradient and may depend on one of these.
    """
    name, weights = _weight_after_a_step(key), keras.facts["weights"]
    if name not in weights:
        return False
    all_keys = {w: f"gradient/{w}" for w, entry in weights.items() if entry["trainable"]}
    keys = {weight: key for weight, key in all_keys.items() if key in keras}
    most = limits_of(keras).floor * max(map(keras.largest, keys.values()), default=0.0)
    asked = [name] if weights[name]["trainable"] and name in keys else list(keys)
    return any(
        keras.largest(keys[weight]) <= most and bool(np.isfinite(keras[keys[weight]]).all())
        for weight in asked
    )


def _weight_after_a_step(key: str) -> str:
    """Returns the name of the weight that an array of the training is; "" of another array."""
    part, _, rest = key.partition("/")
    return rest.partition("/")[2] if part == "trajectory" else ""


def _moves_by_float32(keras: Recorded, key: str) -> bool:
    """Whether a weight after a step may differ by more, since part of the model is in float32.

    Where an entry of its gradient is nearly zero, an optimizer that normalises its steps makes much
    of what float32 changes there, which may be little of the largest entry.
    """
    gradient = f"gradient/{_weight_after_a_step(key)}"
    if gradient not in keras or not keras.facts.get("float32_inside"):
        return False
    limits = limits_of(keras)
    return limits.factor * _measured(keras, gradient) > limits.floor


def _largest_of_kind(keras: Recorded, key: str) -> float:
    parts = key.split("/")
    if parts[0] not in _GROUPS:
        return keras.largest(key)
    prefix = "/".join(parts[:2]) if parts[0] == "trajectory" else parts[0]
    keys = {f"{prefix}/{name}" for name in keras.facts["weights"]} | {key}
    return max(keras.largest(other) for other in keys if other in keras)
