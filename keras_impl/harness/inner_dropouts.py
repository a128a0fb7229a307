"""Dropouts inside of an attention without projections, and inside of a TimeDistributed.

A layer that is about to be called goes in. Each dropout inside of it comes out as a call of its
own, with its mask, so that a port can be given the masks; in eval mode it drops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.kinds import kind_of


@dataclass
class Dropped:
    """One dropout of a call.

    Attributes:
        config: its rate.
        given: what it drops.
        output: what is left of it.
        mask: bool, what is kept; None in eval mode.
    """

    config: dict[str, Any]
    given: Any
    output: Any
    mask: np.ndarray | None


def has_dropouts(layer: Any) -> bool:
    """Whether a layer has dropouts inside that can be told."""
    if versions.IS_KERAS_2 or not versions.is_kerass_own(layer):
        return False
    if isinstance(layer, keras.layers.Attention):
        return bool(layer.dropout > 0)
    return isinstance(layer, keras.layers.TimeDistributed) and _is_dropout(layer.layer)


def _is_dropout(layer: Any) -> bool:
    return kind_of(layer) == "dropout" and layer.rate > 0


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
