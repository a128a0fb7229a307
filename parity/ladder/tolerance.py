"""The tolerances of the two halves and their reasons.

float64 proves semantics: the tolerance is a small multiple of the effect of rounding, the same in
every scenario. float32 measures noise: see `anchored.py`.
"""

from __future__ import annotations

import math

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
