"""What the output of a wrong port is, whose last call does not say it."""

import numpy as np
from rows import each_row

from parity.halves.torch.check.forward import form_by_range

PROBABILITIES = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])


@each_row(
    "name, output, form",
    [
        ("softmax", PROBABILITIES, "same"),
        ("softmax", np.log(PROBABILITIES[:2]), "log"),
        ("softmax", np.array([[0.25, 0.7], [0.5, 0.5]]), "linear"),
        ("softmax", np.array([[-0.5, 1.5], [0.5, 0.5]]), "linear"),
        ("softmax", np.array([[800.0, 1.0]]), "linear"),
        ("softmax", np.array([[np.nan, 1.0]]), "linear"),
        ("softmax", np.moveaxis(np.tile(PROBABILITIES, (4, 1, 1)), -1, 1), "same"),
        ("sigmoid", np.array([[0.2], [1.0]]), "same"),
        ("sigmoid", np.array([[0.2], [-0.1]]), "linear"),
        ("tanh", np.array([[0.2], [0.1]]), "linear"),
    ],
)
def test_the_range_of_an_output_says_whether_an_activation_is_behind_it(name, output, form):
    assert form_by_range(name, output) == form
