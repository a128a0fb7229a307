"""Initializer, and all initialisers: constant, with a given spread, or one by the shape."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from torch_impl.normals import stateless_normal, stateless_truncated_normal
from torch_impl.philox import seed_pair, stateless_uniform
from torch_impl.torch_names import named

# --- Initializer: the base class of all initialisers ----------------------------------------------


@dataclass(frozen=True)
class Initializer(abc.ABC):
    """Makes a tensor of a given shape: `HeNormal()((3, 3, 2, 5), seed=7)`.

    Differs from the functions of torch.nn.init in:
    1. shapes are in Keras's layout: (height, width, in, out) of a convolution, (in, out) of a Dense
       layer, (height, width, in, multiplier) of a depthwise one; permute the result for torch;
    2. numbers follow from a seed, not from a global generator, and are Keras's numbers;
    3. a new tensor is returned; none is changed.
    """

    is_random: ClassVar[bool] = False

    @property
    def draws_seed(self) -> bool:
        """Whether Keras draws a seed from Python's `random` when it makes this initialiser."""
        return False

    @abc.abstractmethod
    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Returns a tensor.

        Args:
            shape: in Keras's layout.
            seed: of the initialiser; not used if nothing is random.
            dtype: torch.float32 or torch.float64.
        """


@dataclass(frozen=True)
class RandomInitializer(Initializer):
    """An initialiser that draws numbers.

    Attributes:
        seed: the seed that the Keras program passes to the initialiser; None if Keras draws one
            when the layer is constructed (`KerasSeeds.next_layer_seed`), which is then passed to
            the call.
    """

    is_random: ClassVar[bool] = True

    seed: int | None = field(default=None, kw_only=True)

    @property
    def draws_seed(self) -> bool:
        """Whether Keras draws a seed from Python's `random` when it makes this initialiser."""
        return self.seed is None

    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Returns the tensor that Keras draws from a seed.

        Args:
            shape: in Keras's layout.
            seed: an integer of 64 bits, if the initialiser has no seed of its own.
            dtype: torch.float32 or torch.float64; the two streams are unrelated.

        Raises:
            ValueError: there is no seed, or there are two.
        """
        if (seed is None) == (self.seed is None):
            raise ValueError(
                f"seed={seed!r}, and the initializer has seed={self.seed!r}: expected one of them"
            )
        return self._draw(tuple(shape), seed_pair(self.seed if seed is None else seed), dtype)

    @abc.abstractmethod
    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor: ...


def float32(value: float) -> float:
    """Returns a number rounded to float32, as `tf.cast` takes a Python float in any dtype."""
    return float(np.float32(value))


def check_dtype(dtype: torch.dtype) -> None:
    """Raises ValueError unless a dtype is torch.float32 or torch.float64."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype={dtype}: expected torch.float32 or torch.float64")


# --- Initialisers that draw nothing ---------------------------------------------------------------
#
# Source: keras 3.15 `initializers/constant_initializers.py`.


@dataclass(frozen=True)
class _Drawless(Initializer):
    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """See `Initializer`. Raises ValueError for a shape that does not fit."""
        return self._values(tuple(shape), dtype)

    @abc.abstractmethod
    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor: ...


@dataclass(frozen=True)
class Zeros(_Drawless):
    """0 everywhere, as torch.nn.init.zeros_."""

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return torch.zeros(shape, dtype=dtype)


@dataclass(frozen=True)
class Ones(_Drawless):
    """1 everywhere, as torch.nn.init.ones_."""

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return torch.ones(shape, dtype=dtype)


@dataclass(frozen=True)
class Constant(_Drawless):
    """One value everywhere, or those of an array.

    Differs from torch.nn.init.constant_ in:
    1. a number is rounded to float32, in float64 too;
    2. an array is broadcast to the shape of the weight. Its numbers are not rounded.

    Attributes:
        value: a number, or an array as nested tuples.
    """

    value: float | tuple[Any, ...] = 0.0

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        if not isinstance(self.value, tuple):
            return torch.full(shape, float32(self.value), dtype=dtype)  # (1)
        array = torch.tensor(self.value, dtype=torch.float64)
        try:
            return array.to(dtype).expand(shape).clone()  # (2)
        except RuntimeError:
            size = tuple(array.shape)
            raise ValueError(f"{shape=}: expected one to which an array of {size} fits") from None


