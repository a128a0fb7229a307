"""A layer prints the settings that it keeps, and a state_dict says how far its stream was read."""

import torch
from rows import each_row

from torch_impl import layers


@each_row(
    ("layer", "text"),
    [
        (layers.Reshape((2, 3)), "Reshape(target_shape=(2, 3))"),
        (layers.GaussianNoise(0.5, seed=7), "stddev=0.5, seed=7, channels_last=False"),
        (layers.LSTM(2, 3), "input_size=2, units=3, activation='tanh'"),
        (layers.RandomFlip("vertical", seed=1), "RandomFlip(mode='vertical', seed=1"),
        (layers.PReLU((4,), shared_axes=None), "PReLU()"),
    ],
)
def test_settings_are_printed_without_weights(layer, text):
    assert text in repr(layer)
    assert "tensor" not in repr(layer)


@each_row(
    "make",
    [
        lambda: layers.Dropout(0.5, seed=3),
        lambda: layers.GaussianDropout(0.5, seed=3),
        lambda: layers.StochasticDepth(0.5, seed=3),
        lambda: layers.RandomBrightness(0.5, seed=3),
    ],
)
def test_a_loaded_layer_draws_on_where_the_saved_one_was(make):
    x = torch.linspace(1, 2, 5 * 4 * 6 * 3).reshape(5, 3, 4, 6)
    saved, loaded = make(), make()
    saved(x), saved(x)
    loaded.load_state_dict(saved.state_dict())
    assert torch.equal(loaded(x), saved(x))
    assert not torch.equal(make()(x), saved(x))
