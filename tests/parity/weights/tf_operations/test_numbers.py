"""Operations on numbers of a shape give what TensorFlow gives."""

import pytest
import tensorflow as tf
from rows import each_row

from parity.weights.tf_operations.nodes import NUMBERS, Refused, number_of

EXAMPLES = {
    "cast": [(8, "float32"), (2.75, "int32")],
    "sqrt": [(8.0,), (3.0,)],
    "rsqrt": [(8.0,), (3.0,)],
    "add": [(3, 4), (0.1, 0.2)],
    "subtract": [(3, 4), (0.1, 0.3)],
    "multiply": [(3, 4), (0.1, 0.3)],
    "truediv": [(1.0, 3.0)],
    "floordiv": [(7, 2), (-7, 2)],
    "floor_div": [(7, 2)],
    "pow": [(3, 2), (3.0, -0.5)],
}
OF_TENSORFLOW = {
    "cast": tf.cast,
    "floor_div": tf.math.floordiv,
    **{name: getattr(tf.math, name) for name in NUMBERS if name not in ("cast", "floor_div")},
}


@each_row("name", NUMBERS)
def test_a_number_is_that_of_tensorflow(name):
    for given in EXAMPLES[name]:
        tensors = [each if isinstance(each, str) else tf.constant(each) for each in given]
        expected = OF_TENSORFLOW[name](*tensors).numpy()
        found = number_of(name, given)
        assert found == pytest.approx(float(expected), rel=2e-7, abs=0)
        assert isinstance(found, int) == (expected.dtype.kind == "i")


@each_row("given", [("x", "float32"), ([1, 2], "float32"), (None, "float32")])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(Refused, match="of numbers alone"):
        number_of("cast", given)


def test_a_division_by_nothing_is_refused():
    with pytest.raises(Refused, match="of numbers alone"):
        number_of("floordiv", (3, 0))
