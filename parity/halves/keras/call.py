"""Call: one call of a Keras layer, with what it was given and what it made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions


@dataclass
class Call:
    """One call of a layer, or of its activation.

    Attributes:
        name: of the layer, with "#2" from the second call of a shared layer on; ends with
            ".activation" for the activation, and with ".depthwise" or ".pointwise" for a part of a
            separable convolution.
        kind: a word of `parity/halves/keras/kinds.py`: "conv", "activation:NAME", or
            "unknown:CLASS".
        layer: None for an activation, and for an operation that is not a layer.
        inputs: tensors, in the order of the arguments.
        output: tensor, or the first of several.
        mask: bool, what a dropout keeps in train mode; the standard normal numbers of a layer of
            noise; None for other layers.
        config: plain values of the layer's configuration.
        sources: what made each input: the number of a call, -1 for an input of the model, None
            if that was not watched.
        weights: the variables that the call uses.
        given_masks: the mask of sequences of each input, or None.
        beside: tensors that reach the call in another way than as its inputs; their sources come
            after those of the inputs.
        again: of an activation, what it makes of another first input; None for other calls.
        state: seed and number of draws with which a layer that changes images at random began;
            None for other layers, and in eval mode.
    """

    name: str
    kind: str
    layer: keras.Layer | None
    inputs: list[Any]
    output: Any
    mask: np.ndarray | None = None
    config: dict[str, Any] = field(default_factory=dict)
    sources: list[int | None] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    given_masks: list[Any] = field(default_factory=list)
    beside: list[Any] = field(default_factory=list)
    again: Callable[[Any], Any] | None = None
    state: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.layer is not None and not self.weights:
            self.weights = list(self.layer.weights)


def parts_of(call: Call) -> list[Call]:
    """Splits a separable convolution into its two convolutions; returns other calls unchanged."""
    layer: Any = call.layer
    if call.kind != "separable_conv":
        return [call]
    middle = versions.depthwise(layer, call.inputs[0])
    depthwise = layer.depthwise_kernel
    ones = [1] * len(layer.kernel_size)
    plain = {"kernel_size": ones, "strides": ones, "dilation_rate": ones, "padding": "valid"}
    return [
        replace(
            call,
            name=f"{call.name}.depthwise",
            kind="depthwise_conv",
            output=middle,
            weights=[depthwise],
        ),
        replace(
            call,
            name=f"{call.name}.pointwise",
            kind="conv",
            inputs=[middle],
            config={**call.config, **plain},
            weights=[variable for variable in layer.weights if variable is not depthwise],
        ),
    ]


def tensors_in(values: Any) -> list[Any]:
    """Returns the tensors and arrays of a nest, in its order."""
    flat = tf.nest.flatten(values)
    return [value for value in flat if tf.is_tensor(value) or isinstance(value, np.ndarray)]


def first_of(output: Any) -> Any:
    """Returns the first tensor of what a layer returns."""
    return tf.nest.flatten(output)[0]
