"""Spectrograms."""

from __future__ import annotations

from torch_impl import layers
from torch_impl.keras_config.rows.entry import Row
from torch_impl.keras_config.rows.modules import moved, plain

ROWS: dict[str, Row] = {
    "STFTSpectrogram": moved(
        layers.STFTSpectrogram,
        *("mode", "frame_length", "frame_step", "fft_length", "window", "periodic", "scaling"),
        *("padding", "expand_dims"),
    ),
    "MelSpectrogram": plain(
        layers.MelSpectrogram,
        *("fft_length", "sequence_stride", "sequence_length", "window", "sampling_rate"),
        *("num_mel_bins", "min_freq", "max_freq", "power_to_db", "top_db", "mag_exp"),
        *("min_power", "ref_power"),
    ),
}
