"""What the networks of a model get and return in a step of its own, in the order of their calls.

They say where a step begins to differ: at what a network gets, or at the loss of the same outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from parity.data import probe_inputs
from parity.halves.keras import versions
from parity.traces.trace import TraceWriter


@dataclass(frozen=True)
class PartCall:
    """One call of a network.

    Attributes:
        name: of the network.
        inputs: tensors that it gets.
        outputs: tensors that it returns.
        num_dropped: how many of its dropouts drop something.
    """

    name: str
    inputs: list[Any]
    outputs: list[Any]
    num_dropped: int


@contextmanager
def part_calls(
    parts: Mapping[str, Any], num_dropped: Callable[[], int]
) -> Iterator[list[PartCall]]:
    """Watches networks in the block, and yields a list to which each of their calls is added.

    Args:
        parts: by their names.
        num_dropped: returns how many dropouts have dropped something so far.
    """
    names = {id(layer): name for name, layer in parts.items()}
    calls: list[PartCall] = []
    own = versions.Layer.__call__

    def watched(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        before = num_dropped()
        output = own(layer, *arguments, **keywords)
        if id(layer) in names:
            given = [x for x in tf.nest.flatten(arguments) if tf.is_tensor(x)]
            made, num = tf.nest.flatten(output), num_dropped() - before
            calls.append(PartCall(names[id(layer)], given, made, num))
        return output

    versions.Layer.__call__ = watched
    try:
        yield calls
    finally:
        versions.Layer.__call__ = own


def write_part_calls(calls: list[PartCall], writer: TraceWriter) -> None:
    """Writes `part/NUMBER/input/PLACE` and `part/NUMBER/output/PLACE`."""
    for number, call in enumerate(calls):
        for what, tensors in (("input", call.inputs), ("output", call.outputs)):
            for place, tensor in enumerate(tensors):
                array = np.asarray(tensor, np.float64)
                writer.put(f"part/{number}/{what}/{place}", probe_inputs.sampled(array))
