"""PhantomSteps: gives a port what Keras's steps without a batch have changed.

At the end of a stream of unknown length, Keras makes a step for which there is no batch: see
`parity/halves/keras/program/phantom.py`. No port does, and none should. So that the training behind
it can be compared, the port gets the same counts, masks and weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.slots import count_steps
from parity.halves.torch.program.masks import Masks
from torch_impl.port import Port


class PhantomSteps:
    """The steps of a training.

    Args:
        port: that is trained.
        built: the same port, complete.
        masks: of its dropouts.
        told: by the number of the epoch, as the Keras half tells it.
    """

    def __init__(
        self, port: PortUnderTest, built: Port, masks: Masks, told: Mapping[str, Any]
    ) -> None:
        self._port, self._built, self._masks, self._told = port, built, masks, told

    def after(self, epoch: int) -> bool:
        """Makes what belongs behind the last batch of an epoch; returns whether there is any."""
        told = self._told.get(str(epoch))
        if told is None:
            return False
        built, number = self._built, int(told["count"])
        count_steps(built.optimizer, number, told["others"])
        for scheduler in built.schedulers if built.scheduler_interval == "step" else ():
            for _ in range(number):
                scheduler.step()
        self._masks.set_states(told["masks"])
        self._multiply(told["factors"])
        return True

    @torch.no_grad()
    def _multiply(self, factors: Mapping[str, float | None]) -> None:
        done: set[int] = set()
        for item in self._port.carried:
            if (factor := factors.get(item.name)) is None:
                continue
            for tensor in item.variable.tensors:
                if id(tensor) not in done:
                    tensor.mul_(factor)
                    done.add(id(tensor))
