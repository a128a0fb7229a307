"""Dropouts inside of an attention without projections, and inside of a TimeDistributed.

A layer that is about to be called goes in. Each dropout inside of it comes out as a call of its
own, with its mask, so that a port can be given the masks; in eval mode it drops nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.call import Call, first_of, tensors_in
from parity.halves.keras.call_masks import given_masks_of, without_masks
from parity.halves.keras.kinds import kind_of
from parity.halves.keras.layer_config import plain_config
from parity.halves.keras.recurrent_masks import cells_of, drawn

if TYPE_CHECKING:
    from parity.halves.keras.call_list import Calls


@dataclass
class Dropped:
    """One dropout of a call.

    Attributes:
        config: its rate.
        given: what it drops.
        output: what is left of it.
        mask: bool, what is kept; None in eval mode.
        name: below that of the layer, such as "recurrent_dropout.f" of a recurrent layer.
    """

    config: dict[str, Any]
    given: Any
    output: Any
    mask: np.ndarray | None
    name: str = "dropout"


def has_dropouts(layer: Any) -> bool:
    """Whether a layer has dropouts inside that can be told."""
    if versions.IS_KERAS_2 or not versions.is_kerass_own(layer):
        return False
    if isinstance(layer, keras.layers.Attention):
        return bool(layer.dropout > 0)
    if not isinstance(layer, keras.layers.TimeDistributed):
        return False
    return _is_dropout(layer.layer) or bool(cells_of(layer.layer))


def _is_dropout(layer: Any) -> bool:
    return kind_of(layer) == "dropout" and layer.rate > 0


def add_with_dropouts(
    layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls a layer with dropouts inside, which are calls before it."""
    is_training = versions.is_training(layer, keywords)
    calls.notes_draws = False  # its masks are known
    try:
        tries = calls.mask_tries if is_training else 1
        with told(layer, is_training=is_training, tries=tries) as dropped:
            made = call(layer, *arguments, **keywords)
    finally:
        calls.notes_draws = True
    counts: Counter[str] = Counter()
    for one in dropped:
        counts[one.name] += 1
        number = counts[one.name]
        own = f"{name}.{one.name}" if number == 1 else f"{name}.{one.name}#{number}"
        calls.append(Call(own, "dropout", None, [one.given], one.output, one.mask, one.config))
    inputs = tensors_in((arguments, without_masks(keywords)))
    config = {**plain_config(layer), "dropout": 0.0}  # its dropouts have been taken out
    output = calls.perturbed(kind_of(layer), config, inputs[0] if inputs else None, made)
    output = versions.with_masks_of(output, made)
    noted = Call(name, kind_of(layer), layer, inputs, first_of(output), config=config)
    noted.given_masks = given_masks_of(inputs, keywords.get("mask"))
    calls.append(noted)
    calls.made_beside(output)
    return output


@contextmanager
def told(layer: Any, *, is_training: bool, tries: int) -> Iterator[list[Dropped]]:
    """Notes the dropouts of a layer that is called in the block.

    Args:
        layer: one for which `has_dropouts` holds.
        is_training: whether it drops.
        tries: masks that may be drawn, of which the first is used that drops something and keeps
            something.
    """
    found: list[Dropped] = []
    if isinstance(layer, keras.layers.Attention):
        with _of_weights(layer, found, is_training, tries):
            yield found
        return
    inner = layer.layer
    original = inner.call
    if cells_of(inner):
        with _replaced(inner, "call", _recurrent_call(inner, found, is_training, tries)):
            yield found
        return

    def call(x: Any, training: bool = False) -> Any:
        kept, output = None, tf.identity(x)
        if is_training:
            state = inner.seed_generator.state
            factors, kept = _drawn(lambda: original(tf.ones_like(x), training=True), state, tries)
            output = x * factors
        found.append(Dropped({"rate": inner.rate}, x, output, kept))
        return output

    with _replaced(inner, "call", call):
        yield found


def _recurrent_call(
    inner: Any, found: list[Dropped], is_training: bool, tries: int
) -> Callable[..., Any]:
    """Returns the call of a recurrent layer for one step, which notes the dropouts inside of it."""
    original = inner.call

    def call(x: Any, *arguments: Any, **keywords: Any) -> Any:
        with drawn(inner, x, is_training=is_training, tries=tries) as parts:
            output = original(parts.x, *arguments, **keywords)
        found.extend(Dropped(d.config, d.given, d.output, d.mask, d.name) for d in parts.drops)
        return output

    return call


@contextmanager
def _of_weights(layer: Any, found: list[Dropped], is_training: bool, tries: int) -> Iterator[None]:
    """Notes what an attention drops of its weights."""
    random: Any = keras.src.backend.random  # a layer looks the function up when it is called
    dropout, apply_scores = random.dropout, layer._apply_scores

    def watched(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
        kept, output = None, tf.identity(inputs)
        if is_training:
            ones = tf.ones_like(inputs)
            factors, kept = _drawn(
                lambda: dropout(ones, rate, noise_shape=noise_shape, seed=seed), seed.state, tries
            )
            output = inputs * factors
        found.append(Dropped({"rate": rate}, inputs, output, kept))
        return output

    def always(*arguments: Any, training: bool = False, **keywords: Any) -> Any:
        return apply_scores(*arguments, training=True, **keywords)

    random.dropout = watched
    try:
        with _replaced(layer, "_apply_scores", always):
            yield
    finally:
        random.dropout = dropout


def _drawn(draw: Callable[[], Any], state: Any, tries: int) -> tuple[Any, np.ndarray]:
    """Returns the factors of a mask, and what it keeps.

    Args:
        draw: returns what is left of ones.
        state: of the generator, which is moved on by each further try.
        tries: at most.
    """
    before = state.numpy()
    for number in range(tries):
        state.assign(before + np.array([0, number], before.dtype))
        factors = draw()
        kept: np.ndarray = factors.numpy() != 0
        if kept.any() and not kept.all():
            break
    return factors, kept


@contextmanager
def _replaced(layer: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    object.__setattr__(layer, name, function)
    try:
        yield
    finally:
        object.__delattr__(layer, name)
