"""Convolutions, pools, normalisations, dropouts and spectrograms."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.activation import activation_of
from torch_impl.keras_config.rows.entry import (
    Entry,
    KerasLayer,
    Row,
    dtype_of,
    moved,
    plain,
    seeded,
)

# --- Convolutions: plain, depthwise, separable, transposed ----------------------------------------


def _convolution(kind: type[nn.Module], *more: str) -> Row:
    names = ("kernel_size", "strides", "padding", "dilation_rate", "use_bias", *more)

    def plan(entry: Entry) -> Planned:
        layer = Planned(kind, entry.shape[-1], **entry.pick(*names))
        return Planned(KerasLayer, layer, activation_of(entry))

    return plan


ROWS: dict[str, Row] = {
    f"{kind}{rank}D{ending}": _convolution(getattr(layers, f"{kind}{rank}D{ending}"), *names)
    for kind, ending, ranks, names in (
        ("Conv", "", (1, 2, 3), ("filters", "groups")),
        ("Conv", "Transpose", (1, 2, 3), ("filters", "output_padding")),
        ("SeparableConv", "", (1, 2), ("filters", "depth_multiplier")),
        ("DepthwiseConv", "", (1, 2), ("depth_multiplier",)),
    )
    for rank in ranks
}


# --- Pools, over windows and over whole images ----------------------------------------------------


def _adaptive(kind: type[nn.Module]) -> Row:
    """Returns the row of a pool to a given size, which is torch's."""

    def plan(entry: Entry) -> Planned:
        sizes = tuple(entry.config["output_size"])
        for length, size in zip(entry.shape[1:-1], sizes, strict=True):
            # Keras also pools over windows that are longer by one. If none fits, TensorFlow returns
            # what is in memory, or ends the process.
            if length is not None and math.ceil(length / size) + 1 > length:
                raise ValueError(
                    f"output_size={sizes} of {tuple(entry.shape[1:-1])}: expected a larger one, "
                    "since Keras's values are undefined; a global pool has an output of 1"
                )
        return Planned(KerasLayer, Planned(kind, sizes))

    return plan


ROWS_OF_POOLING: dict[str, Row] = {
    f"{kind}{rank}D": row
    for rank in (1, 2, 3)
    for kind, row in (
        *(
            (kind, moved(getattr(layers, f"{kind}{rank}D"), "pool_size", "strides", "padding"))
            for kind in ("MaxPooling", "AveragePooling")
        ),
        *(
            (kind, moved(getattr(layers, kind), "keepdims"))
            for kind in ("GlobalMaxPooling", "GlobalAveragePooling")
        ),
    )
}
for _rank in (1, 2, 3):
    ROWS_OF_POOLING[f"AdaptiveMaxPooling{_rank}D"] = _adaptive(
        getattr(nn, f"AdaptiveMaxPool{_rank}d")
    )
    ROWS_OF_POOLING[f"AdaptiveAveragePooling{_rank}D"] = _adaptive(
        getattr(nn, f"AdaptiveAvgPool{_rank}d")
    )
# takes masks
ROWS_OF_POOLING["GlobalAveragePooling1D"] = moved(layers.GlobalAveragePooling1D, "keepdims")


# --- Layers that normalise, by statistics of a batch, of a sample, or by given ones ---------------


def _batch_normalization(entry: Entry) -> Planned:
    if entry.config.get("renorm"):
        raise ValueError("renorm=True: expected False")
    names = ("axis", "momentum", "epsilon", "center", "scale", "trainable")
    num_features = entry.shape[entry.config["axis"]]
    return Planned(layers.BatchNormalization, num_features, **entry.pick(*names))


def _over_axes(kind: Callable[..., nn.Module], *names: str) -> Row:
    def plan(entry: Entry) -> Planned:
        axis, shape = entry.config["axis"], entry.shape
        axes = sorted(a % len(shape) for a in ([axis] if isinstance(axis, int) else axis))
        return Planned(kind, [shape[a] for a in axes], axes, **entry.pick(*names))

    return plan


def _group_normalization(entry: Entry) -> Planned:
    names = ("groups", "axis", "epsilon", "center", "scale")
    num_channels = entry.shape[entry.config["axis"]]
    return Planned(layers.GroupNormalization, num_channels, **entry.pick(*names))


def _normalization(entry: Entry) -> Planned:
    shape = entry.shape
    axes = sorted(axis % len(shape) for axis in entry.config["axis"])
    given = entry.pick("mean", "variance", "invert")
    return Planned(layers.Normalization, [shape[axis] for axis in axes], axes, **given)


_SETTINGS = ("epsilon", "center", "scale", "rms_scaling")

ROWS_OF_NORMALIZATION: dict[str, Row] = {
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _over_axes(layers.LayerNormalization, *_SETTINGS),
    "RMSNormalization": _over_axes(layers.RMSNormalization, "epsilon"),
    "GroupNormalization": _group_normalization,
    "UnitNormalization": plain(layers.UnitNormalization, "axis"),
    "Normalization": _normalization,
}


# --- Layers that draw random numbers in train mode: dropouts and noise ----------------------------


def _alpha_dropout(entry: Entry) -> Planned:
    """Draws in the dtype of the policy; Keras draws in its floatx, which the config lacks."""
    given, seed = entry.pick("rate", "noise_shape"), entry.config.get("seed") or 0
    random_dtype = dtype_of(entry.config)
    layer = Planned(layers.AlphaDropout, **given, seed=seed, random_dtype=random_dtype)
    return Planned(KerasLayer, layer)


ROWS_OF_REGULARIZATION: dict[str, Row] = {
    "Dropout": seeded(layers.Dropout, "rate", "noise_shape"),
    "AlphaDropout": _alpha_dropout,
    "GaussianNoise": seeded(layers.GaussianNoise, "stddev"),
    "GaussianDropout": seeded(layers.GaussianDropout, "rate"),
    **{f"SpatialDropout{rank}D": seeded(layers.SpatialDropout, "rate") for rank in (1, 2, 3)},
}


# --- Spectrograms ---------------------------------------------------------------------------------


ROWS_OF_SOUND: dict[str, Row] = {
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
