"""Layers in plain torch do what those of `torch_impl` do with masks, states and dropouts."""

import keras
import numpy as np
import pytest
import torch
from rows import each_row

from torch_impl import layers
from torch_impl.plain import (
    attention,
    categories,
    conv_lstm,
    noise,
    recurrent,
    resizing,
)

BAR = 1e-13  # of a dozen steps or a few sums, which round in other places


TORCH_IN_FLOAT64 = True


def alike(plain, full):
    """Gives both drawn weights; returns the plain one."""
    for parameter in full.parameters():
        torch.nn.init.normal_(parameter)
    own = set(plain.state_dict())
    plain.load_state_dict({k: v for k, v in full.state_dict().items() if k in own})
    return plain


def assert_same(found, expected, bar=BAR):
    """One tensor or several."""
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= bar * theirs.abs().max()


LOOPS = [
    ("LSTMLoop", layers.LSTM, {}),
    ("LSTMLoop", layers.LSTM, {"zero_output_for_mask": True, "return_state": True}),
    ("GRULoop", layers.GRU, {"reset_after": False, "recurrent_activation": "hard_sigmoid"}),
    ("GRULoop", layers.GRU, {"go_backwards": True}),
    ("SimpleRNN", layers.SimpleRNN, {"activation": "relu", "use_bias": False}),
]


@each_row("sequences", [False, True])
@each_row("name, full, settings", LOOPS)
def test_a_loop_leaves_masked_steps_out(name, full, settings, sequences):
    settings = {**settings, "return_sequences": sequences}
    module = full(3, 4, **settings)
    plain = alike(getattr(recurrent, name)(3, 4, **settings), module)
    x = torch.randn(5, 6, 3)
    mask = torch.rand(5, 6) > 0.4
    assert_same(plain(x, mask=mask), module(x, mask=mask))


@each_row("name, full", [("LSTM", layers.LSTM), ("GRU", layers.GRU)])
def test_a_layer_of_torch_begins_with_given_states(name, full):
    module = full(3, 4, return_state=True)
    plain = alike(getattr(recurrent, name)(3, 4, return_state=True), module)
    x = torch.randn(2, 5, 3)
    begun = [torch.randn(2, 4) for _ in range(2 if name == "LSTM" else 1)]
    assert_same(plain(x, begun), module(x, begun))


def test_a_recurrent_dropout_is_one_for_all_steps_and_of_states_one_for_each_gate():
    plain = recurrent.SimpleRNN(50, 50, activation="linear", dropout=0.5, return_sequences=True)
    torch.nn.init.eye_(plain.weight_ih_l0)
    torch.nn.init.zeros_(plain.weight_hh_l0)
    made = plain(torch.ones(3, 4, 50))
    assert set(made.unique().tolist()) == {0.0, 2.0}
    assert (made == made[:, :1]).all()
    assert (plain.eval()(torch.ones(3, 4, 50)) == 1).all()
    masks = recurrent.LSTMLoop(3, 40, recurrent_dropout=0.5).masks(torch.ones(2, 40), 0.5)
    assert len(masks) == 4
    assert not torch.equal(masks[0], masks[1])


MASKS = [
    {},
    {"use_causal_mask": True},
    {"value_mask": torch.arange(6) < torch.tensor([[6], [4], [1], [0]])},
    {"query_mask": torch.ones(4, 6, dtype=torch.bool), "key_mask": torch.eye(4, 6) == 0},
    {"attention_mask": torch.eye(6).expand(4, 6, 6), "use_causal_mask": True},
]


