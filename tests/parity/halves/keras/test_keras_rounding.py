"""What float32 inside of Keras may change is covered where it acts, and nowhere else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from rows import each_row

from parity.halves.keras.rounding import moved, moved_activations
from parity.ladder.anchored_tolerance import CONSTANTS_FACTOR
from parity.ladder.rounding import NOISE_FACTOR

F, X = torch.nn.functional, np.linspace(-30, 30, 2001)
SCALE, STATISTICS = 0.1, {"mean": 5.1, "variance": 0.3}
pytestmark = pytest.mark.usefixtures("in_float64")


def after(kind, output, *of_port, given=None, **config):
    """What a layer of a kind and a config makes, moved."""
    return moved(kind, config, given, output, np.random.default_rng(0), *of_port)


def largest_move(kind, output, **config):
    found = after(kind, tf.constant(output), given=tf.constant(X), **config)
    return np.abs(found.numpy() - output).max() * NOISE_FACTOR


@each_row(
    "kind, config, ours, exact",
    [
        *(
            (f"activation:{name}", {}, getattr(keras.activations, name), exact)
            for name, exact in (
                ("gelu", lambda x: x * 0.5 * torch.erfc(-x / 2**0.5)),
                ("leaky_relu", lambda x: torch.where(x > 0, x, 0.2 * x)),
                ("softplus", F.softplus),
            )
        ),
        ("rescaling", {}, lambda x: keras.layers.Rescaling(SCALE)(x), lambda x: x * SCALE),
        (
            *("normalization", STATISTICS, lambda x: keras.layers.Normalization(**STATISTICS)(x)),
            lambda x: (x - 5.1) / 0.3**0.5,
        ),
    ],
)
def test_what_is_allowed_covers_the_rounded_constant(kind, config, ours, exact):
    """The difference is there, and the move is larger, but not ten times the unit of float32."""
    output = np.asarray(ours(tf.constant(X)))
    difference = np.abs(output - exact(torch.tensor(X)).numpy()).max()
    allowed = largest_move(kind, output, **config)
    assert 1e-12 < difference < allowed < 5e-7 * np.abs(output).max()


@each_row(
    "kind, config, is_moved",
    [
        *((kind, {}, False) for kind in ("activation:relu", "conv", "activation:silu")),
        ("upsampling", {"interpolation": "nearest"}, False),  # pixels are only repeated
        ("upsampling", {"interpolation": "bilinear"}, True),
    ],
)
def test_what_has_no_such_constant_is_not_moved(kind, config, is_moved):
    assert (largest_move(kind, X, **config) > 0) == is_moved


def slopes(kind, x, ours, **config):
    """By how much a derivative is moved, and by how much that of torch differs from Keras's."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        plain = getattr(keras.activations, kind)(x, **config)
        changed = after(f"activation:{kind}", plain, given=x, **config)
    np.testing.assert_array_equal(changed, plain)
    given, own = torch.tensor(x.numpy(), requires_grad=True), tape.gradient(plain, x).numpy()
    ours(given).sum().backward()
    return tape.gradient(changed, x).numpy() - own, np.abs(given.grad.numpy() - own)


def test_hard_sigmoid_keeps_its_value_and_changes_its_derivative():
    """As torch does, whose derivative has 1 / 6 in float32."""
    x = tf.constant([-4.0, 0.3, 1.0, 5.0], tf.float64)
    allowed, found = slopes("hard_sigmoid", x, F.hardsigmoid)
    assert found.max() > 1e-12
    assert (found <= allowed * NOISE_FACTOR).all()


@each_row("alpha", [0.7, 1.3])
def test_celu_keeps_its_value_and_changes_its_derivative_as_torch_does(alpha):
    x = tf.constant(np.linspace(-3, 2, 50))  # at 0 the two have other slopes
    allowed, found = slopes("celu", x, lambda given: F.celu(given, alpha), alpha=alpha)
    # How far float32 rounds alpha, in parts of what is allowed: the same at every place.
    share = abs(float(np.float32(alpha)) / alpha - 1) / 2.0**-23
    np.testing.assert_allclose(found, share * NOISE_FACTOR * np.abs(allowed), rtol=1e-4, atol=1e-13)
    assert found.max() > 1e-9


def test_a_port_in_float32_rounds_in_every_layer():
    x = tf.constant(X)
    assert (after("conv", x, "float32").numpy() != X)[X != 0].all()
    np.testing.assert_array_equal(after("conv", x), X)


@each_row("kind", ["upsampling", "resizing", "activation:relu"])
@each_row("dtype", ["uint8", "int32"])
@each_row("of_port", ["float64", "float32"])
def test_whole_numbers_stay(kind, dtype, of_port):
    pixels = tf.constant(np.arange(24).reshape(1, 2, 4, 3).astype(dtype))
    assert after(kind, pixels, of_port, given=pixels, interpolation="bilinear") is pixels


@pytest.mark.parametrize("name", ["gelu", "softplus", "leaky_relu"])
def test_activations_of_a_training_are_moved_in_its_graph_by_what_its_states_may_differ_by(name):
    def output():
        graph = tf.function(lambda x: keras.layers.Dense(1, activation=name).activation(x))
        return graph(tf.constant(X)).numpy()

    before = output()
    with moved_activations():
        moves = CONSTANTS_FACTOR * np.abs(output() - before).max()
    assert moves == pytest.approx(largest_move(f"activation:{name}", before), rel=1e-6)
    np.testing.assert_array_equal(output(), before)
