"""Whether `fit` makes a step with one sample, which a port may refuse.

What `fit` gets goes in. The fact `batch_of_one` comes out: torch's BatchNorm raises for such a
step, and that matters only to a program that makes one.
"""

from __future__ import annotations

import keras

from keras_impl.reference import Reference
from parity.data.samples import Samples
from parity.halves.keras import versions
from parity.halves.keras.factories import BATCH_SIZE, num_trained


def has_batch_of_one(reference: Reference, samples: Samples) -> bool:
    """Returns whether a step of the program has one sample; False if its batches are not known.

    Args:
        reference: what `fit` gets.
        samples: of the check.
    """
    size = reference.batch_size
    if size == 1 or samples.batch_size == 1:
        return True
    if reference.x is None or versions.IS_KERAS_2 or not versions.are_arrays(reference.x):
        return False
    number = num_trained(reference, len(keras.tree.flatten(reference.x)[0]))
    return number % (size or BATCH_SIZE) == 1
