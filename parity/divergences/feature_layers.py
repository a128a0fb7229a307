"""Divergences of layers that prepare features: Normalization, Rescaling and MelSpectrogram.

Keras's layer with another setting is computed, and compared with what the port has behind it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32, is_close
from parity.divergences.places import TURNING

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Array = np.ndarray
Change = tuple[str, Array]
# Relative: Keras's matrix of mel bands is float32, whose rounding the logarithm of a small sum
# widens.
_OF_BANDS = 1e-5
_BREAK, _HIGH = 700.0, 1127.0  # of HTK's mel scale


def _settings(evidence: Evidence) -> Match | None:
    """Recognises another setting of the layer behind which the port has other values."""
    source = _layer(evidence)
    if source is None:
        return None
    start = f"forward/{evidence.mode}/{source['name']}"
    x, made = evidence.keras[f"{start}/input/0"], evidence.keras[f"{start}/output"]
    close = _OF_BANDS if source["kind"] == "mel_spectrogram" else OF_FLOAT32
    for theirs, ours in evidence.compared():
        order = _order(made, theirs)
        if order is None or theirs.shape != ours.shape:
            continue
        for text, value in _CHANGES[str(source["kind"])](x, source["config"]):
            if value.shape != made.shape:
                continue
            seen = value.transpose(order).reshape(theirs.shape)
            if is_close(seen, ours, close) and not is_close(seen, theirs, close):
                return Match(NUMBERS, f"{source['name']}: {text}")
    return None


def _layer(evidence: Evidence) -> Mapping[str, Any] | None:
    """Returns the layer that prepares features, before a place or at it."""
    found = evidence.failing_input() if evidence.is_forward() else None
    node = evidence.node if found is None else evidence.source(found[0])
    while node is not None and node["kind"] in TURNING:
        before = node["sources"][0] if len(node["sources"]) == 1 else None
        is_known = before is not None and before >= 0
        node = evidence.keras.facts["nodes"][before] if is_known else None
    return node if node is not None and node["kind"] in _CHANGES else None


def _order(made: Array, theirs: Array) -> tuple[int, ...] | None:
    """Returns in which order of axes Keras's place has what the layer makes."""
    if made.size != theirs.size or made.ndim > 4:
        return None
    for axes in itertools.permutations(range(1, made.ndim)):
        if np.array_equal(made.transpose(0, *axes).reshape(theirs.shape), theirs):
            return (0, *axes)
    return None


# --- Normalization, Rescaling --------------------------------------------------------------------


def _normalizations(x: Array, config: Mapping[str, Any]) -> Iterator[Change]:
    mean, variance = (
        np.asarray(config.get(name) or 0.0, np.float64).reshape(-1) for name in ("mean", "variance")
    )
    if not variance.all() or variance.size not in (1, x.shape[-1]):
        return
    spread = np.sqrt(variance)
    yield "the port divides by the variance, Keras by its root", (x - mean) / variance
    yield "the port does not divide", x - mean
    yield "the port does not subtract the mean", x / spread
    yield "the port does not normalise", x
    yield "the port divides before it subtracts the mean", x / spread - mean
    yield "the port normalises backwards, as with invert=True", x * spread + mean
    for epsilon in (1e-3, 1e-5, 1e-7, 1e-8):
        told = f"the port adds {epsilon:g} to the variance"
        yield told, (x - mean) / np.sqrt(variance + epsilon)
        yield f"the port adds {epsilon:g} to the deviation", (x - mean) / (spread + epsilon)


def _rescalings(x: Array, config: Mapping[str, Any]) -> Iterator[Change]:
    scale, offset = (np.asarray(config.get(name) or 0.0) for name in ("scale", "offset"))
    yield "the port does not scale", x + offset
    yield "the port does not add the offset", x * scale
    yield "the port adds the offset before it scales", (x + offset) * scale
    yield "the port subtracts the offset", x * scale - offset
    yield "the port scales by 1 / 256", x / 256 + offset
    yield "the port scales by 1 / 255", x / 255 + offset
    yield "the port scales to -1 to 1", x / 127.5 - 1
    yield "the port does neither", x


# --- MelSpectrogram ------------------------------------------------------------------------------


def _bands(config: Mapping[str, Any], bins: int) -> Array:
    """Returns the matrix (bins, bands) of triangles on the mel scale."""
    to_mel = _slaney if config.get("scale") == "slaney" else _htk
    rate, lowest, highest = (
        float(config[name]) for name in ("sampling_rate", "min_freq", "max_freq")
    )
    edges = np.linspace(to_mel(lowest), to_mel(highest), int(config["num_mel_bins"]) + 2)
    at = to_mel(np.linspace(0.0, rate / 2, bins))[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0, np.minimum(rising, falling))
    if not config.get("has_constant"):
        matrix[0] = 0
    return np.asarray(matrix)


