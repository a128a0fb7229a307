"""Torch's own generator, as each run of many has it for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import torch

T = TypeVar("T")


class Stream:
    """A state of torch's generator that goes on where it was: `with stream: torch.rand(3)`.

    A run in mode "independent" draws from the generator of the process, which many runs at a time
    would share, and each would get the numbers of the others. Made when a run has been built, it
    holds the state in which the run found the generator; what follows outside is not disturbed.

    Args:
        device: of the run: a GPU has a generator of its own.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = None if device == "cpu" else torch.device(device)
        self._states = self._read()

    def __enter__(self) -> None:
        self._outside = self._read()
        self._write(self._states)

    def __exit__(self, *_: object) -> None:
        self._states = self._read()
        self._write(self._outside)

    def over(self, values: Iterator[T]) -> Iterator[T]:
        """Yields the same values, each drawn from this stream, and so is what comes after them."""
        while True:
            with self:
                try:
                    value = next(values)
                except StopIteration:
                    return
            yield value

    def _read(self) -> list[torch.Tensor]:
        states = [torch.get_rng_state()]
        if self._device is not None:
            states.append(torch.cuda.get_rng_state(self._device))
        return states

    def _write(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self._device is not None:
            torch.cuda.set_rng_state(states[1], self._device)
