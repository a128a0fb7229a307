"""What a recurrent layer gives if its cell, or what comes to it, is written in another way.

A cell of Keras, its input and first states go in; texts and the outputs of all steps come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from parity.divergences.recurrent_steps import Cell, walked

Array = np.ndarray


def other_formulas(
    cell: Cell, x: Array, states: Sequence[Array] = ()
) -> Iterator[tuple[str, Array]]:
    """Yields (text, h after every step) of cells with a usual mistake in their formula.

    Args:
        cell: of a layer.
        x: (N, T, ...) in the order in which it is walked.
        states: the first ones; none: zeros.
    """
    if cell.kind in ("lstm", "conv_lstm"):
        yield (
            "the port computes h = o * c, without the activation of c",
            walked(cell, x, states, of_cell=_plain)[0],
        )
        yield (
            "the port computes c = f * c + (1 - f) * g",
            walked(cell, x, states, of_cell=_coupled)[0],
        )
        yield (
            "the port computes c = c + i * g, without the forget gate",
            walked(cell, x, states, of_cell=_kept)[0],
        )
    elif cell.kind == "gru":
        text = "the port computes h = (1 - z) * h + z * g, with z in the place of 1 - z"
        yield text, walked(replace(cell, is_update_exchanged=True), x, states)[0]
        before = bool(cell.config.get("reset_after", True))
        changed = replace(cell, config={**cell.config, "reset_after": not before})
        told = "before" if before else "behind"
        text = f"the port resets {told} the product with the state"
        yield text, walked(changed, x, states)[0]
    steps = [walked(cell, x[:, step : step + 1])[0] for step in range(x.shape[1])]
    yield "the port begins each step with zeros", np.concatenate(steps, axis=1)


def _plain(cell: Cell, gates: Sequence[Array], c: Array) -> tuple[Array, Array]:
    i, f, g, o = gates
    c = cell.inner(f) * c + cell.inner(i) * cell.activation(g)
    return cell.inner(o) * c, c


def _coupled(cell: Cell, gates: Sequence[Array], c: Array) -> tuple[Array, Array]:
    _, f, g, o = gates
    kept = cell.inner(f)
    c = kept * c + (1 - kept) * cell.activation(g)
    return cell.inner(o) * cell.activation(c), c


def _kept(cell: Cell, gates: Sequence[Array], c: Array) -> tuple[Array, Array]:
    i, _, g, o = gates
    c = c + cell.inner(i) * cell.activation(g)
    return cell.inner(o) * cell.activation(c), c


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
