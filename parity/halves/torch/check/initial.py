"""Initial weights that a factory draws, as samples of its distributions.

A factory goes in; `init/…` comes out: the draws of several ports, stacked. There are more of them
if a weight is small, as long as a port is built quickly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.data import initial_draws
from parity.halves.torch.factories import call_factory
from parity.halves.torch.port.built_again import is_large
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.unwrapping import build_lazy, unwrapped
from parity.programs.check_spec import CheckSpec
from parity.programs.settings import later_seed
from parity.traces.trace import TraceWriter

# Of all ports that are built, so that the number of draws does not depend on the machine.
MOST_PARAMETERS, MOST_MODULES = 4_000_000, 5_000
MOST_TIME = 1.0  # seconds of the processor, for a factory that does more than build a module


def write_init(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, writer: TraceWriter
) -> None:
    """Calls the factory as often as the smallest random weight needs, and writes its weights."""
    draws: dict[str, list[np.ndarray]] = {}
    paths = {id(module): path for path, module in port.module.named_modules()}
    started = time.process_time()
    for number in range(_num_ports(port) if spec.draws else 1):
        if number and time.process_time() - started > MOST_TIME:
            break
        if number == 0 and is_large(port):
            with port.kept():
                port.begin_as_built()
                found = list(_weights(port, port.module, paths))
        else:
            with _other_seeds(number):
                redrawn = unwrapped(call_factory(factory, spec.seed, port.dtype).module)
            build_lazy(redrawn, lambda: port.arguments("probe"))
            found = list(_weights(port, redrawn, paths))
        for name, array in found:
            draws.setdefault(name, []).append(array)
    for name, parts in draws.items():
        writer.put(f"init/{name}", np.stack(parts))


def _num_ports(port: PortUnderTest) -> int:
    facts = port.keras.facts
    wanted = 1
    for name, entry in facts["weights"].items():
        if not initial_draws.is_constant(port.keras[f"init/{name}"]):
            kind = facts["initializers"].get(name, {}).get("class")
            most = initial_draws.enough(kind)
            wanted = max(wanted, initial_draws.num_draws(int(np.prod(entry["shape"])), most))
    num_parameters = sum(parameter.numel() for parameter in port.module.parameters())
    num_modules = sum(1 for _ in port.module.modules())
    most = min(MOST_PARAMETERS // max(num_parameters, 1), MOST_MODULES // num_modules)
    return max(1, min(wanted, most))


def _weights(
    port: PortUnderTest, module: nn.Module, paths: Mapping[int, str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the weights of a module of the port by Keras's names, as far as they are judged."""
    initializers = port.keras.facts["initializers"]
    for item in port.carried:
        path = paths.get(id(item.variable.module))
        drawn = None if path is None else item.drawn_by(module, path)
        if drawn is not None:
            is_matrix = initializers.get(item.name, {}).get("class") == "Orthogonal"
            most = initial_draws.MAX_MATRIX if is_matrix else initial_draws.MAX_ENTRIES
            yield item.name, drawn.reshape(-1)[:most]


@contextmanager
def _other_seeds(number: int) -> Iterator[None]:
    """Adds a number to every seed that is set in the block, also to those in the user's code."""
    of_torch, of_numpy = torch.manual_seed, np.random.seed

    def manual_seed(seed: Any) -> Any:
        if torch.accelerator.is_available():
            return of_torch(later_seed(int(seed), number))
        # Torch writes down the stack for each kind of device that is not there, which takes longer
        # than many a factory.
        return torch.default_generator.manual_seed(later_seed(int(seed), number))

    def seed(value: Any = None) -> None:
        of_numpy(later_seed(value, number) if isinstance(value, int) else value)

    torch.manual_seed, np.random.seed = manual_seed, seed  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.manual_seed, np.random.seed = of_torch, of_numpy
