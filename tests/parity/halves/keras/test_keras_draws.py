"""Which operations of TensorFlow draw, and what."""

import keras
import numpy as np
import tensorflow as tf
from rows import each_row

from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.random_layers import INTEGERS, NORMAL, OTHER, UNIFORM, kind_of_draw


@each_row(
    "operation, kind",
    [
        ("RandomStandardNormal", NORMAL),
        ("StatelessRandomNormalV2", NORMAL),
        ("StatelessRandomUniformV2", UNIFORM),
        ("RandomUniformInt", INTEGERS),
        ("StatelessTruncatedNormalV2", OTHER),
        ("Multinomial", OTHER),
        ("StatelessRandomGetKeyCounter", None),
        ("RngReadAndSkip", None),
        ("MatMul", None),
    ],
)
def test_an_operation_draws_numbers_of_a_kind_or_none(operation, kind):
    assert kind_of_draw(operation) == kind


def test_numbers_are_told_before_they_are_scaled_in_the_order_in_which_they_are_drawn():
    with recorded_calls() as calls:
        drawn = [
            keras.random.normal((2, 3), 1.0, 2.0, seed=keras.random.SeedGenerator(1)),
            tf.random.uniform((4,), 2.0, 5.0, seed=1),
            keras.random.randint((5,), 3, 9, seed=keras.random.SeedGenerator(2)),
        ]
    assert [draw.kind for draw in calls.draws] == [NORMAL, UNIFORM, INTEGERS]
    normal, uniform, whole = (draw.values for draw in calls.draws)
    np.testing.assert_allclose(1 + 2 * normal, drawn[0], rtol=1e-6)
    np.testing.assert_allclose(2 + 3 * uniform, drawn[1], rtol=1e-6)
    np.testing.assert_array_equal(whole, drawn[2])
