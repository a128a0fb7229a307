"""Grey, inverted, faded, sharp and solarised images are Keras's, from the same seed."""

import pytest
import tensorflow as tf
import torch
from covering import one_test
from image_pairs import BAR, SEEDS, near, pair, pixels, turn, turn_back

from torch_impl import layers

RANGE = {"value_range": (-90, 160)}
KINDS = {
    "RandomGrayscale": ({"factor": 0.6}, 1),
    "RandomInvert": ({"factor": (0.3, 0.9), **RANGE}, 0),
    "RandomColorDegeneration": ({"factor": 0.8, **RANGE}, 1),
    "RandomSharpness": ({"factor": 0.9, **RANGE}, 1),
    "Solarization": ({"addition_factor": 0.2, "threshold_factor": (0.3, 0.7), **RANGE}, 0),
}
SHAPES = ((9, 7, 8, 3), (1, 5, 4, 3), (6, 5, 3))
NUM_CALLS = 3


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_images_are_keras_images_call_after_call(kind, dtype):
    options, _ = KINDS[kind]
    for number, seed in enumerate(SEEDS):
        theirs, ours = pair(kind, dtype=dtype, seed=seed, **options)
        if kind == "Solarization":  # Keras draws in the dtype of the policy here
            ours.random_dtype = getattr(torch, dtype)
        shape = SHAPES[number % len(SHAPES)]
        for call in range(NUM_CALLS):
            x = pixels(shape, call, dtype)
            training = call != 1  # in eval mode some draw, too, and the next numbers are others
            found = turn_back(ours.train(training)(turn(x)))
            assert near(found, theirs(x, training=training), BAR if dtype == "float32" else 1e-12)
        assert ours.num_draws == int(theirs.generator.state[1])


@one_test
@pytest.mark.parametrize("kind", KINDS)
def test_eval_mode_passes_through_and_masks_are_left_alone(kind):
    options, drawn_in_eval = KINDS[kind]
    ours, x = getattr(layers, kind)(seed=5, **options), torch.rand(4, 3, 5, 6)
    assert torch.equal(ours.eval()(x), x)
    assert ours.num_draws == drawn_in_eval
    assert torch.equal(ours.apply_drawn(x, ours.draw(x.shape), is_mask=True), x)


@one_test
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_tensorflows(kind):
    theirs, ours = pair(kind, seed=5, **KINDS[kind][0])
    for call in range(NUM_CALLS):
        x, upstream = pixels((5, 6, 7, 3), call), pixels((5, 6, 7, 3), 9)
        constant = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(constant)
            total = tf.reduce_sum(theirs(constant, training=True) * upstream)
        tensor = turn(x).requires_grad_()
        (ours(tensor) * turn(upstream)).sum().backward()
        assert near(turn_back(tensor.grad), tape.gradient(total, constant).numpy(), BAR)


def test_images_of_one_channel_are_grey_and_others_are_refused():
    grey = torch.rand(3, 1, 4, 4)
    assert torch.equal(layers.RandomGrayscale(1.0)(grey), grey)
    with pytest.raises(ValueError, match="images of 4 channels: expected 3"):
        layers.RandomColorDegeneration(0.5)(torch.rand(3, 4, 5, 5))


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomGrayscale(1.5), r"factor=1.5: expected a number in \[0, 1\]"),
        (lambda: layers.RandomGrayscale((0.1, 0.2)), r"factor=\(0.1, 0.2\): expected a number"),
        (lambda: layers.RandomInvert(-0.1), r"factor=-0.1: expected a number in \[0, 1\]"),
        (lambda: layers.RandomSharpness(2), r"factor=2: expected a number in \[0, 1\]"),
        (lambda: layers.RandomColorDegeneration(2), r"factor=2: expected a number in \[-1, 1\]"),
        (lambda: layers.Solarization(1.5), r"addition_factor=1.5: expected a number"),
        (lambda: layers.Solarization(value_range=3), "value_range=3: expected two numbers"),
    ],
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()
