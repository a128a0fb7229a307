"""Call and Calls: what each layer of a Keras model was given and made, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.kinds import Attention, kind_of
from parity.halves.keras.random_layers import Draw, is_random_image, kind_of_draw
from parity.halves.keras.rounding import Perturbation, moved, with_rounded_gradient

# --- Call: one call of a Keras layer, with what it was given and what it made ---------------------


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


# --- The masks of sequences that a call of a layer is given beside its inputs ---------------------


# Masks of sequences, which a call is told beside its inputs.
_MASKS = ("mask", "query_mask", "value_mask", "key_mask")


def without_masks(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the keyword arguments of a call that are no masks of sequences."""
    return {name: value for name, value in keywords.items() if name not in _MASKS}


def given_masks_of(inputs: list[Any], passed_masks: Any) -> list[Any]:
    """Returns the mask of each input: one that the call was told, or else that which it carries."""
    carried_masks = list(map(versions.mask_of, inputs))
    by_hand = [] if passed_masks is None else tf.nest.flatten(passed_masks)
    return [*by_hand[: len(carried_masks)], *carried_masks[len(by_hand) :]]


# --- Calls: the calls of a Keras model's layers in order, and what is noted beside them -----------
#
# Each call goes in as it ends, and gets the calls that made its inputs. Who drew random numbers,
# and who used a mask of sequences, is noted.


# The mask of these is their output for a tensor of ones.
MASKED = {"dropout"}
# What these draw can be given to a port; and by which setting they draw nothing.
NOISY = {"alpha_dropout": "rate", "gaussian_dropout": "rate", "gaussian_noise": "stddev"}


class Reached(BaseException):
    """Ends a pass behind a call. No `Exception`, since Keras makes other ones of these."""


class Calls(list[Call]):
    """Calls in order; finds the sources of a call when it is added.

    Attributes:
        drew: name of a layer -> its class, of all that drew random numbers but plain dropouts.
        draws: what these, and code outside of all layers, drew, in order.
        notes_draws: whether what is drawn now is noted.
        used_masks: name of a layer -> its class, of all that used a mask of sequences.
        masked: those of them for which a mask left a step out.
        mask_tries: how many masks a dropout may draw in one call.
        factors: name -> by what a layer other than a dropout multiplied the samples it kept.
        last: name of a call with which the pass ends, by `Reached`; "" for none.
    """

    def __init__(self, given: Any, perturbation: Perturbation | None, mask_tries: int) -> None:
        super().__init__()
        self.mask_tries = mask_tries
        self.drew: dict[str, str] = {}
        self.draws: list[Draw] = []
        self.notes_draws = True
        self.used_masks: dict[str, str] = {}
        self.masked: set[str] = set()
        self.factors: dict[str, float] = {}
        self.last = ""
        self.open: list[tuple[str, Any]] = []  # names and layers of the calls that have not ended
        self.attention: Attention | None = None  # that is being called
        self._perturbation = perturbation
        self._generator = np.random.default_rng(perturbation.seed if perturbation else 0)
        self._made = {id(tensor): -1 for tensor in tf.nest.flatten(given)}
        self._alive = [given]  # so that no id is used twice

    def append(self, call: Call) -> None:
        """Adds a call, or the two of a separable convolution."""
        for part in parts_of(call):
            given = [*part.inputs, *part.beside]
            part.sources = [self._made.get(id(tensor)) for tensor in given]
            self._made[id(part.output)] = len(self)
            part.given_masks = part.given_masks or list(map(versions.mask_of, part.inputs))
            self._alive.append(part.output)
            super().append(part)
            if part.name == self.last:
                raise Reached

    @property
    def is_perturbed(self) -> bool:
        """Whether rounded numbers are moved in this pass."""
        return self._perturbation is not None

    def note_masks(self, layer: Any, arguments: Any, keywords: Any) -> None:
        """Notes a layer that uses masks of sequences, and whether they leave something out."""
        if masks := versions.used_masks(layer, arguments, keywords):
            self.used_masks[layer.name] = type(layer).__name__
            if not all(np.all(np.asarray(mask)) for mask in masks):
                self.masked.add(layer.name)

    def made_beside(self, output: Any) -> None:
        """Gives what the last call made beside its first output, such as states, that call."""
        for other in tf.nest.flatten(output)[1:]:
            self._made[id(other)] = len(self) - 1
            self._alive.append(other)

    def also(self, tensor: Any, other: Any) -> None:
        """Gives a tensor the source of another one, which has the same values."""
        source = self._made.get(id(other))
        if source is not None:
            self._made[id(tensor)] = source
            self._alive.append(tensor)

    def perturbed(self, kind: str, config: Any, given: Any, output: Any) -> Any:
        """Returns an output, in the perturbed pass as far off as float32 may make it."""
        if self._perturbation is None or not tf.is_tensor(output):
            return output
        how = self._perturbation
        sign = how.sign_of(kind)
        return moved(kind, config, given, output, self._generator, how.dtype, sign)

    def moved_back(self, images: Any) -> Any:
        """Returns images, in the perturbed pass with a gradient that float32 has rounded."""
        if self._perturbation is None:
            return images
        return with_rounded_gradient(images, self._perturbation.dtype, self._generator)

    def note_operation(self, operation: str, _: Any, __: Any, outputs: Any) -> None:
        """Notes who runs an operation of TensorFlow that draws random numbers, and which."""
        if (kind := kind_of_draw(operation)) is None or not self.notes_draws:
            return
        name, layer = self.open[-1] if self.open else ("", None)
        if layer is not None:
            if kind_of(layer) in {*MASKED, *known_noise()} or is_random_image(layer):
                return
            self.drew[name] = type(layer).__name__
        self.draws.append(Draw(name, kind, np.asarray(outputs[0])))

    def forget_draws(self, name: str) -> None:
        """Forgets what a layer drew in its call, since its mask is known."""
        self.drew.pop(name, None)
        self.factors.pop(name, None)
        self.draws[:] = [draw for draw in self.draws if draw.layer != name]


def known_noise() -> Collection[str]:
    """Returns the kinds of layers whose noise can be told: in Keras 2, none."""
    return () if versions.IS_KERAS_2 else NOISY


# --------------------------------------------------------------------------------------------------
#
# Activations with which the code of a model ends, such as `ops.sigmoid(x)`: they are no layers.
#
# The calls of a pass and what the model returned go in; the calls get those of such activations.


def end_with(calls: Calls, output: Any) -> None:
    """Adds the calls of the activations that made the outputs of a model.

    Keras notes on the output of a sigmoid or a softmax what went into it, and its losses take that.
    A layer or an operation of a graph that does the same is a call already.

    Args:
        calls: of the pass.
        output: of the model; a tensor, or several.
    """
    for tensor in filter(tf.is_tensor, tf.nest.flatten(output)):
        made_by = next((call for call in reversed(calls) if call.output is tensor), None)
        logits = getattr(tensor, "_keras_logits", None)
        if logits is None or (made_by and made_by.kind.startswith("activation:")):
            continue
        for kind in (keras.activations.sigmoid, keras.activations.softmax):
            if np.array_equal(kind(logits), tensor):
                name = f"{kind.__name__}_at_the_end"
                number = sum(call.name.startswith(name) for call in calls)
                name = f"{name}_{number}" if number else name
                call = Call(name, f"activation:{kind.__name__}", None, [logits], tensor)
                call.again = kind
                calls.append(call)
                break
