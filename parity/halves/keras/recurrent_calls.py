"""The calls of recurrent layers that drop inputs or states, or that have several cells.

A layer that is about to be called goes in. What it returns comes out, and a list of calls has its
parts: the dropouts in front of the layer, or one call for each cell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from parity.halves.keras import versions
from parity.halves.keras.call import Call, first_of, tensors_in
from parity.halves.keras.call_masks import given_masks_of, without_masks
from parity.halves.keras.kinds import kind_of
from parity.halves.keras.layer_config import plain_config
from parity.halves.keras.recurrent_masks import drawn
from parity.halves.keras.stacked_cells import states_of

if TYPE_CHECKING:
    from parity.halves.keras.call_list import Calls


def add_recurrent(
    layer: Any, name: str, calls: Calls, call: Any, arguments: Any, keywords: Any
) -> Any:
    """Calls a recurrent layer that drops inputs or states; its dropouts are calls before it."""
    is_training = versions.is_training(layer, keywords)
    tries = calls.mask_tries if is_training else 1
    watched, calls.open = calls.open, []  # its masks are known
    try:
        with drawn(layer, arguments[0], is_training=is_training, tries=tries) as parts:
            given = (versions.with_masks_of(parts.x, arguments[0]), *arguments[1:])
            made = call(layer, *given, **keywords)
    finally:
        calls.open = watched
    for drop in parts.drops:
        whole = f"{name}.{drop.name}"
        calls.append(
            Call(whole, "dropout", None, [drop.given], drop.output, drop.mask, drop.config)
        )
    # Its dropouts have been taken out.
    config = {**plain_config(layer), "dropout": 0.0, "recurrent_dropout": 0.0}
    inputs = tensors_in((given, without_masks(keywords)))
    output = calls.perturbed(kind_of(layer), config, parts.x, made)
    output = versions.with_masks_of(output, made)
    noted = Call(name, kind_of(layer), layer, inputs, first_of(output), config=config)
    noted.given_masks = given_masks_of(inputs, keywords.get("mask"))
    calls.append(noted)
    calls.made_beside(output)
    return output


def call_cells(
    layer: Any,
    name: str,
    parts: list[Any],
    told: Callable[[Any, str, Any, Any], Any],
    arguments: Any,
    keywords: Any,
) -> Any:
    """Calls a layer of several cells, as a layer for each.

    Args:
        layer: of Keras.
        name: of its call.
        parts: a layer for each of its cells; see `stacked_cells.layers_of`.
        told: calls one of them, by its name, with arguments and keywords, and adds the call.
        arguments: of the layer.
        keywords: likewise.
    """
    x, *given = arguments
    begun = states_of(parts, given[0] if given else keywords.get("initial_state"))
    others = {key: value for key, value in keywords.items() if key not in ("initial_state", "mask")}
    last: list[Any] = []
    for part, cell, first in zip(parts, layer.cell.cells, begun, strict=True):
        options = others if first is None else {**others, "initial_state": first}
        x, *states = told(part, f"{name}.{cell.name}", (x,), options)
        last.append(states if isinstance(cell.state_size, list | tuple) else states[:1])
    return (x, *last) if layer.return_state else x
