"""The steps of recurrent layers of images in NumPy are those of torch_impl, which are Keras's.

Those of sequences are compared with Keras in test_first_steps.py.
"""

import numpy as np
import one_layer
import pytest
import torch

from parity.divergences.recurrent_steps import cell_of, walked
from torch_impl import layers
from torch_impl.weights import read


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same", "strides": (2, 1)},
        {"padding": "valid"},
        {"padding": "valid", "dilation_rate": (1, 2)},
        {"padding": "valid", "strides": (2, 2)},
    ],
    ids=str,
)
def test_the_outputs_of_all_steps(options):
    torch.manual_seed(0)
    module = layers.ConvLSTM2D(2, 3, (2, 3), return_sequences=True, **options).double()
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 7, 2))
    weights = read(module)
    trace = one_layer.Arrays({}, {f"weights/{name}": value for name, value in weights.items()})
    config = {"strides": (1, 1), "dilation_rate": (1, 1), **options}
    config |= {"activation": "tanh", "recurrent_activation": "sigmoid"}
    h, _ = walked(cell_of(trace, weights, config, "conv_lstm"), x)
    expected = module(torch.tensor(x).movedim(-1, 2)).movedim(2, -1)
    np.testing.assert_allclose(h, expected.detach(), rtol=0, atol=1e-12)
