"""Features of several axes are one axis in a port, in the order of Keras's numbers."""

import torch
from rows import each_row
from torch import nn

from parity.halves.torch.port.portable import flat_features, flat_shape, is_split, shaped
from torch_impl.layouts import variables


def node(number, equation, part=None):
    config = {"kernel_inputs": number, "equation": equation, "part": part}
    return {"config": config, "output_shape": [2, 5, 2, 3]}


@each_row(
    "number, equation, shape, expected",
    [
        (1, "abc,cde->abde", [6, 2, 3], [6, 6]),
        (1, "abc,cde->abde", [2, 3], [6]),
        (2, "abde,dec->abc", [2, 3, 8], [6, 8]),
        (2, "abde,dec->abc", [8], [8]),
        (0, "abc,cd->abd", [6, 2, 3], [6, 2, 3]),
    ],
)
def test_kernels_have_two_axes_and_biases_one(number, equation, shape, expected):
    assert flat_shape(node(number, equation), shape) == expected


def test_the_output_of_a_layer_alone_is_flat_and_that_of_a_projection_is_told_so():
    assert flat_features(node(1, "abc,cde->abde")) == [2, 5, 6]
    assert flat_features(node(1, "abc,cde->abde", "query")) == [2, 5, 2, 3]


def test_a_kernel_is_set_and_read_in_kerass_shape():
    layer = nn.Linear(4, 6)
    kernel = shaped(next(variables(layer)), (4, 2, 3))
    value = torch.arange(24.0).reshape(4, 2, 3)
    (weight,) = kernel.to_torch(value)
    assert torch.equal(weight, value.reshape(4, 6).T)
    with torch.no_grad():
        layer.weight.copy_(weight)
    assert torch.equal(kernel.to_keras(kernel.tensors), value)


def test_the_last_two_axes_may_be_the_last_one():
    assert is_split((3, 5, 2, 3), (3, 5, 6))
    assert is_split((3, 5, 6), (3, 5, 2, 3))
    assert not is_split((3, 5, 2, 3), (3, 5, 5))
    assert not is_split((3, 5, 6), (3, 5, 6))
