"""Spectrograms of sound: by convolutions whose kernels are trained, and on the mel scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from torch_impl.layers.layer import Layer
from torch_impl.layers.sizes import check_padding, same_paddings

Window = str | Sequence[float] | None

# Coefficients of the cosines of a window, by the names of scipy.signal.windows.
_COSINES = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}
_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
_EPSILON = 1e-7  # keras.config.epsilon()


def window_of(window: Window, length: int, periodic: bool) -> torch.Tensor | None:
    """Returns a window, (length,) float64; None for none.

    Args:
        window: a name, or the values.
        length: number of values.
        periodic: whether the first value of the next period would follow the last one.

    Raises:
        ValueError: the name or the number of the values is another.
    """
    if window is None:
        return None
    if isinstance(window, str):
        if window not in _COSINES:
            raise ValueError(f"{window=}: expected one of {sorted(_COSINES)}, numbers or None")
        angle = 2 * math.pi * torch.arange(length).double() / max(length - (not periodic), 1)
        terms = [
            (-1) ** order * factor * torch.cos(order * angle)
            for order, factor in enumerate(_COSINES[window])
        ]
        return torch.stack(terms).sum(0) if length > 1 else torch.ones(1).double()
    values = torch.tensor(window, dtype=torch.float64)
    if values.shape != (length,):
        raise ValueError(f"window of shape {tuple(values.shape)}: expected {length} numbers")
    return values


class STFTSpectrogram(Layer):
    """Fourier transforms of short parts of each channel of (N, C, T).

    torch.stft has no such modes. The kernels are weights, which are trained. They begin with the
    values of the transform, computed in float64; Keras computes them in the dtype of its policy.

    Source: keras 3.15 `layers/preprocessing/stft_spectrogram.py`,
    `initializers/constant_initializers.py` (`STFT`).

    Args:
        mode: "log", "magnitude", "psd", "real", "imag", "angle", or "stft" for real and imaginary.
        frame_length: samples of a part.
        frame_step: samples from one part to the next; None: half of frame_length.
        fft_length: at least frame_length; None: the next power of two.
        window: a name of scipy.signal.windows whose window is a sum of cosines, numbers, or None.
        periodic: of a window by name.
        scaling: the window is divided by its norm: "density" (L2), "spectrum" (L1) or None.
        padding: "valid" or "same".
        expand_dims: whether frequencies have an axis of their own.

    Raises:
        ValueError: an argument has another value.
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Window = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ValueError(f"{mode=}: expected one of {_MODES}")
        if scaling not in ("density", "spectrum", None):
            raise ValueError(f"{scaling=}: expected 'density', 'spectrum' or None")
        self.mode, self.expand_dims = mode, expand_dims
        self.frame_length, self.frame_step = frame_length, frame_step or frame_length // 2
        self.padding = check_padding(padding, ("valid", "same"))
        length = fft_length or 2 ** math.ceil(math.log2(frame_length))
        if length < frame_length:
            raise ValueError(f"{fft_length=}: expected at least {frame_length=}")
        frequency = torch.arange(length // 2 + 1).double() / length
        angle = -2 * math.pi * torch.arange(frame_length).double()[:, None, None] * frequency
        weights = window_of(window, frame_length, periodic)
        factor = 1.0 if weights is None else weights[:, None, None]
        if weights is not None and scaling is not None:
            norm = weights.square().sum().sqrt() if scaling == "density" else weights.abs().sum()
            factor = factor / norm
        real, imaginary = torch.cos(angle) * factor, torch.sin(angle) * factor
        dtype = torch.get_default_dtype()
        self.real_kernel = None if mode == "imag" else nn.Parameter(real.to(dtype))
        self.imag_kernel = None if mode == "real" else nn.Parameter(imaginary.to(dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, C * frequencies, T'), or with `expand_dims` (N, C, T', frequencies).

        Args:
            x: (N, C, T), real numbers.
        """
        real, imaginary = (self._transformed(x, k) for k in (self.real_kernel, self.imag_kernel))
        if imaginary is None or real is None:
            only = real if imaginary is None else imaginary
            assert only is not None
            return self._shaped(only)
        if self.mode == "angle":
            return self._shaped(torch.atan2(imaginary, real))
        if self.mode == "stft":
            return self._shaped(torch.cat([real, imaginary], dim=2))
        power = real.square() + imaginary.square()
        if self.mode == "psd":
            return self._shaped(power + F.pad(power[:, :, 1:-1], (0, 0, 1, 1)))
        size = power.clamp(min=_EPSILON).sqrt()
        return self._shaped(size if self.mode == "magnitude" else size.clamp(min=_EPSILON).log())

    def _transformed(self, x: torch.Tensor, kernel: torch.Tensor | None) -> torch.Tensor | None:
        """Returns (N, C, frequencies, T')."""
        if kernel is None:
            return None
        waves = x.reshape(-1, 1, x.shape[-1])
        if self.padding == "same":
            ((before, after),) = same_paddings(waves, [self.frame_length], [self.frame_step], [1])
            waves = F.pad(waves, (before, after))
        made: torch.Tensor = F.conv1d(waves, kernel.permute(2, 1, 0), stride=self.frame_step)
        return made.reshape(*x.shape[:2], *made.shape[1:])

    def _shaped(self, made: torch.Tensor) -> torch.Tensor:
        return made.transpose(2, 3) if self.expand_dims else made.flatten(1, 2)


class MelSpectrogram(Layer):
    """The power of a sound, (..., samples), in bands of the mel scale: (..., bands, T').

    Differs from torchaudio's MelSpectrogram in:
    1. decibels are limited by the loudest of the whole batch, not of each sound;
    2. the bands have a peak of 1, and no area of 1;
    3. the matrix of the bands is float32, in float64 runs too.

    Source: keras 3.15 `layers/preprocessing/mel_spectrogram.py`, `backend/tensorflow/math.py`
    (`stft`).

    Args:
        fft_length: samples of a transform.
        sequence_stride: samples from one transform to the next.
        sequence_length: of the window; None: fft_length.
        window: "hann", "hamming", the values, or None.
        sampling_rate: samples of a second.
        num_mel_bins: number of bands.
        min_freq: the lowest one, in Hz.
        max_freq: the highest one, in Hz; None: half of the sampling rate.
        power_to_db: whether the result is in decibels.
        top_db: decibels below the loudest, which the rest is raised to.
        mag_exp: exponent of the magnitude: 1 for energy, 2 for power.
        min_power: the least power.
        ref_power: has 0 decibels.

    Raises:
        ValueError: an argument has another value.
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Window = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
    ) -> None:
        super().__init__()
        length = sequence_length or fft_length
        if fft_length < length:
            raise ValueError(f"{fft_length=}: expected at least {sequence_length=}")
        if isinstance(window, str) and window not in ("hann", "hamming"):
            raise ValueError(f"{window=}: expected 'hann', 'hamming', numbers or None")
        self.fft_length, self.sequence_stride = fft_length, sequence_stride
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power
        values = window_of(window, length, periodic=True)
        before = (fft_length - length) // 2
        # No buffers: `to(dtype)` would round them for good.
        self.window = (
            torch.ones(fft_length).double()
            if values is None
            else F.pad(values, (before, fft_length - length - before))
        )
        edges = (min_freq, float(max_freq or int(sampling_rate / 2)))
        matrix = mel_matrix(num_mel_bins, fft_length // 2 + 1, sampling_rate, edges)
        self.mel = torch.from_numpy(matrix)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (..., num_mel_bins, T').

        Args:
            x: (samples,) or (N, samples), longer than half of fft_length.
        """
        half = self.fft_length // 2
        waves = F.pad(x.reshape(-1, 1, x.shape[-1]), (half, half), mode="reflect").squeeze(1)
        frames = waves.unfold(-1, self.fft_length, self.sequence_stride)
        spectrum = torch.fft.rfft(frames * self.window.to(x))
        size = (spectrum.real.square() + spectrum.imag.square()).sqrt()
        bands = size.pow(self.mag_exp) @ self.mel.to(x)
        if self.power_to_db:
            bands = self._decibels(bands)
        turned: torch.Tensor = bands.transpose(-1, -2)
        return turned.reshape(*x.shape[:-1], *turned.shape[-2:])

    def _decibels(self, bands: torch.Tensor) -> torch.Tensor:
        log: torch.Tensor = 10 * bands.clamp(min=self.min_power).log10()
        log = log - 10 * math.log10(max(abs(self.ref_power), self.min_power))
        return torch.maximum(log, log.amax() - self.top_db)  # (1)


def mel_matrix(
    num_bands: int, num_frequencies: int, sampling_rate: float, edges: tuple[float, float]
) -> np.ndarray:
    """Returns the share that each frequency has in each band, (num_frequencies, num_bands) float32.

    All is computed in float32, as Keras does it.

    Args:
        num_bands: of the mel scale.
        num_frequencies: from 0 to half of the sampling rate.
        sampling_rate: in Hz.
        edges: the lowest and the highest frequency of the bands, in Hz.
    """
    single = np.float32
    frequencies = np.linspace(0, sampling_rate / 2, num_frequencies, dtype=single)[1:]
    at = _mel(frequencies)[:, None]
    least, most = _mel(np.array(edges, single))
    bounds = np.linspace(least, most, num_bands + 2, dtype=single)
    lower, centre, upper = (bounds[n : n + num_bands] for n in range(3))
    rising, falling = (at - lower) / (centre - lower), (upper - at) / (upper - centre)
    shares = np.maximum(single(0), np.minimum(rising, falling))
    return np.pad(shares, [[1, 0], [0, 0]])


def _mel(hertz: np.ndarray) -> np.ndarray:
    made: np.ndarray = np.float32(1127.0) * np.log(np.float32(1) + hertz / np.float32(700.0))
    return made
