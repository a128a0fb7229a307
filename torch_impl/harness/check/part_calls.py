"""What the networks of a port get and return in a step of its own, in the order of their calls.

The same as in Keras's half; images have the channels last, as there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.data import probe_inputs
from parity.traces.trace import TraceWriter
from torch_impl.harness.port.function_weights import flat_tensors


@dataclass(frozen=True)
class PartCall:
    """One call: the name of the network, the tensors that it gets, and those that it returns."""

    name: str
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]


@contextmanager
def part_calls(parts: Mapping[str, nn.Module]) -> Iterator[list[PartCall]]:
    """Watches networks in the block, and yields a list to which each of their calls is added.

    Args:
        parts: by the names of Keras's.
    """
    calls: list[PartCall] = []

    def noting(name: str) -> Any:
        def note(_: nn.Module, given: Any, output: Any) -> None:
            some = [[x.detach().clone() for x in flat_tensors(nest)] for nest in (given, output)]
            calls.append(PartCall(name, *some))

        return note

    hooks = [module.register_forward_hook(noting(name)) for name, module in parts.items()]
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
