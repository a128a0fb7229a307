"""Spectrograms of sound."""

from __future__ import annotations

from benchmarks.public_layers.setting import Given, settings

_WAVE = Given((70,))
_SMALL = {"fft_length": 16, "sequence_stride": 8, "num_mel_bins": 5, "sampling_rate": 8000}

SETTINGS = [
    *settings(
        "STFTSpectrogram",
        Given((70, 2)),
        {"frame_length": 16},
        {"frame_length": 16, "frame_step": 5, "mode": "magnitude", "window": "hamming"},
        {"frame_length": 12, "fft_length": 16, "mode": "psd", "scaling": "spectrum"},
        {"frame_length": 16, "mode": "real", "padding": "same", "periodic": True},
        {"frame_length": 16, "mode": "imag", "expand_dims": True, "scaling": None},
        {"frame_length": 16, "mode": "angle"},
        {"frame_length": 16, "mode": "stft", "expand_dims": True, "window": None},
    ),
    *settings(
        "MelSpectrogram",
        _WAVE,
        _SMALL,
        {**_SMALL, "sequence_length": 12, "window": "hamming", "max_freq": 3000, "min_freq": 50.0},
        {**_SMALL, "power_to_db": False, "mag_exp": 1.0},
        {**_SMALL, "top_db": 20.0, "min_power": 1e-3, "ref_power": 2.0},
    ),
]
