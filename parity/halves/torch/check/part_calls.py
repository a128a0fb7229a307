"""What the networks of a port get and return in a step of its own, in the order of their calls.

The same as in Keras's half; images have the channels last, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.data import probe_inputs
from parity.halves.torch.port.function_weights import flat_tensors
from parity.traces.trace import TraceWriter


@dataclass(frozen=True)
class PartCall:
    """One call of a network.

    Attributes:
        name: of the network, Keras's.
        inputs: tensors that it gets.
        outputs: tensors that it returns.
        num_dropped: how many of its dropouts drop something.
    """

    name: str
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    num_dropped: int


@contextmanager
def part_calls(
    parts: Mapping[str, nn.Module], num_dropped: Callable[[], int]
) -> Iterator[list[PartCall]]:
    """Watches networks in the block, and yields a list to which each of their calls is added.

    Args:
        parts: by the names of Keras's.
        num_dropped: returns how many dropouts have dropped something so far.
    """
    calls: list[PartCall] = []
    before: list[int] = []  # of the calls that have begun

    def begin(*_: Any) -> None:
        before.append(num_dropped())

    def noting(name: str) -> Any:
        def note(_: nn.Module, given: Any, output: Any) -> None:
            inputs, made = (
                [x.detach().clone() for x in flat_tensors(nest)] for nest in (given, output)
            )
            calls.append(PartCall(name, inputs, made, num_dropped() - before.pop()))

        return note

    hooks = [module.register_forward_hook(noting(name)) for name, module in parts.items()]
    hooks += [module.register_forward_pre_hook(begin) for module in parts.values()]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def write_part_calls(calls: list[PartCall], writer: TraceWriter) -> None:
    """Writes `part/NUMBER/input/PLACE` and `part/NUMBER/output/PLACE`."""
    for number, call in enumerate(calls):
        for what, tensors in (("input", call.inputs), ("output", call.outputs)):
            for place, tensor in enumerate(tensors):
                array = tensor.double().cpu().numpy()
                last = np.moveaxis(array, 1, -1) if array.ndim > 3 else array
                writer.put(f"part/{number}/{what}/{place}", probe_inputs.sampled(last))
