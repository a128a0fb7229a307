"""Values that code has from an enclosing function, or from its module."""

import numpy as np

from parity.halves.keras.check.quoted_code import outer_values, shown

SMOOTH = 1e-7
UNUSED = 3
TABLE = [1.5] * 400


def margin_loss(margin, *, weights=(0.5, 2.0), low=float("-inf")):
    net = np.ones(3)

    def loss(y, p):
        inner = (lambda: margin + SMOOTH)() + low
        return inner * weights[0] + len(TABLE) + net.sum()

    return loss


def layer_of(rate):
    class Own:
        """Uses a name of the function around it in two methods."""

        def call(self, x):
            return x * rate

        @property
        def twice(self):
            return 2 * rate * SMOOTH

    return Own


def own(x):
    SMOOTH = 2
    return x.UNUSED + SMOOTH


def test_values_of_enclosing_functions_and_of_the_module_are_found_and_own_names_are_none():
    assert outer_values(margin_loss(np.float32(1.5))) == {
        "SMOOTH": "1e-07",
        "TABLE": "... (400 values)",
        "margin": "1.5",
        "weights": "(0.5, 2.0)",
        "low": 'float("-inf")',
    }
    assert outer_values(layer_of(0.25)) == {"rate": "0.25", "SMOOTH": "1e-07"}
    assert outer_values(own) == outer_values(len) == {}
    # What is not plain is not shown.
    assert shown({"a": np.ones(2), "b": len, "c": None, "d": "x" * 300, "e": {"k": 1}}) == {
        "c": "None",
        "d": "... (300 characters)",
    }


def test_a_name_that_is_not_set_yet_has_no_value():
    def around():
        def inner():
            return later

        found = outer_values(inner)
        later = 3
        return found, later

    assert around() == ({}, 3)