@each_row("dropout", [0.0, 0.1])
@each_row("masks", MASKS)
def test_attention_looks_where_masks_let_it(masks, dropout):
    """With a query that may look nowhere, too."""
    full = layers.MultiHeadAttention(2, 3, (6, 8), value_dim=5, dropout=dropout).eval()
    plain = attention.MultiHeadAttention(2, 3, 8, value_dim=5, dropout=dropout).eval()
    for parameter in full.parameters():
        torch.nn.init.normal_(parameter)
    with torch.no_grad():
        for name in ("query", "key", "value", "attention_output"):
            ours, theirs = plain.get_submodule(name), full.get_submodule(name)
            is_last = name == "attention_output"
            kernel = theirs.weight.flatten(0, 1) if is_last else theirs.weight.flatten(1)
            ours.weight.copy_(kernel.T)
            ours.bias.copy_(theirs.bias.flatten())
    x, y = torch.randn(4, 6, 8), torch.randn(4, 6, 8)
    assert_same(plain(x, y, **masks), full(x, y, **masks))


@each_row("size", [2, (3, 1), (2, 4)])
def test_images_are_enlarged_as_tensorflow_does_it(size):
    """In float32; a bicubic kernel of torch has other weights."""
    x = torch.randn(2, 3, 5, 4)
    full = layers.UpSampling(size, "bilinear")(x)
    plain = resizing.UpSampling(size)(x)
    assert (plain.shape, plain.dtype) == (full.shape, torch.float64)
    assert (plain - full).abs().max() <= 1e-6 * full.abs().max()
    cubic = layers.UpSampling(size, "bicubic")(x)
    assert (resizing.UpSampling(size, "bicubic")(x) - cubic).abs().max() > 1e-2


@each_row("shape", [(6,), (6, 1), (6, 4)])
@each_row("mode", ["one_hot", "multi_hot", "count"])
def test_numbers_are_encoded_as_by_keras(mode, shape):
    x = np.random.default_rng(0).integers(0, 5, shape)
    assert categories.CategoryEncoding(3).float()(torch.tensor([[1, 2]])).dtype == torch.float32
    weights = np.random.default_rng(1).uniform(size=shape)
    theirs = keras.layers.CategoryEncoding(5, output_mode=mode, dtype="float64")
    ours = categories.CategoryEncoding(5, output_mode=mode)
    given = [{}] if mode != "count" else [{}, {"count_weights": weights}]
    for each in given:
        expected = np.asarray(theirs(x, **each))
        found = ours(torch.tensor(x), **{key: torch.tensor(w) for key, w in each.items()})
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=0)


CONVOLUTIONAL = [
    ("ConvLSTM1D", (7,), {"kernel_size": 3, "return_state": True}),
    ("ConvLSTM2D", (6, 5), {"kernel_size": (3, 2), "padding": "same", "strides": 2}),
    ("ConvLSTM2D", (6, 5), {"kernel_size": 2, "dilation_rate": 2, "return_sequences": True}),
    ("ConvLSTM2D", (6, 5), {"kernel_size": 3, "use_bias": False, "go_backwards": True}),
    (
        "ConvLSTM2D",
        (6, 5),
        {"kernel_size": 3, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
    ),
    ("ConvLSTM3D", (4, 3, 3), {"kernel_size": 2}),
]


@each_row("name, sides, settings", CONVOLUTIONAL)
def test_an_lstm_of_images_is_that_of_the_library(name, sides, settings):
    full = getattr(layers, name)(3, 4, **settings)
    plain = alike(getattr(conv_lstm, name)(3, 4, **settings), full)
    x = torch.randn(2, 5, 3, *sides)
    assert_same(plain(x), full(x))
    assert "_ih" in "".join(dict(plain.named_parameters()))


def test_noise_has_its_spread_and_only_in_train_mode():
    x = torch.full((400, 500), 3.0)
    # The deviation of the spread of n normal numbers is 1 / sqrt(2 n) of it: 5 of them.
    share = 5 / (2 * x.numel()) ** 0.5
    for module, stddev in ((noise.GaussianNoise(0.3), 0.3), (noise.GaussianDropout(0.2), 1.5)):
        made = module(x)
        assert made.std() == pytest.approx(stddev, rel=share)
        assert made.mean() == pytest.approx(3.0, abs=5 * stddev / x.numel() ** 0.5)
        assert module.eval()(x) is x
