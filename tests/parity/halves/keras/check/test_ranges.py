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


X = [np.array([[2.0, 3.0, 9.0]]), np.array([[-4.0, 0.0, 1.0]])]
NONE_OF_USE = [[np.full((4, 3), -1.0)], [np.full((4, 3), np.nan)], ["text"]]
NO_SAMPLES = ["numbers of the input x0 outside of 0 to 1"]


@each_row(
    "functions, settings, limits, left_out",
    [
        # A root takes numbers between 0 and 1, and another input stays.
        ((ops.sqrt, ops.tanh), {}, [(0.0, 1.0), None], NO_SAMPLES),
        # The samples of the program tell the range, but for some that tell none of use.
        (
            *((ops.log, ops.tanh), {"x": X, "y": X[0]}, [(2.0, 9.0), None]),
            ["numbers of the input x0 outside of 2 to 9"],
        ),
        *(((ops.log,), {"x": x, "y": None}, [(0.0, 1.0)], NO_SAMPLES) for x in NONE_OF_USE),
        # The logarithm of 0 is -inf, which is a number to compare.
        ((lambda x: ops.log(ops.relu(x)),), {}, [None], []),
        # A range of the user's stays, and so do inputs that no range helps.
        ((ops.sqrt,), {"inputs": Input((3,), range=(-2.0, -1.0))}, [(-2.0, -1.0)], []),
        ((lambda x: ops.sqrt(-1.0 - ops.square(x)),), {}, [None], []),
    ],
)
def test_inputs_are_drawn_from_the_numbers_that_a_model_takes(
    functions, settings, limits, left_out
):
    assert found(lambda: Reference(model_of(*functions), **settings)) == (limits, left_out)
