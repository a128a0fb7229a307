"""Attention is watched from inside: its parts are calls, and the model computes what it did."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row

from parity.halves.keras import kinds as heads
from parity.halves.keras.calls import recorded_calls

L = keras.layers


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def model(causal=False, **options):
    x = keras.Input((5, 6))
    layer = L.MultiHeadAttention(2, 3, seed=1, name="attn", **options)
    return keras.Model(x, layer(x, x, use_causal_mask=causal))


def watched(net, training=False):
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 5, 6)))
    with recorded_calls(x) as calls:
        output = net(x, training=training)
    return calls, output.numpy(), x


@each_row("rate", [0.0, 0.4])
@each_row("causal", [False, True])
def test_the_parts_are_calls_and_the_output_stays(rate, causal):
    net = model(causal, dropout=rate)
    calls, output, x = watched(net)
    names = ["attn.query", "attn.key", "attn.value", "attn.softmax"]
    names += ["attn.dropout"] if rate else []
    assert [call.name for call in calls] == [*names, "attn.attention_output"]
    assert np.array_equal(output, net(x, training=False).numpy())
    assert calls[0].output.shape == (4, 5, 6)
    assert calls[3].output.shape == (4, 2, 5, 5)


@each_row("rate", [0.0, 0.4])
@each_row("causal", [False, True])
def test_the_weights_are_those_that_keras_returns(rate, causal):
    net = model(causal, dropout=rate)
    calls, _, x = watched(net)
    layer = net.get_layer("attn")
    options = {"return_attention_scores": True, "use_causal_mask": causal}
    expected = layer(x, x, training=False, **options)[1].numpy()
    weights = next(call for call in calls if call.kind == "attention").output.numpy()
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-15)


@each_row("options", [{"use_gate": True}, {"output_shape": (2, 3)}])
def test_what_has_no_parts_of_a_port_is_one_call(options):
    calls, _, _ = watched(model(**options))
    assert [call.kind for call in calls] == ["unknown:MultiHeadAttention"]


def test_the_factor_is_moved_towards_what_it_is_in_float64():
    layer = model().get_layer("attn")
    exact, rounded = 3**-0.5, float(np.float32(3**-0.5))
    assert heads.scale_of(layer) == rounded
    heads.perturb_scale(layer)
    moved = heads.scale_of(layer)
    assert 0 < (moved - rounded) / (exact - rounded) < 0.1
    x = np.random.default_rng(0).normal(size=(4, 5, 6))
    assert np.abs(layer(x, x).numpy() - model().predict(x, verbose=0)).max() > 0
