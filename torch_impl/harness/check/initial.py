"""Initial weights: what a factory draws, as samples of the distributions that it draws from.

A factory goes in; `init/…` comes out, as many draws as the bundle has, on top of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter
from torch_impl.harness.factories import call_factory
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.weights import read

MAX_INIT_ENTRIES = 20_000


def write_init(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: TraceWriter
) -> None:
    """Weights as the factory makes them, as often as the bundle has them."""
    shape = next((port.bundle[f"init/{name}"].shape for name in port.bundle.facts["weights"]), (1,))
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
                    draws.setdefault(name, []).append(arrays[local].reshape(-1)[:MAX_INIT_ENTRIES])
    for name, parts in draws.items():
        writer.put(f"init/{name}", np.stack(parts))
