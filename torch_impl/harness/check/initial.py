"""Initial weights that a factory draws, as samples of its distributions.

A factory goes in; `init/…` comes out: as many draws as Keras left, stacked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.data.probe_inputs import MAX_DRAWN
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter
from torch_impl.harness.factories import call_factory
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.weights import read


def write_init(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: TraceWriter
) -> None:
    """Calls the factory as often as Keras left draws, and writes its weights."""
    shape = next((port.keras[f"init/{name}"].shape for name in port.keras.facts["weights"]), (1,))
    most = MAX_DRAWN // shape[0]
    draws: dict[str, list[np.ndarray]] = {}
    for number in range(shape[0]):
        redrawn = call_factory(factory, (spec.seed + number) % 2**32)
        modules = dict(redrawn.module.named_modules())
        for pair in port.pairs:
            path = pair.call.name.partition("#")[0]
            if not pair.variables or path not in modules:
                continue
            arrays = read(modules[path])
            for name, local in pair.variables.items():
                if local in arrays:
                    draws.setdefault(name, []).append(arrays[local].reshape(-1)[:most])
    for name, parts in draws.items():
        writer.put(f"init/{name}", np.stack(parts))
