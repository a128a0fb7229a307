"""What a port's own `train_step` gets in a step of Keras's, and the numbers that it returns.

Keras's trace goes in: data, masks and random numbers of the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity.data.model_inputs import packed
from parity.errors import InputError
from parity.halves.torch.call import Calls
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.port.drawn_masks import drawn_masks
from parity.halves.torch.port.dropout_masks import masks_of_step
from parity.halves.torch.port.feeding import Feeding, on_device
from parity.halves.torch.port.inner_masks import given_masks
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import channels_first


@contextmanager
def given_draws(port: PortUnderTest, mode: str, told: Mapping[str, Any]) -> Iterator[Calls]:
    """Gives the port Keras's masks and random numbers of a step in the block."""
    masks = masks_of_step(port, mode, told["masks"])
    dropped: Callable[..., torch.Tensor] = lambda number, x, rate: masks(_of(calls), x)  # noqa: E731
    drawn = drawn_masks(port, mode)
    watch = recorded_calls(port.module, dropped, drawn=drawn, fused=port.fused, is_kept=False)
    with given_masks(port, mode), watch as calls:
        yield calls


def _of(calls: Calls) -> Any:
    assert calls.dropping is not None
    return calls.dropping


class StepData:
    """What a step gets, in torch's layout."""

    def __init__(self, port: PortUnderTest) -> None:
        self._port = port
        told = port.keras.facts["own_training"]["data"]
        names = [{"name": name} for name in told["names"]]
        self._feeding = Feeding({"inputs": names, "input_structure": told["structure"]})
        self._structure, self._targets = told["structure"], told["targets"]

    def of(self, step: int) -> Any:
        """Returns x alone, (x, y) or (x, y, weights), as Keras's step gets them."""
        arrays = [self._arrays(step, kind) for kind in ("x", "y", "weight")]
        return self.given(*arrays)

    def given(self, x: list[np.ndarray], y: list[np.ndarray], weights: list[np.ndarray]) -> Any:
        """Returns x alone, (x, y) or (x, y, weights); of what there is none, the list is empty."""
        fed = self._fed(x)
        if not y:
            return fed
        targets = self._port.target_of(packed(self._targets, y))
        if not weights:
            return fed, targets
        return fed, targets, self._tensor(weights[0])

    def _arrays(self, step: int, kind: str) -> list[np.ndarray]:
        keras, found = self._port.keras, list[np.ndarray]()
        while (key := f"input/data/{step}/{kind}/{len(found)}") in keras:
            found.append(keras[key])
        return found

    def _fed(self, arrays: list[np.ndarray]) -> Any:
        port = self._port
        if port.own_feed is not None:
            return on_device(
                self._feeding.call(port.own_feed, [port.cast(x) for x in arrays]), port.device
            )
        return packed(self._structure, [self._first(self._tensor(x)) for x in arrays])

    def _first(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns an image, or a volume, with its channels first."""
        return channels_first(tensor) if tensor.ndim > 3 else tensor

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return self._port.tensor(array).to(self._port.device)


def numbers_of(returned: Any) -> dict[str, float]:
    """Returns the numbers that a step returns, by their names.

    Raises:
        InputError: it returns something else.
    """
    if not isinstance(returned, Mapping):
        raise InputError(
            f"Port.train_step returns {type(returned).__name__}; expected a mapping of numbers by "
            "the names that Keras's step returns, such as {'loss': loss}"
        )
    found = {}
    for name, value in returned.items():
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        array = np.asarray(array, np.float64)
        if array.size != 1:
            raise InputError(
                f"Port.train_step returns {name!r} with the shape {array.shape}; expected a number"
            )
        found[str(name)] = float(array.reshape(()))
    return found
