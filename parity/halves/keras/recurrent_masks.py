"""The dropouts inside a recurrent layer of Keras, as calls of their own in front of the layer.

A layer that is about to be called goes in. Its masks are drawn here, so that a port can be given
them, and the layer then takes them. One mask for all gates is a dropout of the input: the layer is
given what it drops. A mask of the states, or of the input for a single gate, is a dropout of ones:
a port multiplies by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions

_GATES = {4: "ifco", 3: "zrh"}  # number of masks -> Keras's gates, in order


@dataclass
class Drop:
    """One dropout inside a layer.

    Attributes:
        name: below that of the layer: "dropout", "recurrent_dropout.f", "backward_lstm.dropout".
        config: rate, and the shape of the mask if that is not the shape of its input.
        given: what it drops: the input of the layer, or ones.
        output: what is left of it.
        mask: bool, what is kept; None in eval mode.
    """

    name: str
    config: dict[str, Any]
    given: Any
    output: Any
    mask: np.ndarray | None


@dataclass
class Drops:
    """The dropouts inside a layer.

    Attributes:
        drops: in the order in which they are drawn.
        x: what the layer is given in the place of its input.
    """

    x: Any
    drops: list[Drop] = field(default_factory=list)


def cells_of(layer: Any) -> list[tuple[str, Any]]:
    """Returns the cells of a layer of Keras that draw masks, with the name of each direction.

    The name ends with a dot, and is empty if there is one direction. Cells that another one
    contains, and those of Keras 2, are left out.
    """
    if versions.IS_KERAS_2 or not versions.is_kerass_own(layer):
        return []
    if isinstance(layer, keras.layers.Bidirectional):
        ways = [(f"{way.name}.", way) for way in (layer.forward_layer, layer.backward_layer)]
    else:
        ways = [("", layer)]
    found: list[tuple[str, Any]] = [(name, getattr(way, "cell", None)) for name, way in ways]
    return [
        (name, cell)
        for name, cell in found
        if hasattr(cell, "get_dropout_mask") and (cell.dropout or cell.recurrent_dropout)
    ]


@contextmanager
def drawn(layer: Any, x: Any, *, is_training: bool, tries: int) -> Iterator[Drops]:
    """Draws the masks of a layer; in the block, the layer takes them, and draws none.

    Args:
        layer: of any kind.
        x: its input, (N, T, ...).
        is_training: whether the masks are used.
        tries: masks that may be drawn, of which the first is used that drops something and keeps
            something.
    """
    found = Drops(x)
    cells = cells_of(layer)
    masks = [(name, cell, *_draw(cell, x, tries)) for name, cell in cells]
    rates = [(cell, cell.dropout) for _, cell in cells]
    first = [inputs for _, _, inputs, _ in masks]
    is_common = bool(first) and all(len(m) == 1 and _is_same(m[0], first[0][0]) for m in first)
    is_common = is_common and len(cells) == (2 if _is_both(layer) else 1)
    if is_common:
        factors = first[0][0][:, None]
        found.x = x * factors if is_training else tf.identity(x)
        kept = np.broadcast_to(factors.numpy() != 0, x.shape) if is_training else None
        config = {"rate": rates[0][1], "noise_shape": [None, 1, *[None] * (len(x.shape) - 2)]}
        found.drops.append(Drop("dropout", config, x, found.x, kept))
    for name, cell, inputs, states in masks:
        if not is_common:
            found.drops += _sides(f"{name}dropout", inputs, cell.dropout, is_training)
        rate = cell.recurrent_dropout
        found.drops += _sides(f"{name}recurrent_dropout", states, rate, is_training)
    try:
        for cell, _ in rates:
            if is_common:
                cell.dropout = 0.0
                cell.reset_dropout_mask()
        yield found
    finally:
        for cell, rate in rates:
            cell.dropout = rate
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()


def _is_both(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Bidirectional)


def _is_same(first: Any, second: Any) -> bool:
    return bool(np.array_equal(first.numpy(), second.numpy()))


def _draw(cell: Any, x: Any, tries: int) -> tuple[list[Any], list[Any]]:
    """Draws the masks of inputs and states, which the cell keeps; none of a rate of 1."""
    state = cell.seed_generator.state
    before = state.numpy()
    step, (first, *_) = x[:, 0], cell.get_initial_state(batch_size=x.shape[0])
    for number in range(tries):
        cell.reset_dropout_mask()
        cell.reset_recurrent_dropout_mask()
        state.assign(before + np.array([0, number], before.dtype))
        found = (
            _listed(cell.get_dropout_mask(step)),
            _listed(cell.get_recurrent_dropout_mask(first)),
        )
        kept = [mask.numpy() != 0 for masks in found for mask in masks]
        if all(mask.any() and not mask.all() for mask in kept):
            break
    # Of a rate of 1, a cell with gates drops nothing.
    is_plain = isinstance(cell, keras.layers.SimpleRNNCell)
    used = [is_plain or rate < 1 for rate in (cell.dropout, cell.recurrent_dropout)]
    return found[0] if used[0] else [], found[1] if used[1] else []


def _listed(masks: Any) -> list[Any]:
    if masks is None:
        return []
    return list(masks) if isinstance(masks, list | tuple) else [masks]


def _sides(name: str, masks: Sequence[Any], rate: float, is_training: bool) -> Iterator[Drop]:
    """Yields the dropouts of ones."""
    gates = _GATES.get(len(masks), "")
    for number, mask in enumerate(masks):
        ones = tf.ones_like(mask)
        own = f"{name}.{gates[number]}" if gates else name
        output = mask if is_training else tf.identity(ones)
        yield Drop(own, {"rate": rate}, ones, output, mask.numpy() != 0 if is_training else None)
