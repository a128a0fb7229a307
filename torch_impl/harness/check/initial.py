"""Initial weights that a factory draws, as samples of its distributions.

A factory goes in; `init/…` comes out: as many draws as Keras left, stacked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter
from torch_impl.harness.factories import call_factory
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.port.unwrapping import build_lazy, unwrapped

MAX_INIT_ENTRIES = 20_000


def write_init(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: TraceWriter
) -> None:
    """Calls the factory as often as Keras left draws, and writes its weights."""
    shape = next((port.keras[f"init/{name}"].shape for name in port.keras.facts["weights"]), (1,))
    draws: dict[str, list[np.ndarray]] = {}
    paths = {id(module): path for path, module in port.module.named_modules()}
    for number in range(shape[0]):
        redrawn = call_factory(factory, (spec.seed + number) % 2**32)
        module = unwrapped(redrawn.module)
        build_lazy(module, lambda: port.arguments("probe"))
        for item in port.carried:
            path = paths.get(id(item.variable.module))
            drawn = None if path is None else item.drawn_by(module, path)
            if drawn is not None:
                draws.setdefault(item.name, []).append(drawn.reshape(-1)[:MAX_INIT_ENTRIES])
    for name, parts in draws.items():
        writer.put(f"init/{name}", np.stack(parts))
