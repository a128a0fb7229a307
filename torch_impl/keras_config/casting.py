"""What a Keras layer makes of inputs that have another dtype than its policy.

Keras casts real numbers to the dtype of the policy, and leaves integers as they are. Some layers
then compute with real numbers, some with integers, and TensorFlow refuses the rest.

Source: keras 3.15 `dtype_policies/dtype_policy.py` (`convert_input`) and the `call` of each layer.
Every entry of `INTEGERS` was compared with Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from torch_impl.keras_config.graph import Config, fill
from torch_impl.keras_config.rows import preprocessing


@dataclass(frozen=True)
class Cast:
    """How a layer takes an input.

    Attributes:
        to: dtype to which the input is cast; None: it stays as it is.
        through: dtypes to which the outputs are cast, one after the other.
    """

    to: torch.dtype | None = None
    through: tuple[torch.dtype, ...] = ()


# From (settings of the layer, dtype of its policy, dtype of the input, train mode) to the cast of
# an integer or bool input; None: Keras refuses it, or gives numbers that are not defined.
Rule = Callable[[Config, torch.dtype, torch.dtype, bool], Cast | None]


def _kept(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    return Cast()


def _numbers(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    return None if dtype == torch.bool else Cast()


def _real(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    return Cast(policy)


def _float32(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    """A mean of integers is float32, whatever the policy."""
    return Cast(torch.float32)


def _masked(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    """A product of two bool tensors is int32."""
    return Cast(None, (torch.int32,)) if dtype == torch.bool else Cast()


def _signed(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    """TensorFlow has no absolute values of other integers."""
    return None if dtype in (torch.bool, torch.uint8, torch.int8) else Cast()


def _slope(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    return None if dtype == torch.bool else Cast(torch.float32)


def _refused(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    return None


def _exact(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    """A greatest entry is one of the integers; torch pools real numbers only."""
    return None if dtype == torch.bool else Cast(torch.float64, (dtype,))


def _cut_off(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    """Keras normalises in real numbers, and cuts them off to integers."""
    return None if dtype == torch.uint8 else Cast(policy, (dtype,))  # some are below 0


def _cut_off_to_real(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    """Keras cuts the normalised numbers off to integers, which it then makes real again."""
    return None if dtype == torch.uint8 else Cast(policy, (dtype, policy))  # half are below 0


def _cell(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    """A dropout in front of the weights gets integers; its mask is made in eval mode, too."""
    cell = config["cell"]["config"]
    first = [each["config"] for each in cell.get("cells", [])] or [cell]
    return None if first[0].get("dropout") else Cast(policy)


def _attention(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    """Integers become real by a weight."""
    return Cast(policy) if config.get("use_scale") else None


def _drawing(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    is_off = not training or not (config.get("rate") or config.get("stddev"))
    return Cast() if is_off else None


def _dot(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    if config.get("normalize"):
        return None
    return Cast(torch.int64, (torch.int32 if dtype == torch.int8 else dtype,))


def _relu(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    if dtype == torch.bool:
        return None
    slope, top, threshold = (
        config.get(name) or 0 for name in ("negative_slope", "max_value", "threshold")
    )
    if slope:
        return Cast(torch.float32) if not top and not threshold else None
    return Cast(torch.float64, (dtype,)) if threshold == int(threshold) else None


def _activation(
    config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool
) -> Cast | None:
    name = config.get("activation") or "linear"
    if name == "linear":
        return Cast()
    if name in ("tanh", "exponential"):
        return Cast(policy)
    if dtype == torch.bool:
        return None
    if name in ("relu", "relu6"):
        return Cast(torch.float64, (dtype,))
    return Cast(torch.float32) if name == "leaky_relu" else None


def _inner(config: Config, policy: torch.dtype, dtype: torch.dtype, training: bool) -> Cast | None:
    inner = config["layer"]
    rule = INTEGERS.get(inner["class_name"], _kept)
    return rule(inner["config"], policy, dtype, training)


def _by_name(*families: tuple[Rule, str]) -> dict[str, Rule]:
    return {name: rule for rule, names in families for name in names.split()}


# A layer that is not here is the user's, and gets integers as they are.
INTEGERS: dict[str, Rule] = _by_name(
    (_kept, "CategoryEncoding Discretization IntegerLookup Hashing HashedCrossing"),
    (_masked, "Masking"),
    (_kept, "ReversibleEmbedding StochasticDepth"),
    (_kept, "HeldWeight MaskedBy"),
    (_signed, "ActivityRegularization"),
    (_real, " ".join(preprocessing.ROWS)),
    (_refused, "STFTSpectrogram CustomScaleLayer"),
    (_kept, "Identity Flatten Embedding Reshape Permute RepeatVector Concatenate"),
    (_kept, "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D"),
    (_kept, "ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D"),
    (_kept, "UpSampling1D UpSampling2D UpSampling3D"),
    (_numbers, "LayerScale Add Subtract Multiply Average Maximum Minimum"),
    (
        _real,
        "Dense EinsumDense LSTM GRU SimpleRNN Bidirectional BatchNormalization",
    ),
    (_real, "Normalization Rescaling MultiHeadAttention GroupQueryAttention AdditiveAttention"),
    (_real, "MelSpectrogram"),
    (_attention, "Attention"),
    (_float32, "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D"),
    (_slope, "LeakyReLU"),
    (_relu, "ReLU"),
    (_activation, "Activation"),
    (_exact, "MaxPooling1D MaxPooling2D AdaptiveMaxPooling1D AdaptiveMaxPooling2D"),
    (_refused, "SpectralNormalization"),  # cut off, in a graph other than eagerly
    (_cell, "RNN"),
    (_cut_off, "RMSNormalization"),
    (_cut_off_to_real, "LayerNormalization GroupNormalization"),
    (_drawing, "Dropout AlphaDropout GaussianNoise GaussianDropout"),
    (_drawing, "SpatialDropout1D SpatialDropout2D SpatialDropout3D"),
    (_dot, "Dot"),
    (_inner, "TimeDistributed"),
    (_refused, "Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose"),
    (_refused, "DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D"),
    (_refused, "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling3D"),
    (_refused, "AdaptiveMaxPooling3D ConvLSTM1D ConvLSTM2D ConvLSTM3D"),
    (_refused, "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D"),
    (_refused, "UnitNormalization PReLU ELU Softmax"),
)


def takes_real(kind: str) -> bool:
    """Whether a layer computes with real numbers what it is given in integers.

    Args:
        kind: Keras's name of its class.
    """
    return INTEGERS.get(kind) is _real


# Keras does not cast the real numbers of these (`autocast = False`): their outputs are rounded.
_UNCAST = ("LayerNormalization", "GroupNormalization")


class Inputs:
    """Casts the inputs and outputs of one layer as Keras does.

    Args:
        layer: its entry in the config of a model.
    """

    def __init__(self, layer: Config) -> None:
        self.kind = layer["class_name"]
        self.config: Config = layer["config"]

    def cast(
        self, given: Any, policy: torch.dtype, training: bool
    ) -> tuple[Any, tuple[torch.dtype, ...]]:
        """Returns the arguments in the dtypes in which torch computes, and those of the results.

        Args:
            given: arguments, in lists and dicts.
            policy: dtype of the layer.
            training: whether it is in train mode.

        Raises:
            ValueError: Keras has no result for integers, or for bool.
        """
        through: list[tuple[torch.dtype, ...]] = []

        def cast(value: Any) -> Any:
            if not isinstance(value, torch.Tensor) or value.dtype == policy:
                return value
            found = self._cast_of(value.dtype, policy, training)
            through.append(found.through)
            return value if found.to is None else value.to(found.to)

        made = fill(given, cast)
        return made, next((dtypes for dtypes in through if dtypes), ())

    def _cast_of(self, input_dtype: torch.dtype, policy: torch.dtype, training: bool) -> Cast:
        if input_dtype.is_floating_point:
            is_coarse = input_dtype in (torch.float16, torch.bfloat16)
            return Cast(policy, (input_dtype, policy) if is_coarse and self.kind in _UNCAST else ())
        found = INTEGERS.get(self.kind, _kept)(self.config, policy, input_dtype, training)
        if found is None:
            dtype = str(input_dtype).removeprefix("torch.")
            raise ValueError(
                f"its input is {dtype}: expected real numbers, since Keras has no result for it; "
                "cast it before, such as by a Rescaling layer"
            )
        return found


def cast_results(results: Any, dtypes: tuple[torch.dtype, ...]) -> Any:
    """Returns the outputs of a layer in the last of some dtypes, cast to each before it."""

    def cast(value: Any) -> Any:
        for dtype in dtypes:
            value = value.to(dtype)
        return value

    return fill(results, cast) if dtypes else results
