"""Calls: the calls of a Keras model's layers in order, and what is noted beside them.

Each call goes in as it ends, and gets the calls that made its inputs. Who drew random numbers, and
who used a mask of sequences, is noted.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.attention import Attention
from parity.halves.keras.call import Call, parts_of
from parity.halves.keras.draws import Draw, kind_of_draw
from parity.halves.keras.kinds import kind_of
from parity.halves.keras.random_images import is_random_image
from parity.halves.keras.rounded_layer import with_rounded_gradient
from parity.halves.keras.rounding import Perturbation, moved

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
