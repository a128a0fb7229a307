"""What a recurrent layer gives if its cell, or what comes to it, is written in another way.

A cell of Keras, its input and first states go in; texts and the outputs of all steps come out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from parity.divergences import arithmetic
from parity.divergences.recurrent_steps import (
    Cell,
    OfStep,
    Step,
    gates_of,
    keras_step,
    parts_of_gru,
    walked,
)

Array = np.ndarray
_INNER = ("sigmoid", "hard_sigmoid", "hard_sigmoid (of Keras 2)", "tanh", "relu", "linear")
_OUTER = ("tanh", "sigmoid", "relu", "linear", "softsign", "elu")


def other_formulas(
    cell: Cell, x: Array, states: Sequence[Array] = ()
) -> Iterator[tuple[str, Array]]:
    """Yields (text, h after every step) of cells with a usual mistake in their formula.

    Args:
        cell: of a layer.
        x: (N, T, ...) in the order in which it is walked.
        states: the first ones; none: zeros.
    """
    for text, step in _STEPS.get("lstm" if cell.kind == "conv_lstm" else cell.kind, {}).items():
        yield f"the port {text}", walked(cell, x, states, step)[0]
    if cell.kind == "gru":
        before = bool(cell.config.get("reset_after", True))
        changed = replace(cell, config={**cell.config, "reset_after": not before})
        told = "before" if before else "behind"
        text = f"the port resets {told} the product with the state"
        yield text, walked(changed, x, states)[0]
    steps = [walked(cell, x[:, step : step + 1])[0] for step in range(x.shape[1])]
    yield "the port begins each step with zeros", np.concatenate(steps, axis=1)
    h = walked(cell, x, states)[0]
    first = states[0][:, None] if states else np.zeros_like(h[:, :1])
    yield "the port returns the states before each step", np.concatenate([first, h[:, :-1]], axis=1)
    yield from _other_weights(cell, x, states)


def _other_weights(cell: Cell, x: Array, states: Sequence[Array]) -> Iterator[tuple[str, Array]]:
    """Yields the same of cells that take their weights in another way."""
    kernel, recurrent, bias = cell.weights
    if cell.kind != "conv_lstm":
        text = "the port takes the recurrent kernel of each gate transposed"
        yield text, walked(with_turned_kernel(cell), x, states)[0]
    if bias is None:
        return
    others = {"leaves out the bias": 0 * bias, "adds the bias twice": 2 * bias}
    if bias.ndim > 1:
        first, second = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
        others |= {"leaves out the second bias": first * bias}
        others |= {"leaves out the first bias": second * bias}
    for text, value in others.items():
        changed = replace(cell, weights=(kernel, recurrent, value))
        yield f"the port {text}", walked(changed, x, states)[0]


def with_turned_kernel(cell: Cell) -> Cell:
    """Returns a cell whose recurrent kernel is transposed, each gate by itself."""
    kernel, recurrent, bias = cell.weights
    turned = [part.T for part in np.split(recurrent, cell.num_gates, axis=-1)]
    return replace(cell, weights=(kernel, np.concatenate(turned, axis=-1), bias))


def other_activations(
    cell: Cell, x: Array, states: Sequence[Array] = ()
) -> Iterator[tuple[str, Array]]:
    """Yields (text, h after every step) of a cell with other activations; see `other_formulas`."""
    theirs = tuple(str(cell.config.get(n)) for n in ("activation", "recurrent_activation"))
    pairs = itertools.product(_OUTER, ("linear",) if cell.kind == "simple_rnn" else _INNER)
    for outer, inner in pairs:
        if (outer, inner) == theirs or (cell.kind == "simple_rnn" and outer == theirs[0]):
            continue
        changed = replace(
            cell, activation=arithmetic.ACTIVATIONS[outer], inner=arithmetic.ACTIVATIONS[inner]
        )
        text = f"activation {outer}, inner activation {inner} in the port"
        yield text, walked(changed, x, states)[0]


# --- LSTM ----------------------------------------------------------------------------------------

State = tuple[Array, Array]


def _lstm(
    cell: Cell,
    step: Step,
    *,
    kept: float | None = None,
    taken: float | None = None,
    shown: float | None = None,
    shift: float = 0.0,
    is_coupled: bool = False,
    of_input: bool = False,
) -> State:
    """Returns (h, c) with gates that are constants, a shift of the forget gate, or no state."""
    seen = replace(step, h=np.zeros_like(step.h)) if of_input else step
    i, f, g, o = gates_of(cell, seen)
    forget = cell.inner(f + shift) if kept is None else kept
    enter: Array | float = cell.inner(i) if taken is None else taken
    c = forget * step.c + ((1 - forget) if is_coupled else enter) * cell.activation(g)
    return (cell.inner(o) if shown is None else shown) * cell.activation(c), c


def _plain(cell: Cell, step: Step) -> State:
    c = keras_step(cell, step)[1]
    return cell.inner(gates_of(cell, step)[3]) * c, c


def _plain_candidate(cell: Cell, step: Step) -> State:
    i, f, g, o = gates_of(cell, step)
    c = cell.inner(f) * step.c + cell.inner(i) * g
    return cell.inner(o) * cell.activation(c), c


def _activated_product(cell: Cell, step: Step) -> State:
    c = keras_step(cell, step)[1]
    return cell.activation(cell.inner(gates_of(cell, step)[3]) * c), c


def _of_c_before(cell: Cell, step: Step) -> State:
    c = keras_step(cell, step)[1]
    return cell.inner(gates_of(cell, step)[3]) * cell.activation(step.c), c


_OF_LSTM: dict[str, OfStep] = {
    "computes h = o * c, without the activation of c": _plain,
    "computes c = f * c + (1 - f) * g": partial(_lstm, is_coupled=True),
    "computes c = c + i * g, without the forget gate": partial(_lstm, kept=1.0),
    "computes c = f * c + g, without the input gate": partial(_lstm, taken=1.0),
    "computes c = f * c + i * g, without the activation of g": _plain_candidate,
    "computes h = tanh(c), without the output gate": partial(_lstm, shown=1.0),
    "computes h = tanh(o * c), with o inside of the activation": _activated_product,
    "computes h of the c before the step": _of_c_before,
    "adds 1 to the forget gate, whose bias has it in Keras": partial(_lstm, shift=1.0),
    "computes the gates of the input alone, without the state": partial(_lstm, of_input=True),
}

# --- GRU -----------------------------------------------------------------------------------------


def _gru(
    cell: Cell,
    step: Step,
    *,
    kept: Callable[[Array], Array] = lambda z: z,
    new: Callable[[Array], Array] = lambda z: 1 - z,
    candidate: Callable[[Cell, Step, Array, Array], Array] = lambda cell, step, r, inside: (
        np.split(step.a, 3, axis=-1)[2] + inside
    ),
) -> State:
    """Returns h twice, with other factors of the state and of the candidate, or another one."""
    z, r, inside = parts_of_gru(cell, step)
    h = kept(z) * step.h + new(z) * cell.activation(candidate(cell, step, r, inside))
    return h, h


def _unreset(cell: Cell, step: Step, r: Array, inside: Array) -> Array:
    last = np.split(step.h @ cell.weights[1] + step.bias, 3, axis=-1)[2]
    return np.asarray(np.split(step.a, 3, axis=-1)[2] + last)


def _wholly_reset(cell: Cell, step: Step, r: Array, inside: Array) -> Array:
    return np.asarray(r * _unreset(cell, step, r, inside))


def _bias_behind(cell: Cell, step: Step, r: Array, inside: Array) -> Array:
    last = np.split(step.bias, 3, axis=-1)[2]
    return np.asarray(np.split(step.a, 3, axis=-1)[2] + inside + (1 - r) * last)


def _gates_of_input(cell: Cell, step: Step) -> State:
    z, r = (cell.inner(part) for part in np.split(step.a + step.bias, 3, axis=-1)[:2])
    new = np.split(step.a, 3, axis=-1)[2]
    units = cell.units
    last = cell.weights[1][..., 2 * units :]
    if cell.config.get("reset_after", True):
        inside = r * (step.h @ last + step.bias[2 * units :])
    else:
        inside = (r * step.h) @ last
    h = z * step.h + (1 - z) * cell.activation(new + inside)
    return h, h


_OF_GRU: dict[str, OfStep] = {
    "computes h = (1 - z) * h + z * g, with z in the place of 1 - z": partial(
        _gru, kept=lambda z: 1 - z, new=lambda z: z
    ),
    "computes h = z * h + g, without 1 - z": partial(_gru, new=np.ones_like),
    "computes h = (1 - z) * g, without the state before": partial(_gru, kept=np.zeros_like),
    "computes h = h + (1 - z) * g, without z": partial(_gru, kept=np.ones_like),
    "does not reset the state": partial(_gru, candidate=_unreset),
    "resets what the input gives of the candidate, too": partial(_gru, candidate=_wholly_reset),
    "adds the second bias behind the reset": partial(_gru, candidate=_bias_behind),
    "computes the gates z and r of the input alone, without the state": _gates_of_input,
}

# --- SimpleRNN -----------------------------------------------------------------------------------


def _added(cell: Cell, step: Step) -> State:
    h = step.h + keras_step(cell, step)[0]
    return h, h


def _partly(cell: Cell, step: Step) -> State:
    h = cell.activation(step.a) + step.h @ cell.weights[1]
    return h, h


_OF_RNN: dict[str, OfStep] = {
    "adds the state before to the new one": _added,
    "activates what the input gives, and not what the state does": _partly,
}
_STEPS = {"lstm": _OF_LSTM, "gru": _OF_GRU, "simple_rnn": _OF_RNN}


def other_inputs(first: Cell, second: Cell, x: Array) -> Iterator[tuple[str, str, Array]]:
    """Yields (ID, text, h after every step) of a layer that gets something else of the one below.

    Args:
        first: the layer below.
        second: the layer.
        x: input of the layer below, (N, T, ...), in the order in which it is walked.
    """
    h, c = walked(first, x)
    if first.kind in ("lstm", "conv_lstm"):
        yield "R2", "c in the place of h", walked(second, c)[0]
    late = np.concatenate([np.zeros_like(h[:, :1]), h[:, :-1]], axis=1)
    yield "R8", "what it gave a step before", walked(second, late)[0]
