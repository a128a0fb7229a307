"""The tolerances of the two halves and their reasons: the constants, and the rule for float64.

float64 proves semantics: the tolerance is a small multiple of the effect of rounding, the same in
every scenario. float32 measures noise: see `envelope.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

# Measured (docs/measurements.md): probes differ by at most 1e-14, whole float64 trainings of the
# article's programs on 600 images by at most 3e-13. The smallest known semantic fault, Adam's bias
# correction with betas that are not rounded to float32, moves weights by 7e-12 in a step of 0.001.
FLOAT64 = 1e-12
# Keras compared with itself, every weight moved by one unit in the last place, measures the effect
# of rounding; but a port rounds in every operation, not once. Of 146 correct ports with five seeds
# each, the largest difference was 17 times this (`python benchmarks/accuracy/matrices.py --null`).
NOISE_FACTOR = 30.0
# Images are interpolated in float64 and rounded once to float32, in [0, 1] by at most 6e-8; if the
# halves add in a different order, a pixel may be rounded differently.
IMAGES_FLOAT32 = 5e-7

# Sources of a tolerance, as reports name them.
EXACT = "bit for bit: nothing may differ"
SEMANTIC = "float64, relative to the largest value: 1e-12, 200 times the rounding seen"


class Tolerance(Protocol):
    """The tolerance of the trajectory."""

    @property
    def tolerance_source(self) -> str:
        """The origin of the numbers, as a sentence for the report."""

    @property
    def scaled(self) -> bool:
        """Whether the numbers are relative for values above 1."""

    def weights(self, step: int) -> float:
        """Greatest allowed difference of any weight after a recorded step."""

    def running_loss(self, steps: np.ndarray) -> np.ndarray:
        """Greatest allowed difference of the running loss after each step."""

    def history(self, key: str, epoch: int) -> float:
        """Greatest allowed difference of a value of the history."""

    def may_part(self, epoch: int) -> bool:
        """Whether rounding may decide the learning rate of an epoch."""


@dataclass(frozen=True)
class Float64Tolerance:
    """The same number for everything."""

    tolerance_source: str = (
        f"float64: {FLOAT64:g} (relative for values above 1), more than rounding and less than any "
        "known semantic fault"
    )
    scaled: bool = True

    def weights(self, step: int) -> float:
        """See Tolerance."""
        return FLOAT64

    def running_loss(self, steps: np.ndarray) -> np.ndarray:
        """See Tolerance."""
        return np.full(len(steps), FLOAT64)

    def history(self, key: str, epoch: int) -> float:
        """See Tolerance."""
        return FLOAT64

    def may_part(self, epoch: int) -> bool:
        """False: in float64 both halves see the same losses."""
        return False
