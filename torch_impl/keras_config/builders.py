"""A torch module for each Keras layer, from the layer's config and the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from torch_impl import layers
from torch_impl.keras_config.graph import Config, input_shapes, name_of

Shape = Sequence[int | None]
Builder = Callable[[Config, Shape], nn.Module]


class KerasLayer(nn.Module):
    """A layer that takes and gives tensors of Keras's layout, (N, ..., C), then an activation.

    Args:
        layer: takes (N, C, ...).
        activation: of its output, in Keras's layout; None for none.
    """

    # Weights have Keras's path, without this layer in between.
    unnamed_children = ("layer",)

    def __init__(self, layer: nn.Module, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.layer = layer
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the output of the Keras layer."""
        y: torch.Tensor = self.layer(x.movedim(-1, 1)).movedim(1, -1)
        if self.activation is not None:
            y = self.activation(y)
        return y


class Activated(KerasLayer):
    """A layer that works on Keras's layout itself, then an activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the output of the Keras layer."""
        y: torch.Tensor = self.layer(x)
        if self.activation is not None:
            y = self.activation(y)
        return y


class TimeDistributed(nn.Module):
    """Applies a layer to each time step of (N, T, ...), one after the other.

    Args:
        name: Keras's, of the layer.
        layer: takes (N, ...).
    """

    def __init__(self, name: str, layer: nn.Module) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, ...)."""
        layer = self.get_submodule(self.name)
        return torch.stack([layer(step) for step in x.unbind(1)], dim=1)


def build_layer(layer: Config) -> nn.Module:
    """Returns the module of one layer's part of a model's config.

    Raises:
        ValueError: the layer is unknown, or has a setting that is.
    """
    kind, config = layer["class_name"], layer["config"]
    if kind not in BUILDERS:
        raise ValueError(f"layer {name_of(layer)!r} of class {kind!r}: expected {sorted(BUILDERS)}")
    if config.get("data_format", "channels_last") == "channels_first":
        message = "data_format='channels_first': expected 'channels_last'"
        raise ValueError(f"layer {name_of(layer)!r} with {message}")
    shapes = input_shapes(layer) if kind in NEED_SHAPES else [()]
    try:
        module = BUILDERS[kind](config, shapes[0])
    except ValueError as error:
        raise ValueError(f"layer {name_of(layer)!r} of class {kind!r}: {error}") from None
    module.to(dtype_of(config))
    if not config.get("trainable", True):
        module.requires_grad_(False)
    return module


def dtype_of(config: Config) -> torch.dtype:
    """Returns the dtype of a layer's policy.

    Raises:
        ValueError: it computes in another dtype than its weights have, or in a half one.
    """
    policy = config.get("dtype") or "float32"
    name = policy if isinstance(policy, str) else policy["config"]["name"]
    if name not in ("float32", "float64"):
        raise ValueError(f"dtype policy {name!r}: expected 'float32' or 'float64'")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _pick(config: Config, *names: str) -> dict[str, Any]:
    return {name: config[name] for name in names if name in config}


def _activation(config: Config) -> nn.Module | None:
    """That of a layer: a name, or a layer of its own."""
    value = config.get("activation")
    if value in (None, "linear"):
        return None
    if isinstance(value, str):
        return layers.Activation(value)
    if value["class_name"] in ("ReLU", "LeakyReLU", "ELU", "Softmax"):
        return BUILDERS[value["class_name"]](value["config"], ())
    raise ValueError(f"activation of class {value['class_name']!r}: expected a name")


def _convolution(kind: type[nn.Module], *more: str) -> Builder:
    names = ("kernel_size", "strides", "padding", "dilation_rate", "use_bias", *more)
    return lambda config, shape: KerasLayer(
        kind(shape[-1], **_pick(config, *names)), _activation(config)
    )


def _seeded(kind: type[nn.Module], *names: str) -> Builder:
    """A layer that draws; without a seed in the config it starts from 0."""
    return lambda config, shape: KerasLayer(
        kind(**_pick(config, *names), seed=config.get("seed") or 0)
    )


def _alpha_dropout(config: Config, shape: Shape) -> nn.Module:
    """Keras draws in its floatx, which the config does not hold: that of the policy is taken."""
    names, seed = ("rate", "noise_shape"), config.get("seed") or 0
    layer = layers.AlphaDropout(**_pick(config, *names), seed=seed, random_dtype=dtype_of(config))
    return KerasLayer(layer)


def _dense(config: Config, shape: Shape) -> nn.Module:
    inputs: Any = shape[-1]
    dense = nn.Linear(inputs, config["units"], bias=config["use_bias"])
    activation = _activation(config)
    return dense if activation is None else Activated(dense, activation)


def _batch_normalization(config: Config, shape: Shape) -> nn.Module:
    if config.get("renorm"):
        raise ValueError("renorm=True: expected False")
    names = ("axis", "momentum", "epsilon", "center", "scale", "trainable")
    length: Any = shape[config["axis"]]
    return layers.BatchNormalization(length, **_pick(config, *names))


def _over_axes(kind: type[nn.Module], *names: str) -> Builder:
    def build(config: Config, shape: Shape) -> nn.Module:
        if config.get("rms_scaling"):
            raise ValueError("rms_scaling=True: expected False")
        axis = config["axis"]
        axes = sorted(a % len(shape) for a in ([axis] if isinstance(axis, int) else axis))
        return kind([shape[a] for a in axes], axes, **_pick(config, *names))

    return build


def _group_normalization(config: Config, shape: Shape) -> nn.Module:
    length: Any = shape[config["axis"]]
    names = ("groups", "axis", "epsilon", "center", "scale")
    return layers.GroupNormalization(length, **_pick(config, *names))


def _normalization(config: Config, shape: Shape) -> nn.Module:
    axes = sorted(axis % len(shape) for axis in config["axis"])
    lengths: Any = [shape[axis] for axis in axes]
    return layers.Normalization(lengths, axes, **_pick(config, "mean", "variance", "invert"))


def _prelu(config: Config, shape: Shape) -> nn.Module:
    lengths: Any = shape[1:]
    return layers.PReLU(lengths, config["shared_axes"])


def _embedding(config: Config, shape: Shape) -> nn.Module:
    if config.get("mask_zero"):
        raise ValueError("mask_zero=True: expected False, since there are no masks")
    return layers.Embedding(config["input_dim"], config["output_dim"])


def _recurrent(kind: type[nn.Module]) -> Builder:
    def build(config: Config, shape: Shape) -> nn.Module:
        for name in ("dropout", "recurrent_dropout", "stateful"):
            if config.get(name):
                raise ValueError(f"{name}={config[name]!r}: expected none")
        names = ("units", "use_bias", "return_sequences", "return_state", "go_backwards")
        more = ("activation", "recurrent_activation", "reset_after")
        return kind(shape[-1], **_pick(config, *names, *more))

    return build


def _bidirectional(config: Config, shape: Shape) -> nn.Module:
    parts = [config["layer"], config["backward_layer"]]
    first, second = (BUILDERS[part["class_name"]](part["config"], shape) for part in parts)
    names = (parts[0]["config"]["name"], parts[1]["config"]["name"])
    return layers.Bidirectional(first, second, config["merge_mode"], names)  # type: ignore[arg-type]


def _time_distributed(config: Config, shape: Shape) -> nn.Module:
    inner = {"build_config": {"input_shape": [shape[0], *shape[2:]]}, **config["layer"]}
    return TimeDistributed(name_of(inner), build_layer(inner))


def _plain(kind: type[nn.Module], *names: str) -> Builder:
    """A layer that works on Keras's layout itself."""
    return lambda config, shape: kind(**_pick(config, *names))


