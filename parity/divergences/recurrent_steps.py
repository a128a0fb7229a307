"""What Keras's recurrent layers compute, in NumPy: the states of all steps, from weights and input.

Source: keras 3.15 `layers/rnn/`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Step:
    """What goes into one step of a cell.

    Attributes:
        a: what the input gives of each gate, with the bias, (N, ..., gates * units).
        h: the state before the step, (N, ..., units).
        c: that of an LSTM's cell; of others h.
        bias: the second one of a GRU, (gates * units,); zeros without one.
    """

    a: np.ndarray
    h: np.ndarray
    c: np.ndarray
    bias: np.ndarray


OfStep = Callable[["Cell", Step], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Cell:
    """Kind, weights and settings of one direction.

    Attributes:
        kind: "lstm", "gru", "simple_rnn" or "conv_lstm".
        weights: kernel, recurrent kernel and bias (or None) in Keras's layout.
        activation: of the state.
        inner: of the gates.
        config: of the Keras layer.
    """

    kind: str
    weights: tuple[np.ndarray, np.ndarray, np.ndarray | None]
    activation: Function
    inner: Function
    config: Mapping[str, Any]

    @property
    def units(self) -> int:
        """Number of units, or of filters."""
        return int(self.weights[1].shape[-2])

    @property
    def num_gates(self) -> int:
        """Number of gates."""
        return int(self.weights[1].shape[-1]) // self.units

    def with_gates(self, order: Sequence[int]) -> Cell:
        """Returns the cell with its gates in another order."""
        parts = [
            None
            if weight is None
            else np.concatenate([np.split(weight, len(order), axis=-1)[n] for n in order], axis=-1)
            for weight in self.weights
        ]
        kernel, recurrent, bias = parts
        assert kernel is not None
        assert recurrent is not None
        return Cell(self.kind, (kernel, recurrent, bias), self.activation, self.inner, self.config)


def walked(
    cell: Cell,
    x: np.ndarray,
    states: Sequence[np.ndarray] = (),
    of_step: OfStep | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns h and c after every step, (N, T, ...); without a c, h twice.

    Args:
        cell: of a layer.
        x: (N, T, ...) in the order in which it is walked.
        states: the first ones; zeros if there are none.
        of_step: computes (h, c) of a step; None: as Keras does.
    """
    kernel, _, bias = cell.weights
    biases: Any = np.zeros((2, kernel.shape[-1]))
    if bias is not None:
        biases[: bias.ndim] = bias
    given = [_of_input(cell, x[:, step], kernel) + biases[0] for step in range(x.shape[1])]
    h = c = np.zeros((*given[0].shape[:-1], cell.units))
    if states:
        h, c = states[0], states[-1]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    made = of_step or keras_step
    for a in given:
        h, c = made(cell, Step(a, h, c, biases[1]))
        found.append((h, c))
    return np.stack([h for h, _ in found], axis=1), np.stack([c for _, c in found], axis=1)


def keras_step(cell: Cell, step: Step) -> tuple[np.ndarray, np.ndarray]:
    """Returns (h, c) after a step, as Keras computes them; without a c, h twice."""
    if cell.kind == "simple_rnn":
        h = cell.activation(step.a + step.h @ cell.weights[1])
        return h, h
    if cell.kind == "gru":
        h = _gru(cell, step.a, step.h, step.bias)
        return h, h
    i, f, g, o = gates_of(cell, step)
    c = cell.inner(f) * step.c + cell.inner(i) * cell.activation(g)
    return cell.inner(o) * cell.activation(c), c


def gates_of(cell: Cell, step: Step) -> list[np.ndarray]:
    """Returns the gates of an LSTM, i, f, g and o, before they are activated."""
    return np.split(step.a + _of_state(cell, step.h, cell.weights[1]), 4, axis=-1)


def _gru(cell: Cell, a: np.ndarray, h: np.ndarray, bias: np.ndarray) -> np.ndarray:
    z, _, inside = parts_of_gru(cell, Step(a, h, h, bias))
    mixed: np.ndarray = z * h + (1 - z) * cell.activation(np.split(a, 3, axis=-1)[2] + inside)
    return mixed


def parts_of_gru(cell: Cell, step: Step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the gates z and r of a GRU, activated, and what the state adds to its candidate."""
    recurrent = cell.weights[1]
    parts = np.split(step.a, 3, axis=-1)
    others = np.split(step.h @ recurrent + step.bias, 3, axis=-1)
    z, r = (cell.inner(parts[n] + others[n]) for n in (0, 1))
    if cell.config.get("reset_after", True):
        return z, r, r * others[2]
    last, bias = (np.split(part, 3, axis=-1)[2] for part in (recurrent, step.bias))
    return z, r, (r * step.h) @ last + bias


def _of_input(cell: Cell, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    if cell.kind != "conv_lstm":
        return np.asarray(x @ kernel)
    config = cell.config
    steps = [config.get(name) or [1] * (x.ndim - 2) for name in ("strides", "dilation_rate")]
    return convolved(x, kernel, config.get("padding") == "same", *steps)


def _of_state(cell: Cell, h: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    if cell.kind != "conv_lstm":
        return np.asarray(h @ kernel)
    ones = [1] * (h.ndim - 2)
    return convolved(h, kernel, True, ones, ones)


def convolved(
    x: np.ndarray,
    kernel: np.ndarray,
    is_same: bool,
    strides: Sequence[int],
    dilation: Sequence[int],
) -> np.ndarray:
    """Returns the convolution of images, (N, ..., C), with a kernel, (..., C, filters).

    Args:
        x: images of any rank.
        kernel: one window.
        is_same: whether the padding is 'same', else 'valid'.
        strides: one for each side.
        dilation: one for each side.
    """
    window = kernel.shape[:-2]
    spans = [(size - 1) * d + 1 for size, d in zip(window, dilation, strict=True)]
    if is_same:
        counts = [-(-side // s) for side, s in zip(x.shape[1:-1], strides, strict=True)]
        sides = zip(counts, strides, spans, x.shape[1:-1], strict=True)
        totals = [max((n - 1) * s + span - side, 0) for n, s, span, side in sides]
        x = np.pad(x, [(0, 0), *((t // 2, t - t // 2) for t in totals), (0, 0)])
    else:
        sides = zip(x.shape[1:-1], spans, strides, spans, strict=True)
        counts = [(side - span) // s + 1 for side, span, s, _ in sides]
    total: Any = 0.0
    for place in itertools.product(*map(range, window)):
        begins = [p * d for p, d in zip(place, dilation, strict=True)]
        parts = zip(begins, counts, strides, strict=True)
        cut = tuple(slice(b, b + (n - 1) * s + 1, s) for b, n, s in parts)
        total = total + x[(slice(None), *cut)] @ kernel[place]
    return np.asarray(total)
