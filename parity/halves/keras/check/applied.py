"""What the optimizers of a Keras program apply, in the order in which it calls them.

A program with a step of its own may have several optimizers. Each call goes in as it is made: the
optimizer, and the gradient of every weight it moves. Keras 3 only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Applied:
    """One call of an optimizer.

    Attributes:
        optimizer: the optimizer.
        variables: that it moves.
        gradients: a tensor of each, clipped as the optimizer does it: a port may clip before.
    """

    optimizer: Any
    variables: Sequence[Any]
    gradients: Sequence[Any]


@contextmanager
def applied(
    moved: Callable[[list[Any], int], list[Any]] = lambda gradients, number: gradients,
) -> Iterator[list[Applied]]:
    """Watches all optimizers in the block, and yields a list to which each call is added.

    Args:
        moved: what an optimizer gets in the place of the gradients of its call with that number.
    """
    base = importlib.import_module("keras.src.optimizers.base_optimizer").BaseOptimizer
    own, calls, depth = base.apply, list[Applied](), 0

    def watched(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
        nonlocal depth
        if depth:  # an optimizer that scales the loss calls another one
            return own(optimizer, grads, trainable_variables)
        variables = trainable_variables
        if variables is None:
            variables = optimizer._trainable_variables
        given = [(v, g) for v, g in zip(variables, grads, strict=False) if g is not None]
        dense = moved([tf.convert_to_tensor(g) for _, g in given], len(calls))
        calls.append(Applied(optimizer, [v for v, _ in given], _clipped(optimizer, dense)))
        left = iter(dense)
        depth += 1
        try:
            passed = [None if g is None else next(left) for g in grads]
            return own(optimizer, passed, trainable_variables)
        finally:
            depth -= 1

    base.apply = watched
    try:
        yield calls
    finally:
        base.apply = own


def _clipped(optimizer: Any, gradients: list[Any]) -> list[Any]:
    """Returns gradients as an optimizer clips them, if it does so in each call."""
    if getattr(optimizer, "gradient_accumulation_steps", None) or not gradients:
        return gradients
    clip = getattr(optimizer, "_clip_gradients", None)
    return gradients if clip is None else [tf.convert_to_tensor(g) for g in clip(gradients)]
