"""What a Keras program uses and nothing compares, by the tables of `parity.ladder.coverage`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from keras_impl.reference import Reference
from parity.halves.keras import versions
from parity.halves.keras.check.own_steps import methods_of
from parity.ladder import coverage
from parity.ladder.coverage import COMPARED, FED, LEFT_OUT, Row

RULES = tuple(
    getattr(keras.callbacks, name)
    for name, row in coverage.CALLBACKS.items()
    if row.kind == COMPARED
)


def left_out(reference: Reference, model: keras.Model) -> list[dict[str, str]]:
    """Returns {"what", "why"} of what a program uses and nothing compares.

    Args:
        reference: model, and arguments of `fit`.
        model: the whole one of the user, of which `reference` may have a part.
    """
    found = [*_compile(model), *_fit(reference), *_optimizer(model), *_methods(model)]
    if not versions.IS_KERAS_2:
        found += _surroundings(model)
    found += [(f"the callback {name}", why) for name, why in other_callbacks(reference)]
    return [{"what": what, "why": why} for what, why in dict(found).items()]


def other_callbacks(reference: Reference) -> Iterator[tuple[str, str]]:
    """Yields class and reason of each callback that may change numbers and is not compared."""
    for callback in reference.callbacks:
        kind = type(callback)
        is_keras = versions.is_kerass_own(callback)
        row = coverage.CALLBACKS.get(kind.__name__) if is_keras else None
        if isinstance(callback, RULES) or (row is not None and row.kind != LEFT_OUT):
            continue
        yield kind.__name__, coverage.OWN_CALLBACK if row is None else row.why


def _compile(model: keras.Model) -> Iterator[tuple[str, str]]:
    config = getattr(getattr(model, "_compile_config", None), "config", None) or {}
    if config.get("jit_compile") is True:
        yield "compile(jit_compile=True)", coverage.COMPILE["jit_compile"].why


def _fit(reference: Reference) -> Iterator[tuple[str, str]]:
    for each in dataclasses.fields(Reference):
        row, value = coverage.FIT.get(each.name), getattr(reference, each.name)
        is_default = value is each.default or (
            isinstance(value, int | float | str) and value == each.default
        )
        if row is not None and row.kind == FED and not is_default:
            yield f"fit({each.name}=...)", row.why


def _optimizer(model: keras.Model) -> Iterator[tuple[str, str]]:
    optimizer = getattr(model, "optimizer", None)
    config: Mapping[str, Any] = {} if optimizer is None else optimizer.get_config()
    for name, row in coverage.OPTIMIZER.items():
        value = config.get(name)
        is_used = name != "ema_overwrite_frequency" or config.get("use_ema")
        if is_used and _is_beyond(value, row):
            why = f"the probe of an optimizer makes too few steps to tell more than {row.most}"
            yield f"{type(optimizer).__name__}({name}={value})", why


def _is_beyond(value: Any, row: Row) -> bool:
    return row.most is not None and isinstance(value, int | float) and value > row.most


def _methods(model: keras.Model) -> Iterator[tuple[str, str]]:
    for name in methods_of(model):
        if (row := coverage.METHODS[name]).kind == LEFT_OUT:
            yield f"the model's own {name}", f"{type(model).__name__} defines it: {row.why}"


def _surroundings(model: keras.Model) -> Iterator[tuple[str, str]]:
    strategy = getattr(model, "_distribute_strategy", None)
    if isinstance(strategy, tf.distribute.Strategy):
        yield f"the strategy {type(strategy).__name__}", coverage.SURROUNDINGS["distribution"].why
    if (layout := keras.distribution.distribution()) is not None:
        yield f"the distribution {type(layout).__name__}", coverage.SURROUNDINGS["distribution"].why
