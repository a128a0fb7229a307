"""The kernel that a layer computes with is found from what it gets and makes."""

import numpy as np
import one_layer
import pytest
import torch
from torch.nn import functional as F

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(3, 7, 6, 2))
KERNEL = DRAW.normal(size=(3, 3, 2, 4))
BIAS = DRAW.normal(size=4)
CONFIG = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "dilation_rate": [1, 1]}


def conv(kernel, bias=BIAS):
    given, weight = (
        torch.tensor(X).movedim(-1, 1),
        torch.tensor(kernel.transpose(3, 2, 0, 1).copy()),
    )
    made = F.conv2d(given, weight, torch.tensor(bias), padding=1)
    return made.movedim(1, -1).numpy()


def masked(kernel, *places):
    kernel = kernel.copy()
    for place in places:
        kernel[place] = 0
    return kernel


def named(theirs, ours, kernel=KERNEL):
    weights = {"kernel": kernel, "bias": BIAS}
    return one_layer.names(one_layer.at_layer("conv", CONFIG, X, theirs, ours, weights))


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        (masked(KERNEL, (1, 1)), KERNEL, "[1, 1] count in the port, and are zero in Keras"),
        (KERNEL, masked(KERNEL, (0, 2)), "[0, 2] are zero in the port, and count in Keras"),
        (KERNEL, KERNEL[::-1], "Keras's flipped along 0"),
        (KERNEL, KERNEL.transpose(1, 0, 2, 3), "axes 0 and 1 are exchanged"),
        (KERNEL, KERNEL * np.array([1.5, 2, 3, 4]), "times 1.5 to 4 for each of the channels"),
        (KERNEL, KERNEL + DRAW.normal(size=KERNEL.shape), "it differs by up to "),
    ],
)
def test_another_kernel_is_named_with_its_difference(theirs, ours, told):
    found = named(conv(theirs), conv(ours))
    assert list(found) == ["A43"]
    assert told in found["A43"]


def test_another_bias_is_named():
    assert named(conv(KERNEL), conv(KERNEL, BIAS + np.array([1, 0, 2, 3])))["A43"].endswith(
        "another bias"
    )


def test_what_is_not_linear_is_no_other_kernel():
    assert "A43" not in named(conv(KERNEL), np.tanh(conv(KERNEL)))


def test_the_kernel_of_a_dense_layer_is_found():
    x, kernel = DRAW.normal(size=(9, 5)), DRAW.normal(size=(5, 5))
    found = one_layer.at_layer("dense", {}, x, x @ kernel, x @ kernel.T, {"kernel": kernel})
    assert "axes 0 and 1 are exchanged" in one_layer.names(found)["A43"]
