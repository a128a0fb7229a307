"""Weights under which the activations of a Keras model get numbers on all sides of their limits.

`relu6` and `relu` are the same function of numbers below 6, and above 0 both are none: a probe that
goes no further tells them not apart. The calls of a pass in eval mode go in. Which activations get
no such numbers comes out, and weights under which they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_impl.reference import Reference
from parity.data.pieces import Function, limits_of
from parity.data.probe_inputs import single
from parity.data.widening import MAX_ROWS, ROUNDS, Step, factors_for, moves_for
from parity.halves.keras import versions
from parity.halves.keras.call import Call
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.constraints import constraints_of
from parity.halves.keras.check.inputs import reset_states
from parity.halves.keras.check.model import named_weights, set_weights
from parity.halves.keras.check.structure import as_fed


def unreached_in(calls: Sequence[Call]) -> dict[str, list[str]]:
    """Returns the activations that get no number in some of their pieces, with these pieces.

    Args:
        calls: of a pass in eval mode.
    """
    steps = {call.name: _step_of(call, {}, {}) for call in calls}
    return {name: pieces for name, step in steps.items() if (pieces := step.missing())}


def widened(
    reference: Reference,
    weights: Mapping[str, np.ndarray],
    x: list[np.ndarray],
    kept: frozenset[str],
) -> dict[str, np.ndarray] | None:
    """Returns weights under which more activations get numbers beyond their limits.

    Args:
        reference: of the model, whose weights are changed.
        weights: of a probe.
        x: its inputs.
        kept: names of weights that stay as they are.

    Returns:
        All weights; None if there are none.
    """
    model, found = reference.model, dict(weights)
    names = {id(variable): name for name, variable in named_weights(model).items()}
    fed, is_changed = as_fed(reference, x), False
    limits: dict[str, list[float]] = {}
    fixed = {*kept, *constraints_of(model)}  # a constraint may forbid another sign
    for number in range(2 * ROUNDS):
        set_weights(model, found)
        reset_states(model)
        with recorded_calls(fed) as calls:
            model(fed, training=False)
        steps = [_step_of(call, names, limits) for call in calls]
        for step in steps:
            step.weights = [name for name in step.weights if name not in kept]
        moves = moves_for(steps) if number < ROUNDS else {}
        if moves := {name: move for name, move in moves.items() if name not in fixed}:
            is_changed = True
            found |= {name: single(_moved(found[name], move)) for name, move in moves.items()}
            continue
        factors = factors_for(steps)
        if not factors:
            break
        is_changed = True
        found |= {name: single(found[name] * factor) for name, factor in factors.items()}
    return found if is_changed else None


def _moved(bias: np.ndarray, move: np.ndarray) -> np.ndarray:
    return np.asarray(bias + (move if bias.shape == move.shape else np.median(move)))


def _step_of(call: Call, names: Mapping[int, str], known: dict[str, list[float]]) -> Step:
    """Returns what is asked of a call; `known` has the limits of those that were asked before."""
    own = [names[id(each)] for each in call.weights if id(each) in names]
    step = Step(call.kind, call.sources, own)
    if call.again is not None and call.inputs and call.inputs[0].dtype.is_floating:
        step.function = _function_of(call)
        step.given = np.asarray(call.inputs[0])
        if call.name not in known:
            known[call.name] = limits_of(step.function)
        step.limits = known[call.name]
    elif call.layer is not None and call.inputs:
        parts = list(_gates_of(call))
        step.limits = [limit for limits, _ in parts for limit in limits]
        if step.limits:
            step.given = np.concatenate([given.ravel() for _, given in parts])
    return step


def _function_of(call: Call) -> Function:
    """Returns an activation as a function of numbers, along the batch."""
    given, again = call.inputs[0], call.again
    assert again is not None

    def function(numbers: np.ndarray) -> np.ndarray:
        rows = numbers.reshape(-1, *[1] * (len(given.shape) - 1))
        return np.asarray(again(tf.constant(rows, given.dtype))).reshape(numbers.shape)

    return function


def _gates_of(call: Call) -> Iterator[tuple[list[float], np.ndarray]]:
    """Yields the limits of the gates of a recurrent layer, and what its input gives them."""
    layer: Any = call.layer
    directions = [getattr(layer, f"{way}_layer", None) for way in ("forward", "backward")]
    for each in [one for one in directions if one is not None] or [layer]:
        cell = getattr(each, "cell", None)
        kernel, x = getattr(cell, "kernel", None), call.inputs[0]
        if kernel is None or len(kernel.shape) != 2 or x.shape[-1] != kernel.shape[0]:
            continue
        functions = (getattr(cell, f"{part}activation", None) for part in ("", "recurrent_"))
        limits = [limit for f in functions if f is not None for limit in limits_of(_of_numbers(f))]
        if limits and versions.is_kerass_own(cell):
            rows = np.asarray(x).reshape(-1, x.shape[-1])[:MAX_ROWS]
            yield limits, rows @ np.asarray(kernel)


def _of_numbers(activation: Any) -> Function:
    return lambda numbers: np.asarray(activation(tf.constant(numbers)))
