"""Inputs of which a model makes NaN are drawn from the numbers that it takes, which is told."""

import keras
import numpy as np
from keras import ops
from rows import each_row

from keras_impl import Input, Reference
from parity.halves.keras import versions
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.factories import call_factory

L = keras.layers


def model_of(*functions):
    """A model of an input for each function, which is applied to it first."""
    inputs = [keras.Input((3,), name=f"x{n}") for n in range(len(functions))]
    parts = [function(x) for function, x in zip(functions, inputs, strict=True)]
    joined = L.Concatenate()(parts) if len(parts) > 1 else parts[0]
    return keras.Model(inputs, L.Dense(2)(joined))


def found(build):
    """The limits of each input, and the names of those of which something is left out."""
    versions.use_dtype("float64")
    inputs = inputs_of(call_factory(build, 0), 4)
    return [each.limits for each in inputs.each], [entry["what"] for entry in inputs.left_out]


def test_a_root_takes_numbers_between_0_and_1_and_another_input_stays():
    limits, left_out = found(lambda: model_of(ops.sqrt, ops.tanh))
    assert limits == [(0.0, 1.0), None]
    assert left_out == ["numbers of the input x0 outside of 0 to 1"]


def test_the_samples_of_the_program_tell_the_range():
    x = [np.array([[2.0, 3.0, 9.0]]), np.array([[-4.0, 0.0, 1.0]])]
    limits, left_out = found(lambda: Reference(model_of(ops.log, ops.tanh), x=x, y=x[0]))
    assert limits == [(2.0, 9.0), None]
    assert left_out == ["numbers of the input x0 outside of 2 to 9"]


@each_row("x", [[np.full((4, 3), -1.0)], [np.full((4, 3), np.nan)], ["text"]])
def test_samples_that_tell_no_range_of_use_are_left(x):
    limits, _ = found(lambda: Reference(model_of(ops.log), x=x, y=None))
    assert limits == [(0.0, 1.0)]


def test_numbers_of_both_signs_stay_where_nothing_is_nan():
    # The logarithm of 0 is -inf, which is a number to compare.
    assert found(lambda: model_of(lambda x: ops.log(ops.relu(x)))) == ([None], [])


def test_a_range_of_the_users_stays():
    def build():
        return Reference(model_of(ops.sqrt), inputs=Input((3,), range=(-2.0, -1.0)))

    assert found(build) == ([(-2.0, -1.0)], [])


def test_where_no_range_helps_the_inputs_stay():
    assert found(lambda: model_of(lambda x: ops.sqrt(-1.0 - ops.square(x)))) == ([None], [])