@dataclass(frozen=True)
class Identity(_Drawless):
    """`gain` on the diagonal of a matrix, which need not be square, and 0 elsewhere.

    Differs from torch.nn.init.eye_ in its gain. torch.nn.init.dirac_ is for convolutions; Keras has
    nothing like it.
    """

    gain: float = 1.0

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        if len(shape) != 2:
            raise ValueError(f"shape={shape}: expected that of a matrix")
        return self.gain * torch.eye(*shape, dtype=dtype)


@dataclass(frozen=True)
class UnitForgetBias(Initializer):
    """The bias of an LSTM with `unit_forget_bias`: ones for the gate that forgets.

    The shape is (4 * units,), of the gates i, f, c, o. Torch's LSTM begins with random numbers.

    Source: keras 3.15 `layers/rnn/lstm.py`.

    Attributes:
        bias: makes the other three gates: i alone, and c and o together.
    """

    bias: Initializer = field(default_factory=Zeros)

    @property
    def draws_seed(self) -> bool:
        """Whether Keras draws a seed for the initialiser of the other gates."""
        return self.bias.draws_seed

    def __call__(
        self,
        shape: Sequence[int],
        *,
        seed: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> torch.Tensor:
        """Returns a tensor; see `Initializer`.

        Raises:
            ValueError: the shape is not that of four gates.
        """
        if len(shape) != 1 or shape[0] % 4:
            raise ValueError(f"shape={tuple(shape)}: expected (4 * units,)")
        units = shape[0] // 4
        first, others = (self.bias((n * units,), seed=seed, dtype=dtype) for n in (1, 2))
        return torch.cat([first, torch.ones(units, dtype=dtype), others])


@dataclass(frozen=True)
class STFT(_Drawless):
    """Waves of a Fourier transform over time, for a Conv1D; torch.nn.init has none.

    The shape is (frame length, 1, fft_length // 2 + 1).

        kernel[t, 0, k] = window[t] * cos(-2 pi t k / fft_length) / norm

    Attributes:
        side: "real" for the cosine, "imag" for the sine.
        window: name of a window of `scipy.signal.get_window`, or None.
        scaling: "density" divides by the root of the sum of squares of the window, "spectrum" by
            its sum, None by nothing.
        periodic: whether the window is one period of a periodic one.
    """

    side: str = "real"
    window: str | None = "hann"
    scaling: str | None = "density"
    periodic: bool = False

    def __post_init__(self) -> None:
        if self.side not in ("real", "imag"):
            raise ValueError(f"side={self.side!r}: expected 'real' or 'imag'")
        if self.scaling not in (None, "density", "spectrum"):
            raise ValueError(f"scaling={self.scaling!r}: expected 'density', 'spectrum' or None")

    def _values(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        check_dtype(dtype)
        num_frames, _, num_waves = shape
        frequency = torch.arange(num_waves, dtype=dtype) / ((num_waves - 1) * 2)
        time = torch.arange(num_frames, dtype=dtype)[:, None, None]
        angle = (-2 * time) * frequency * math.pi
        kernel = angle.cos() if self.side == "real" else angle.sin()
        if self.window is None:
            return kernel
        window = torch.as_tensor(self._window(num_frames), dtype=dtype)[:, None, None]
        norm: torch.Tensor | int = 1
        if self.scaling == "density":
            norm = window.square().sum().sqrt()
        elif self.scaling == "spectrum":
            norm = window.abs().sum()
        return kernel * window / norm

    def _window(self, length: int) -> np.ndarray:
        from scipy.signal import get_window  # slow to import, and used only here

        return np.asarray(get_window(self.window, length, self.periodic))


# --- Initialisers with a given spread, and the orthogonal one -------------------------------------
#
# Source: keras 3.15 `initializers/random_initializers.py`, `backend/tensorflow/random.py`.


@dataclass(frozen=True)
class RandomUniform(RandomInitializer):
    """Uniform in [minval, maxval).

    Differs from torch.nn.init.uniform_ in:
    1. its default is [-0.05, 0.05), not [0, 1);
    2. bounds are rounded to float32, in float64 too.
    """

    minval: float = -0.05  # (1)
    maxval: float = 0.05

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        return uniform(shape, seed, dtype, self.minval, self.maxval)


@dataclass(frozen=True)
class RandomNormal(RandomInitializer):
    """Normal.

    Differs from torch.nn.init.normal_ in:
    1. its default stddev is 0.05, not 1.
    """

    mean: float = 0.0
    stddev: float = 0.05  # (1)

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        return stateless_normal(shape, seed=seed, dtype=dtype) * self.stddev + self.mean


@dataclass(frozen=True)
class TruncatedNormal(RandomInitializer):
    """Normal; numbers two stddev or more from the mean are drawn again.

    Differs from torch.nn.init.trunc_normal_ in:
    1. the bounds are in units of stddev; torch's a=-2, b=2 are absolute, and cut nothing off if the
       stddev is small.

    In both, `stddev` is the value before the cut, which leaves 0.8796 of it.
    """

    mean: float = 0.0
    stddev: float = 0.05

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        return stateless_truncated_normal(shape, seed=seed, dtype=dtype) * self.stddev + self.mean


@dataclass(frozen=True)
class Orthogonal(RandomInitializer):
    """A matrix with orthogonal columns, or rows if there are fewer of them.

    It is Q of A = Q R, where A is a normal matrix and R has a positive diagonal. All axes but the
    last are merged into one.

    Differs from torch.nn.init.orthogonal_ in:
    1. all axes but Keras's last (the outputs) are merged, not all but torch's first: for a kernel
       in torch's layout this is the transposed matrix, with its axes in another order;
    2. Q comes from torch's QR and not from Eigen's, so it is not equal bit for bit. For 200
       matrices of up to 60 x 60, the greatest difference is 1e-6 of the gain in float32 and 2e-15
       in float64.
    """

    gain: float = 1.0

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        if len(shape) < 2:
            raise ValueError(f"shape={shape}: expected at least two axes")
        num_rows, num_columns = math.prod(shape[:-1]), shape[-1]  # (1)
        tall = max(num_rows, num_columns), min(num_rows, num_columns)
        q: torch.Tensor
        q, r = torch.linalg.qr(stateless_normal(tall, seed=seed, dtype=dtype))  # (2)
        q = q * r.diagonal().sign()
        if num_rows < num_columns:
            q = q.T
        return self.gain * q.reshape(shape)


def uniform(
    shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype, minval: float, maxval: float
) -> torch.Tensor:
    """Returns uniform numbers in [minval, maxval), as TensorFlow scales them."""
    # In this dtype, since the difference of the bounds is rounded, too.
    low, high = torch.tensor([float32(minval), float32(maxval)], dtype=dtype).unbind()  # (2)
    return stateless_uniform(shape, seed=seed, dtype=dtype) * (high - low) + low


# --- Initialisers whose spread follows from the shape ---------------------------------------------
#
#     variance = scale / fan,  fan_in = in * receptive field,  fan_out = out * receptive field
#
# Source: keras 3.15 `initializers/random_initializers.py`.


MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")
_CUT = 0.87962566103423978  # the stddev of a standard normal cut at two


@dataclass(frozen=True)
class VarianceScaling(RandomInitializer):
    """Numbers with a variance that follows from the shape.

    Differs from torch.nn.init.kaiming_* and xavier_* in:
    1. "normal" numbers are cut at two stddev and then widened to the right variance; torch's are
       not cut;
    2. fans are those of Keras's layout: for a depthwise kernel (height, width, in, multiplier),
       fan_in counts all channels, while torch's weight (in * multiplier, 1, height, width) has a
       fan_in of one channel;
    3. a fan below 1 counts as 1;
    4. torch's own default for Linear and Conv2d is none of these: kaiming_uniform_ with a =
       sqrt(5), bounds 1 / sqrt(fan_in).

    Attributes:
        scale: positive.
        mode: "fan_in", "fan_out" or "fan_avg", their mean.
        distribution: "uniform", "truncated_normal" (or "normal") or "untruncated_normal".
        input_axes: axes whose product is fan_in, if `output_axes` are given too.
        output_axes: axes whose product is fan_out.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    input_axes: Sequence[int] | None = field(default=None, kw_only=True)
    output_axes: Sequence[int] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise ValueError(f"scale={self.scale!r}: expected a positive number")
        if self.mode not in MODES:
            raise ValueError(f"mode={self.mode!r}: expected one of {MODES}")
        name = self.distribution.lower()
        object.__setattr__(self, "distribution", "truncated_normal" if name == "normal" else name)
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(
                f"distribution={self.distribution!r}: expected one of {DISTRIBUTIONS} or 'normal'"
            )

    def _draw(
        self, shape: tuple[int, ...], seed: tuple[int, int], dtype: torch.dtype
    ) -> torch.Tensor:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)  # (2)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)  # (3)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return uniform(shape, seed, dtype, -limit, limit)
        if self.distribution == "untruncated_normal":
            return stateless_normal(shape, seed=seed, dtype=dtype) * math.sqrt(variance)
        stddev = math.sqrt(variance) / _CUT  # (1)
        return stateless_truncated_normal(shape, seed=seed, dtype=dtype) * stddev


@dataclass(frozen=True)
class _Named(VarianceScaling):
    """A VarianceScaling with the fixed settings of its class."""

    scale: float = field(default=1.0, init=False)
    mode: str = field(default="fan_in", init=False)
    distribution: str = field(default="uniform", init=False)


class GlorotUniform(_Named):
    """Uniform of variance 2 / (fan_in + fan_out); torch.nn.init.xavier_uniform_."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Named):
    """Truncated normal of variance 2 / (fan_in + fan_out); xavier_normal_ is not truncated."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_Named):
    """Uniform of variance 2 / fan_in; torch.nn.init.kaiming_uniform_ with nonlinearity "relu"."""

    scale, mode, distribution = 2.0, "fan_in", "uniform"


class HeNormal(_Named):
    """Truncated normal of variance 2 / fan_in; kaiming_normal_ is not truncated."""

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_Named):
    """Uniform of variance 1 / fan_in; kaiming_uniform_ with nonlinearity "linear"."""

    scale, mode, distribution = 1.0, "fan_in", "uniform"


class LecunNormal(_Named):
    """Truncated normal of variance 1 / fan_in; kaiming_normal_ is not truncated."""

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"


def compute_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Returns fan_in and fan_out of a shape in Keras's layout.

    Differs from torch.nn.init's in that a vector and a scalar have fans, and in the layout: in and
    out are the last two axes, not the second and the first.
    """
    if input_axes is not None and output_axes is not None:
        fan_in, fan_out = (
            math.prod(shape[axis] for axis in axes) for axes in (input_axes, output_axes)
        )
        return fan_in, fan_out
    if len(shape) < 2:
        fan = math.prod(shape)
        return fan, fan
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


# --- from_config: the initialiser that a Keras configuration describes ----------------------------


# By Keras's names: that of the class, in snake case, and older names.
_NAMES: dict[type[Initializer], str] = {
    Constant: "constant",
    GlorotNormal: "glorot_normal",
    GlorotUniform: "glorot_uniform",
    HeNormal: "he_normal",
    HeUniform: "he_uniform",
    Identity: "identity IdentityInitializer",
    LecunNormal: "lecun_normal",
    LecunUniform: "lecun_uniform",
    Ones: "ones one",
    Orthogonal: "orthogonal OrthogonalInitializer",
    RandomNormal: "random_normal normal",
    RandomUniform: "random_uniform uniform",
    STFT: "stft STFTInitializer",
    TruncatedNormal: "truncated_normal",
    VarianceScaling: "variance_scaling",
    Zeros: "zeros zero",
}
INITIALIZERS = {n: kind for kind, names in _NAMES.items() for n in (kind.__name__, *names.split())}


def from_config(config: str | Mapping[str, Any]) -> Initializer:
    """Returns the initialiser that Keras's configuration describes.

    Args:
        config: a name such as "he_normal", or a dictionary of `keras.initializers.serialize`, with
            "class_name" and "config".

    Raises:
        ValueError: there is no initialiser of that name here; or its seed is a SeedGenerator, whose
            numbers depend on how often it was called; or its value is no number or array.
    """
    kind, settings = named(config, INITIALIZERS, "initializer")
    if settings.get("seed") is not None:
        seed_pair(settings["seed"])
    if not isinstance(value := settings.get("value", 0.0), float | int):
        settings["value"] = _array(value)
    return kind(**settings)


def _array(value: Any) -> tuple[Any, ...]:
    """Returns the array of a configuration; TensorFlow rounds the numbers of a list to float32.

    Raises:
        ValueError: it is none.
    """
    is_list = isinstance(value, list | tuple)
    is_array = isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__")
    if not is_list and not is_array:
        raise ValueError(f"value={value!r}: expected a number or an array")
    numbers = np.asarray(value if is_list else value["config"]["value"])
    if numbers.dtype.kind not in "biuf" or not numbers.ndim:
        raise ValueError(f"value of dtype {numbers.dtype}: expected an array of numbers")
    made: tuple[Any, ...] = _nested((numbers.astype(np.float32) if is_list else numbers).tolist())
    return made


def _nested(numbers: Any) -> Any:
    return tuple(map(_nested, numbers)) if isinstance(numbers, list) else float(numbers)
