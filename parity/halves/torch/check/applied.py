"""What the optimizers of a port apply in one step, in the order in which their `step` is called.

A step of the port's own may use several optimizers. Each call comes out: its settings, the weights
of Keras that it moves, and their gradients at that moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from parity.halves.torch.check.facts import optimizer_facts
from parity.halves.torch.port.carrying import held_tensors
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl.optim import KerasOptimizer
from torch_impl.optim.batch import with_gradients
from torch_impl.optim.clipping import clip


@dataclass(frozen=True)
class Applied:
    """One call of an optimizer.

    Attributes:
        optimizer: an object that stays the same for the same optimizer.
        settings: class and groups, ready for JSON.
        gradients: by Keras's name of the weight, clipped as the optimizer does it, or as the step
            did before; None: the optimizer leaves it as it is.
    """

    optimizer: int
    settings: dict[str, Any]
    gradients: dict[str, np.ndarray | None]


@contextmanager
def _clipped(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Gives the parameters of a Keras optimizer their clipped gradients in the block."""
    if not isinstance(optimizer, KerasOptimizer) or optimizer.common["gradient_accumulation_steps"]:
        yield
        return
    batches = [with_gradients(group) for group in optimizer.param_groups]
    kept = [(p, p.grad) for batch in batches for p in batch.parameters]
    clipped = clip(batches, optimizer.common)
    for batch in clipped:
        for parameter, gradient in zip(batch.parameters, batch.gradients, strict=True):
            parameter.grad = gradient
    try:
        yield
    finally:
        for parameter, before in kept:
            parameter.grad = before


@contextmanager
def applied(port: PortUnderTest) -> Iterator[list[Applied]]:
    """Watches all optimizers in the block, and yields a list to which each call is added."""
    held = [(item, {id(t) for t in held_tensors(item.variable)}) for item in port.carried]
    calls: list[Applied] = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        with _clipped(optimizer):
            gradients = {item.name: item.gradient() for item, tensors in held if tensors <= moved}
        settings = optimizer_facts(optimizer)
        assert settings is not None
        calls.append(Applied(id(optimizer), settings, gradients))

    hook = register_optimizer_step_pre_hook(note)
    try:
        yield calls
    finally:
        hook.remove()
