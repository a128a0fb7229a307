"""A step with one sample is made if the rows of `fit` leave one for the last batch."""

import keras
import numpy as np
from rows import each_row

from keras_impl import Reference
from parity.data.samples import Samples
from parity.halves.keras.check.run import has_batch_of_one
from parity.programs.check_spec import CheckSpec

BATCHES = ((np.zeros((1, 2)), np.zeros((1, 1))) for _ in range(2))


# A model that takes batches of one gets nothing else, and batches of a generator are not counted.
@each_row(
    "number, settings, expected",
    [
        (None, {"only": 1}, True),
        (None, {"x": BATCHES}, False),
        (33, {}, True),
        (32, {}, False),
        (34, {}, False),
        (33, {"batch_size": 11}, False),
        (34, {"batch_size": 11}, True),
        (64, {"batch_size": 1}, True),
        (44, {"validation_split": 0.25}, True),
        (33, {"validation_split": 0.25}, False),
        (33, {"validation_split": 0.25, "validation_data": (np.zeros((4, 2)), None)}, True),
        (None, {}, False),
    ],
)
def test_rows_of_training_by_the_size_of_a_batch(number, settings, expected):
    given = {"x": None if number is None else np.zeros((number, 2)), **settings}
    samples = Samples(CheckSpec(), [], given.pop("only", None))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert has_batch_of_one(Reference(model, **given), samples) is expected
