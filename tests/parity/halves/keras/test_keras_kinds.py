"""Keras's layers and activations have a word that both halves know them by."""

from functools import partial

import keras
from rows import each_row

from parity.halves.keras.kinds import activation_kind, kind_of

L = keras.layers


@each_row(
    "layer, kind",
    [
        (lambda: L.Conv1D(1, 1), "conv"),
        (lambda: L.Activation("gelu"), "activation:gelu"),
        (lambda: L.LeakyReLU(), "activation:leaky_relu"),
        (lambda: L.ReLU(), "activation:relu"),
        (lambda: L.ReLU(6.0), "activation:relu6"),
        (lambda: L.ReLU(negative_slope=0.2), "activation:leaky_relu"),
        (lambda: L.ReLU(6.0, negative_slope=0.2), "activation:relu"),
        (lambda: L.ReLU(6.0, threshold=1.0), "activation:relu"),
        (lambda: L.GaussianNoise(0.1), "gaussian_noise"),
        (lambda: L.Masking(), "unknown:Masking"),
        (lambda: type("Dense", (L.Layer,), {})(), "unknown:Dense"),
    ],
    ids=[
        *("conv", "activation", "leaky", "relu", "relu6", "relu_leaky", "relu_both"),
        *("relu_threshold", "noise", "unknown", "of_the_users"),
    ],
)
def test_a_kind_is_the_word_of_both_halves(layer, kind):
    assert kind_of(layer()) == kind


@each_row(
    "given, kind",
    [
        (partial(partial(keras.activations.leaky_relu, negative_slope=0.1)), "leaky_relu"),
        (L.LeakyReLU(), "leaky_relu"),
        (L.ReLU(6.0), "relu6"),
        (type("Own", (L.Layer,), {})(), "Own"),
        (type("Callable", (), {"__call__": abs})(), "Callable"),
    ],
)
def test_an_activation_is_that_of_the_partial_or_the_layer_that_is_given(given, kind):
    assert activation_kind(given) == f"activation:{kind}"
