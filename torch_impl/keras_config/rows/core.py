"""Dense layers, embeddings, attention, and layers that merge tensors or give them another shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from torch_impl import layers
from torch_impl.keras_config.graph import name_of
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.rows.activation import activation_of
from torch_impl.keras_config.rows.entry import Activated, Entry, Row, moved, plain

# --- Dense layers, embeddings, and layers that scale their input ----------------------------------


def _dense(entry: Entry) -> Planned:
    dense = Planned(
        nn.Linear, entry.shape[-1], entry.config["units"], bias=entry.config["use_bias"]
    )
    activation = activation_of(entry)
    return dense if activation is None else Planned(Activated, dense, activation)


def _embedding(entry: Entry) -> Planned:
    return Planned(layers.Embedding, **entry.pick("input_dim", "output_dim", "mask_zero"))


def _weight(entry: Entry) -> Planned:
    return Planned(layers.Weight, tuple(entry.config["shape"]))


ROWS: dict[str, Row] = {
    "HeldWeight": _weight,
    "Dense": _dense,
    "Embedding": _embedding,
    "ActivityRegularization": lambda entry: Planned(nn.Identity),
    "Masking": plain(layers.Masking, "mask_value"),
    "Identity": lambda entry: Planned(nn.Identity),
    "Rescaling": plain(layers.Rescaling, "scale", "offset"),
}


# --- Attention, layers of an equation, and the way back of an embedding ---------------------------


def _shapes(entry: Entry) -> dict[str, list[int | None]]:
    """Returns the shapes of query, value and, if there is one, key, without the batch axis.

    Raises:
        ValueError: the config does not contain them.
    """
    built: Mapping[str, Any] = (entry.layer.get("build_config") or {}).get("shapes_dict") or {}
    if "query_shape" not in built:
        raise ValueError("no shapes of query and value: expected a model that was built")
    return {name: list(shape)[1:] for name, shape in built.items() if shape is not None}


def _multi_head(entry: Entry) -> Planned:
    names = ("num_heads", "key_dim", "value_dim", "dropout", "use_bias", "output_shape")
    more = ("attention_axes", "sliding_window", "use_gate")
    given = {**entry.pick(*names, *more), **_shapes(entry)}
    return Planned(layers.MultiHeadAttention, **given, seed=entry.config.get("seed") or 0)


def _group_query(entry: Entry) -> Planned:
    names = ("head_dim", "num_query_heads", "num_key_value_heads", "dropout", "use_bias")
    sizes = {name.replace("_shape", "_size"): shape[-1] for name, shape in _shapes(entry).items()}
    given = entry.pick(*names, "sliding_window", "use_gate")
    seed = entry.config.get("seed") or 0
    return Planned(layers.GroupQueryAttention, **given, **sizes, seed=seed)


def _attention(entry: Entry) -> Planned:
    names = ("use_scale", "score_mode", "dropout")
    return Planned(layers.Attention, **entry.pick(*names), seed=entry.config.get("seed") or 0)


def _additive(entry: Entry) -> Planned:
    given = entry.pick("use_scale", "dropout")
    return Planned(
        layers.AdditiveAttention, entry.shape[-1], **given, seed=entry.config.get("seed") or 0
    )


def _einsum_dense(entry: Entry) -> Planned:
    config = entry.config
    if config.get("lora_rank"):
        raise ValueError(f"lora_rank={config['lora_rank']!r}: expected None")
    given = entry.pick("equation", "output_shape", "bias_axes")
    dense = Planned(layers.EinsumDense, input_shape=entry.shape[1:], **given)
    activation = activation_of(entry)
    return dense if activation is None else Planned(Activated, dense, activation)


def _reversible_embedding(entry: Entry) -> Planned:
    name = entry.config.get("reverse_dtype")
    if name not in (None, "float32", "float64"):
        raise ValueError(f"reverse_dtype={name!r}: expected 'float32', 'float64' or None")
    given = entry.pick("input_dim", "output_dim", "tie_weights", "logit_soft_cap", "mask_zero")
    dtype = None if name is None else getattr(torch, name)
    return Planned(layers.ReversibleEmbedding, **given, reverse_dtype=dtype)


def _spectral(entry: Entry) -> Planned:
    inner = {"build_config": {"input_shape": entry.shape}, **entry.config["layer"]}
    iterations = entry.config["power_iterations"]
    return Planned(layers.SpectralNormalization, entry.build(inner), iterations, name_of(inner))


ROWS_OF_ATTENTION: dict[str, Row] = {
    "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _group_query,
    "Attention": _attention,
    "AdditiveAttention": _additive,
    "EinsumDense": _einsum_dense,
    "ReversibleEmbedding": _reversible_embedding,
    "SpectralNormalization": _spectral,
}


# --- Layers that networks of keras.applications have of their own ---------------------------------


ROWS_OF_RESIDUAL: dict[str, Row] = {
    "LayerScale": plain(layers.LayerScale, "init_values", "projection_dim"),
    # Keras draws from its global generator, whose seed is not in the config.
    "StochasticDepth": lambda entry: Planned(
        layers.StochasticDepth, entry.config["drop_path_rate"]
    ),
    "CustomScaleLayer": plain(layers.CustomScaleLayer, "scale"),
}


# --- Layers that give a tensor another shape ------------------------------------------------------


class KerasFlatten(nn.Flatten):
    """Flattens each example; a number becomes a row of one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, entries of an example)."""
        return super().forward(x) if x.ndim > 1 else x.unsqueeze(1)


ROWS_OF_SHAPING: dict[str, Row] = {
    "Flatten": lambda entry: Planned(KerasFlatten),
    "Reshape": plain(layers.Reshape, "target_shape"),
    "Permute": plain(layers.Permute, "dims"),
    "RepeatVector": plain(layers.RepeatVector, "n"),
    **{
        f"{kind.__name__}{rank}D": moved(kind, *names, rank=rank)
        for kind, *names in (
            (layers.ZeroPadding, "padding"),
            (layers.Cropping, "cropping"),
            (layers.UpSampling, "size", "interpolation"),
        )
        for rank in (1, 2, 3)
    },
}


# --- Layers that make one tensor of several -------------------------------------------------------


ROWS_OF_MERGING: dict[str, Row] = {
    **{
        name: plain(getattr(layers, name))
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    },
    "Concatenate": plain(layers.Concatenate, "axis"),
    "Dot": plain(layers.Dot, "axes", "normalize"),
}
