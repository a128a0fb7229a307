"""The layers of residual branches; tests/torch_impl/keras_config compares them with Keras's."""

import pytest
import torch
from covering import one_test

from torch_impl.layers import StochasticDepth


def test_stochastic_depth_keeps_or_drops_whole_samples_and_its_mean():
    x = torch.ones(4000, 3, 2)
    y = StochasticDepth(0.25, seed=5).train()(x)
    assert set(y.flatten(1).unique(dim=1).flatten().tolist()) <= {
        0.0,
        float(torch.tensor(1 / 0.75)),
    }
    assert abs(float(y.mean()) - 1) < 0.04  # five deviations of the mean of 4000 samples
    assert torch.equal(StochasticDepth(0.25).eval()(x), x)


def test_the_state_moves_as_that_of_keras_global_generator():
    """By hand: (3 + 1) * 5387 % 933199, (0 + 1) * 5387 % 933199; then again."""
    layer = StochasticDepth(0.5, seed=3).train()
    layer(torch.ones(1, 2))
    assert layer.state == (21548, 5387)
    other = StochasticDepth(0.5)
    other.load_state_dict(layer.state_dict())
    assert other.state == (21548, 5387)


@one_test
@pytest.mark.parametrize("rate", [1.0, -0.1])
def test_a_rate_outside_of_its_range_is_an_error(rate):
    with pytest.raises(ValueError, match="expected a number in"):
        StochasticDepth(rate)
