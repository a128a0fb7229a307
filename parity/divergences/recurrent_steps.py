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
OfCell = Callable[["Cell", Sequence[np.ndarray], np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Cell:
    """Kind, weights and settings of one direction.

    Attributes:
        kind: "lstm", "gru", "simple_rnn" or "conv_lstm".
        weights: kernel, recurrent kernel and bias (or None) in Keras's layout.
        activation: of the state.
        inner: of the gates.
        config: of the Keras layer.
        is_update_exchanged: whether a GRU takes 1 - z for its update gate z.
    """

    kind: str
    weights: tuple[np.ndarray, np.ndarray, np.ndarray | None]
    activation: Function
    inner: Function
    config: Mapping[str, Any]
    is_update_exchanged: bool = False

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
    of_cell: OfCell | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns h and c after every step, (N, T, ...); without a c, h twice.

    Args:
        cell: of a layer.
        x: (N, T, ...) in the order in which it is walked.
        states: the first ones; zeros if there are none.
        of_cell: computes (h, c) of an LSTM from its gates (i, f, g, o) before they are activated,
            and c; None: as Keras does.
    """
    kernel, recurrent, bias = cell.weights
    biases: Any = np.zeros((2, kernel.shape[-1]))
    if bias is not None:
        biases[: bias.ndim] = bias
    given = [_of_input(cell, x[:, step], kernel) + biases[0] for step in range(x.shape[1])]
    h = c = np.zeros((*given[0].shape[:-1], cell.units))
    if states:
        h, c = states[0], states[-1]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for a in given:
        if cell.kind == "simple_rnn":
            h = c = cell.activation(a + h @ recurrent)
        elif cell.kind == "gru":
            h = c = _gru(cell, a, h, biases[1])
        else:
            gates = np.split(a + _of_state(cell, h, recurrent), 4, axis=-1)
            h, c = (of_cell or _lstm)(cell, gates, c)
        found.append((h, c))
    return np.stack([h for h, _ in found], axis=1), np.stack([c for _, c in found], axis=1)


def _lstm(cell: Cell, gates: Sequence[np.ndarray], c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    i, f, g, o = gates
    c = cell.inner(f) * c + cell.inner(i) * cell.activation(g)
    return cell.inner(o) * cell.activation(c), c


def _gru(cell: Cell, a: np.ndarray, h: np.ndarray, bias: np.ndarray) -> np.ndarray:
    recurrent = cell.weights[1]
    parts = np.split(a, 3, axis=-1)
    others = np.split(h @ recurrent + bias, 3, axis=-1)
    z, r = (cell.inner(parts[n] + others[n]) for n in (0, 1))
    last = np.split(recurrent, 3, axis=-1)[2]
    inside = r * others[2] if cell.config.get("reset_after", True) else (r * h) @ last
    kept = 1 - z if cell.is_update_exchanged else z
    mixed: np.ndarray = kept * h + (1 - kept) * cell.activation(parts[2] + inside)
    return mixed


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