def _moved(kind: type[nn.Module], *names: str, **settings: Any) -> Builder:
    """A layer that works on torch's layout."""
    return lambda config, shape: KerasLayer(kind(**_pick(config, *names), **settings))


BUILDERS: dict[str, Builder] = {
    "Dense": _dense,
    "Activation": lambda config, shape: _activation(config) or nn.Identity(),
    "Identity": lambda config, shape: nn.Identity(),
    "Flatten": lambda config, shape: nn.Flatten(),
    "Embedding": _embedding,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _over_axes(layers.LayerNormalization, "epsilon", "center", "scale"),
    "RMSNormalization": _over_axes(layers.RMSNormalization, "epsilon"),
    "GroupNormalization": _group_normalization,
    "UnitNormalization": _plain(layers.UnitNormalization, "axis"),
    "Normalization": _normalization,
    "Rescaling": _plain(layers.Rescaling, "scale", "offset"),
    "PReLU": _prelu,
    "ReLU": _plain(layers.ReLU, "max_value", "negative_slope", "threshold"),
    "LeakyReLU": _plain(layers.LeakyReLU, "negative_slope"),
    "ELU": _plain(layers.ELU, "alpha"),
    "Softmax": _plain(layers.Softmax, "axis"),
    "Dropout": _seeded(layers.Dropout, "rate", "noise_shape"),
    "AlphaDropout": _alpha_dropout,
    "GaussianNoise": _seeded(layers.GaussianNoise, "stddev"),
    "GaussianDropout": _seeded(layers.GaussianDropout, "rate"),
    "Reshape": _plain(layers.Reshape, "target_shape"),
    "Permute": _plain(layers.Permute, "dims"),
    "RepeatVector": _plain(layers.RepeatVector, "n"),
    "Concatenate": _plain(layers.Concatenate, "axis"),
    "Dot": _plain(layers.Dot, "axes", "normalize"),
    "LSTM": _recurrent(layers.LSTM),
    "GRU": _recurrent(layers.GRU),
    "SimpleRNN": _recurrent(layers.SimpleRNN),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
}
for _name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
    BUILDERS[_name] = _plain(getattr(layers, _name))
for _rank in (1, 2, 3):
    for _name in (f"MaxPooling{_rank}D", f"AveragePooling{_rank}D"):
        BUILDERS[_name] = _moved(getattr(layers, _name), "pool_size", "strides", "padding")
    for _name in ("GlobalMaxPooling", "GlobalAveragePooling"):
        BUILDERS[f"{_name}{_rank}D"] = _moved(getattr(layers, _name), "keepdims")
    for _name, *_more in (
        (f"Conv{_rank}D", "filters", "groups"),
        (f"Conv{_rank}DTranspose", "filters", "output_padding"),
        (f"SeparableConv{_rank}D", "filters", "depth_multiplier"),
        (f"DepthwiseConv{_rank}D", "depth_multiplier"),
    ):
        if hasattr(layers, _name):
            BUILDERS[_name] = _convolution(getattr(layers, _name), *_more)
    BUILDERS[f"SpatialDropout{_rank}D"] = _seeded(layers.SpatialDropout, "rate")
    BUILDERS[f"ZeroPadding{_rank}D"] = _moved(layers.ZeroPadding, "padding", rank=_rank)
    BUILDERS[f"Cropping{_rank}D"] = _moved(layers.Cropping, "cropping", rank=_rank)
    BUILDERS[f"UpSampling{_rank}D"] = _moved(layers.UpSampling, "size", "interpolation", rank=_rank)

NEED_SHAPES = {
    name for name in BUILDERS if "Conv" in name or "Normalization" in name or name.endswith("RNN")
} | {"Dense", "PReLU", "LSTM", "GRU", "Bidirectional", "TimeDistributed"}
