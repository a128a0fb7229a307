"""In which order the tensors of a port have Keras's axes, by their values.

A pass of the port with Keras's weights goes in. Where a tensor has Keras's values in one order and
not in another, that is its order, whatever its shape and its way say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from parity.halves.torch.call import Call, output_of
from parity.halves.torch.port.agreement import forms_of
from parity.halves.torch.port.paired_layer import PairedLayer
from parity.halves.torch.port.traced_axes import Axes, nearest
from parity.traces.trace import Trace


def with_seen_axes(
    keras: Trace, pairs: Sequence[PairedLayer], calls: Sequence[Call], again: Sequence[Call]
) -> list[PairedLayer]:
    """Returns the pairs with the axes that their values show; the others keep theirs.

    Args:
        keras: what Keras computed.
        pairs: all pairs.
        calls: of the pass in which they were found.
        again: of a pass in eval mode, with Keras's weights.
    """
    by_name = {call.name: call for call in again}
    return [_seen(keras, pair, [by_name.get(x.name) for x in pair.chain(calls)]) for pair in pairs]


def _seen(keras: Trace, pair: PairedLayer, chain: Sequence[Call | None]) -> PairedLayer:
    nodes = keras.facts["nodes"]
    first, last = nodes[pair.ends.keras_first], nodes[pair.ends.keras_last]
    taken = made = None
    key = f"forward/eval/{first['name']}/input/0"
    if chain[0] is not None and chain[0].inputs and key in keras:
        taken = nearest(chain[0].inputs[0], keras[key])
    key = f"forward/eval/{last['name']}/output"
    if chain[-1] is not None and key in keras:
        output = output_of(chain[-1].output, chain[-1].final, last["output_shape"])
        made = nearest(output, keras[key])
    return replace(pair, taken=taken or pair.taken, made=made or pair.made)


def returned_axes(
    keras: Trace, output: torch.Tensor, calls: Sequence[Call], made: Sequence[Axes | None]
) -> Axes | None:
    """Returns the order of the axes of what a port returns; None: it is not known.

    Args:
        keras: what Keras computed.
        output: of the port, in eval mode, with Keras's weights.
        calls: of that pass.
        made: orders of their outputs, as they came about.
    """
    if output.ndim < 3:
        return None
    for theirs, _ in forms_of(keras):
        if (found := nearest(output, theirs)) is not None:
            return found
    numbers = [n for n, call in enumerate(calls) if _is_same(call.output, output)]
    return made[numbers[-1]] if numbers and numbers[-1] < len(made) else None


def _is_same(ours: torch.Tensor, other: torch.Tensor) -> bool:
    return ours.shape == other.shape and torch.equal(ours, other)
