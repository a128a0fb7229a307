"""What float32 inside of Keras may change in a model that computes in float64."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.ladder.anchored_tolerance import CONSTANTS_FACTOR
from parity.ladder.rounding import (
    FACTOR_OF_FLOAT32,
    LARGEST_OF_GELU,
    NOISE_FACTOR,
    OF_A_CONSTANT,
    ROUNDINGS_OF_RESIZING,
    SOFTPLUS_LIMIT,
)

# --- What a layer of a port in float32 may round, on the way forward and on the way back ----------
#
# The output of a layer of Keras, in float64, goes in. It comes out as far off as float32 may
# compute it; its gradient is moved as much when it comes back. The perturbed passes of a check
# measure what that does to all that follows.


# These return some of the numbers that they were given, so they do not round.
_EXACT = frozenset(
    [
        *("activation:relu", "activation:relu6", "activation:linear"),
        *("max_pool", "global_max_pool", "maximum", "minimum", "zero_padding", "cropping"),
        *("flatten", "reshape", "permute", "repeat", "concatenate", "embedding", "dropout"),
    ]
)
# Each value of these is a mean of many.
_SUMS = frozenset(["average_pool", "global_average_pool"])
# What a layer of a port in float32 may be off by, in units of 2**-24: a sum of some hundred
# products rounds some hundred times, in either direction.
_UNITS = 4.0
# Numbers that differ by more than this share of the largest one are moved independently.
_APART = 1e-10


def rounded_layer(kind: str, given: Any, output: Any, generator: np.random.Generator) -> Any:
    """Returns what a layer makes as float32 may compute it, with a gradient that is rounded, too.

    Args:
        kind: of the call, as `kinds.py` names it.
        given: its first input.
        output: float64; other tensors, such as tokens, are left alone.
        generator: draws how much each value moves.
    """
    if kind in _EXACT:
        return output
    terms = 1.0
    if kind in _SUMS or kind.startswith("unknown:"):
        sizes = [int(tf.size(value)) for value in (given, output) if tf.is_tensor(value)]
        terms = sizes[0] / sizes[1] if len(sizes) == 2 and sizes[1] else 1.0
    return tf.nest.map_structure(lambda value: _both_ways(value, terms, generator), output)


def with_rounded_gradient(images: Any, dtype: str, generator: np.random.Generator) -> Any:
    """Returns images; their gradient is as far off as a layer in float32 may make it.

    The place of a pixel is a sum of two products and a shift, each as large as a side, and three
    roundings more are in the inverse map by which gradients move: so a place, and the weight of a
    pixel, are off by up to 4 (H + W) 2**-24. The mean of a channel sums up rows, then columns, and
    moves all its gradients alike by (H + W) 2**-24. What is measured is multiplied by a factor,
    which is taken back.

    Args:
        images: (N, H, W, C), floating.
        dtype: of the port.
        generator: draws how much each gradient moves.
    """
    if not tf.is_tensor(images) or not images.dtype.is_floating or images.shape.rank != 4:
        return images
    factor = FACTOR_OF_FLOAT32 if dtype == "float32" else NOISE_FACTOR
    unit = (images.shape[1] + images.shape[2]) * 2.0**-24 / factor

    def gradient(upstream: Any) -> Any:
        size = tf.abs(upstream)
        of_pixels = 4 * tf.reduce_max(size) * generator.uniform(-1, 1, upstream.shape)
        mean = tf.reduce_mean(size, (1, 2), keepdims=True)
        of_channels = mean * generator.choice([-1.0, 1.0], mean.shape)
        return upstream + unit * (
            tf.cast(of_pixels, upstream.dtype) + tf.cast(of_channels, upstream.dtype)
        )

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def same(value: Any) -> Any:
        return tf.identity(value), gradient

    return same(images)


def _both_ways(value: Any, terms: float, generator: np.random.Generator) -> Any:
    if not tf.is_tensor(value) or not value.dtype.is_floating or not tf.size(value):
        return value

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def rounded(value: Any) -> Any:
        return (
            _rounded(value * (1 + _of_a_sum(terms)), generator),
            lambda upstream: _summed(_rounded(upstream, generator), generator),
        )

    return rounded(value)


def _of_a_sum(terms: float) -> float:
    """Returns by what share of its terms a sum may be off that adds one after the other.

    At most 2**-24 for each addition (Higham, Accuracy and Stability of Numerical Algorithms, 4.2),
    and nearly so if all terms are alike, as a mean over an image has them. That is a bound, so the
    factor of what is measured is taken back.
    """
    return (terms - 1) * 2.0**-24 / FACTOR_OF_FLOAT32


def _summed(upstream: Any, generator: np.random.Generator) -> Any:
    """Returns gradients as far off as sums over samples and places make them, each channel alike.

    The gradient of a bias is such a sum, and a normalisation takes the mean of its gradients away.
    """
    if upstream.shape.rank < 2:
        return upstream
    axes = list(range(upstream.shape.rank - 1))
    channels = upstream.shape[-1]
    share = _of_a_sum(upstream.shape.num_elements() / channels)
    size = tf.reduce_mean(tf.abs(upstream), axes)
    return upstream + share * size * generator.choice([-1.0, 1.0], channels)


def _rounded(values: Any, generator: np.random.Generator) -> Any:
    """Returns numbers as far off as float32 may compute them.

    A sum that cancels is off by a share of its terms, so numbers of both signs move by a share of
    the largest one, others by a share of themselves. Equal numbers move alike, and zeros stay: a
    pool that has to choose between them chooses as before.
    """
    largest = tf.reduce_max(tf.abs(values))
    size = tf.where(tf.reduce_min(values) < 0 < tf.reduce_max(values), largest, tf.abs(values))
    # A sine of a large number is as good as a random one, and the same for the same number.
    frequency = (1 + generator.random()) / (_APART * tf.maximum(largest, 1e-300))
    draw = tf.sin(values * frequency + 2 * np.pi * generator.random())
    return values + tf.where(values == 0, tf.zeros_like(values), _UNITS * 2.0**-24 * size * draw)


# --- What float32 inside of Keras may change in a model that computes in float64 ------------------
#
# The output of a layer goes in. It comes out moved by as much as float32 may change it there; the
# perturbed pass of a check measures what that does to all that follows. If the port is in float32,
# each of its layers rounds, too (`rounding.py`).


# Computed in float32: TensorFlow has no other kernel, or a user's code asks for it.
_FLOAT32 = {"upsampling", "resizing", "mel_spectrogram", "float32"}
_ROUNDINGS = dict.fromkeys(["upsampling", "resizing"], ROUNDINGS_OF_RESIZING)


@dataclass(frozen=True)
class Perturbation:
    """How numbers that are rounded move in a perturbed pass.

    Attributes:
        seed: of the directions and sizes, at least 1.
        dtype: of the port: "float64" or "float32".
        met: "scale" or "activation", for each side of which a constant was met, and "float32" for
            what is computed in it: see `sign_of`.
    """

    seed: int
    dtype: str = "float64"
    met: set[str] = field(default_factory=set, compare=False)

    def later(self, number: int) -> Perturbation:
        """Returns another one for a later part of the pass."""
        return Perturbation(self.seed + number, self.dtype)

    def sign_of(self, kind: str) -> int:
        """Returns in which direction the constants of a kind of call move: 1 or -1.

        Constants that move together may hide each other, and a port may have another one of them
        only. So those of activations move against those of input scalings if the seed is even: one
        of two passes shows the sum of both effects. What is computed in float32 moves upwards, and
        in both directions if the seed is even, for -1: by chance, one of them may have no effect.
        """
        if kind in _FLOAT32:
            self.met.add("float32")
            return -1 if not self.seed % 2 else 1
        if kind not in _CHANGES:
            return 1
        side = "scale" if kind in _SCALES else "activation"
        self.met.add(side)
        return -1 if side == "activation" and not self.seed % 2 else 1

    @property
    def needs_another(self) -> bool:
        """Whether this pass may have shown too little: see `sign_of`."""
        return "float32" in self.met or len(self.met) > 1


def in_float32(kind: str, config: Mapping[str, Any]) -> bool:
    """Whether a call computes in float32, whatever dtype it is asked for."""
    return kind in _FLOAT32 and config.get("interpolation") != "nearest"


def moved(
    kind: str,
    config: Mapping[str, Any],
    given: Any,
    output: Any,
    generator: np.random.Generator,
    dtype: str = "float64",
    sign: int = 1,
) -> Any:
    """Returns the output of a call, moved by as much as float32 may change it.

    Args:
        kind: of the call, as `kinds.py` names it; "float32" for code that computes in float32.
        config: of the layer.
        given: first input of the call.
        output: of the call, float64; whole numbers stay as they are.
        generator: draws how much each value moves.
        dtype: of the port.
        sign: of the direction in which constants move: see `Perturbation.sign_of`.
    """
    if tf.is_tensor(output) and not output.dtype.is_floating:
        return output
    if dtype == "float32":
        output = rounded_layer(kind, given, output, generator)
    if in_float32(kind, config):
        # Upwards only: values that are rounded alike move in the same direction.
        draw = (
            generator.random(output.shape) if sign > 0 else generator.uniform(-1, 1, output.shape)
        )
        size = _size_of_pixels(given, output) if kind in _ROUNDINGS else output
        return output + 2.0**-24 * _ROUNDINGS.get(kind, 1) * draw * size
    return with_moved_constants(kind, config, given, output, sign)


def _size_of_pixels(given: Any, output: Any) -> Any:
    """Returns how large the numbers are that float32 rounds, for each value of an output.

    Between pixels of both signs a value is near zero, and what is rounded there are the pixels.
    """
    if len(output.shape) != 4:
        return output
    # Not `tf.image.resize`, which may be watched itself.
    sizes = tf.raw_ops.ResizeBilinear(
        images=tf.abs(tf.cast(given, tf.float32)),
        size=output.shape[1:3],
        half_pixel_centers=True,
    )
    if sizes.shape != output.shape:
        return output
    return tf.sign(output) * tf.maximum(tf.abs(output), tf.cast(sizes, output.dtype))


def with_moved_constants(
    kind: str, config: Mapping[str, Any], given: Any, output: Any, sign: float = 1
) -> Any:
    """Returns the output of a call with its constants moved that Keras has in float32."""
    # A recurrent layer has its hard sigmoid inside.
    is_hard = "hard_sigmoid" in (config.get("activation"), config.get("recurrent_activation"))
    change = _hard_sigmoid if is_hard else _CHANGES.get(kind)
    return output if change is None else output + sign * change(config, given, output)


def _softplus(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    left_out = tf.where(given > SOFTPLUS_LIMIT, given - output, tf.zeros_like(output))
    return left_out * (2 / NOISE_FACTOR)


def _gelu(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    """Towards what it is with the root of 2 in float64: other constants of the model do so, too.

    Of an approximate one by as much as another root of 2 would change the exact one.
    """
    given = tf.cast(given, output.dtype)
    exact = 0.5 * given * (1 + tf.math.erf(given * tf.constant(np.sqrt(0.5), output.dtype)))
    density = tf.exp(-0.5 * given**2) / tf.constant(np.sqrt(2 * np.pi), output.dtype)
    is_approximate = tf.reduce_max(tf.abs(exact - output)) > LARGEST_OF_GELU
    moved = OF_A_CONSTANT * given**2 * density
    return tf.where(is_approximate, moved, (exact - output) * (2 / NOISE_FACTOR))


def _leaky_relu(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    return OF_A_CONSTANT * tf.where(given < 0, output, tf.zeros_like(output))


def _hard_sigmoid(_: Mapping[str, Any], given: Any, output: Any) -> Any:
    """Nothing, with a derivative: torch has its constant in float32 there, and Keras has none."""
    return OF_A_CONSTANT * (output - tf.stop_gradient(output))


def _celu(config: Mapping[str, Any], given: Any, output: Any) -> Any:
    """Nothing, with a derivative: torch has 1 / alpha in float32 there, and Keras has not.

    With c = 1 / alpha, torch's derivative is alpha * c * exp(c * x): a part d more of c makes it
    d * (1 + x / alpha) * exp(x / alpha) more.
    """
    alpha = float(config.get("alpha", 1.0))
    below = tf.minimum(given, 0.0)
    slope = below * tf.exp(below / alpha)  # has that derivative
    return OF_A_CONSTANT * (slope - tf.stop_gradient(slope))


def _rescaling(config: Mapping[str, Any], given: Any, output: Any) -> Any:
    offset = config.get("offset", 0.0)
    return OF_A_CONSTANT * (output - 2 * tf.constant(offset, output.dtype))


def _normalization(config: Mapping[str, Any], given: Any, output: Any) -> Any:
    mean, variance = config.get("mean"), config.get("variance")
    if mean is None or variance is None:  # weights, which are float64
        return tf.zeros_like(output)
    offset = np.max(np.abs(mean) / np.sqrt(np.maximum(variance, 1e-14)))
    return OF_A_CONSTANT * (output + float(offset))


# TensorFlow computes these with constants in float32. All values move alike, as one constant would
# move them: what follows may hide that, such as a normalisation, and hides it in the port as well.
_CHANGES = {
    "activation:softplus": _softplus,
    "activation:gelu": _gelu,
    "activation:leaky_relu": _leaky_relu,
    "activation:hard_sigmoid": _hard_sigmoid,
    "activation:celu": _celu,
    "rescaling": _rescaling,
    "normalization": _normalization,
}
_SCALES = ("rescaling", "normalization")


@contextmanager
def moved_activations() -> Iterator[None]:
    """Lets Keras's activations in the block compute with their constants moved, as the above do."""
    if versions.IS_KERAS_2:
        yield
        return
    nn: Any = importlib.import_module("keras.src.backend").nn
    factor = NOISE_FACTOR / CONSTANTS_FACTOR  # what is measured here is multiplied by the latter
    kinds = {kind.removeprefix("activation:"): kind for kind in _CHANGES if kind not in _SCALES}
    before = {name: getattr(nn, name) for name in kinds}

    def moving(name: str) -> Callable[..., Any]:
        def activation(x: Any, *arguments: Any, **settings: Any) -> Any:
            output = before[name](x, *arguments, **settings)
            return with_moved_constants(kinds[name], settings, x, output, factor)

        return activation

    for name in kinds:
        setattr(nn, name, moving(name))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(nn, name, function)