def _htk(hertz: Any) -> Any:
    return _HIGH * np.log(1 + np.asarray(hertz) / _BREAK)


def _slaney(hertz: Any) -> Any:
    hertz = np.asarray(hertz, np.float64)
    above = 15 + 27 * np.log(np.maximum(hertz, 1000.0) / 1000.0) / np.log(6.4)
    return np.asarray(np.where(hertz >= 1000.0, above, hertz * 3 / 200))


def _decibel(power: Array, config: Mapping[str, Any]) -> Array:
    lowest, top = float(config["min_power"]), float(config["top_db"])
    logs = 10 * np.log10(np.maximum(power, lowest))
    logs = logs - 10 * np.log10(max(abs(float(config["ref_power"])), lowest))
    return np.asarray(np.maximum(logs, logs.max() - top))


def _power(x: Array, config: Mapping[str, Any]) -> Array:
    """Returns the powers of the bands, (N, steps, bands)."""
    length, fft = int(config["sequence_length"]), int(config["fft_length"])
    stride = int(config["sequence_stride"])
    places = np.arange(length)
    of = length - 1 if config.get("is_symmetric") else length
    shapes = {
        "hann": 0.5 - 0.5 * np.cos(2 * np.pi * places / of),
        "hamming": 0.54 - 0.46 * np.cos(2 * np.pi * places / of),
    }
    window = shapes.get(str(config["window"]), np.ones(length))
    before = (fft - length) // 2
    window = np.pad(window, (before, fft - length - before))
    padded = np.pad(x, ((0, 0), (fft // 2, fft // 2)), mode=config.get("pad", "reflect"))
    count = 1 + (padded.shape[1] - fft) // stride
    frames = np.stack([padded[:, n * stride : n * stride + fft] for n in range(count)], axis=1)
    size = np.abs(np.fft.rfft(frames * window, axis=-1)) ** float(config["mag_exp"])
    return np.asarray(size @ _bands(config, size.shape[-1]))


def _spectrogram(x: Array, config: Mapping[str, Any]) -> Array:
    power = _power(x, config)
    made = _decibel(power, config) if config["power_to_db"] else power
    return np.swapaxes(made, -1, -2)


def _spectrograms(x: Array, config: Mapping[str, Any]) -> Iterator[Change]:
    if x.ndim != 2:
        return
    rate = float(config["sampling_rate"])
    for text, changes in (
        ("the port takes magnitudes, Keras powers", {"mag_exp": 1.0}),
        ("the port takes powers, Keras magnitudes", {"mag_exp": 2.0}),
        ("the port has no decibels", {"power_to_db": False}),
        ("only the port has decibels", {"power_to_db": True}),
        ("the port's window is Hann's", {"window": "hann"}),
        ("the port's window is Hamming's", {"window": "hamming"}),
        ("the port has no window", {"window": "none"}),
        ("the port's window is symmetric, Keras's periodic", {"is_symmetric": True}),
        ("the port pads with zeros, Keras by reflection", {"pad": "constant"}),
        ("the port's bands begin at 0 Hz", {"min_freq": 0.0}),
        ("the port's bands end at half the rate", {"max_freq": rate / 2}),
        ("the port takes another rate: 16000", {"sampling_rate": 16000}),
        ("the port takes another rate: 22050", {"sampling_rate": 22050}),
        ("the port keeps the constant bin, which Keras leaves out", {"has_constant": True}),
        ("the port's mel scale is Slaney's, Keras's is HTK's", {"scale": "slaney"}),
        ("the port does not limit the range of decibels", {"top_db": np.inf}),
    ):
        yield text, _spectrogram(x, {**config, **changes})
    power = np.swapaxes(_power(x, config), -1, -2)
    lowest = float(config["min_power"])
    yield "the port takes natural logarithms", np.log(np.maximum(power, lowest))
    yield "the port takes log10 without a factor of 10", np.log10(np.maximum(power, lowest))
    yield "the port takes log(1 + power)", np.log1p(power)
    for added in (1e-6, 1e-10, 1e-9):
        yield f"the port takes log(power + {added:g})", np.log(power + added)
    top = _decibel(power, {**config, "top_db": np.inf})
    each = top.reshape(len(top), -1).max(1).reshape(-1, 1, 1)
    limited = np.maximum(top, each - float(config["top_db"]))
    yield "the port limits the range of decibels for each sample, Keras for the batch", limited
    yield "the port's decibels are relative to the largest", top - top.max()


_CHANGES: dict[str, Callable[[Array, Mapping[str, Any]], Iterator[Change]]] = {
    "normalization": _normalizations,
    "rescaling": _rescalings,
    "mel_spectrogram": _spectrograms,
}
RULES: dict[str, Recogniser] = {"A44": _settings}
