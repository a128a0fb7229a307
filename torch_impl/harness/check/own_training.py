"""Steps of training as a port's own `train_step` makes them.

Keras's data, masks and random numbers go in. What the step returns comes out, with the gradients
that the optimizers get first and the weights after each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.data.model_inputs import packed
from parity.errors import InputError
from parity.ladder.own_steps import GRADIENTS
from parity.traces.trace import TraceWriter
from torch_impl.harness.call import Calls
from torch_impl.harness.calls import recorded_calls
from torch_impl.harness.check.applied import Applied, applied
from torch_impl.harness.check.part_calls import part_calls, write_part_calls
from torch_impl.harness.kinds import REPLAYED
from torch_impl.harness.port.drawn_masks import drawn_masks
from torch_impl.harness.port.dropout_masks import masks_of_step
from torch_impl.harness.port.feeding import Feeding, on_device
from torch_impl.harness.port.inner_masks import given_masks
from torch_impl.harness.port.parts import as_written, parts_in
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.port.portable import channels_first


def write_own_training(port: PortUnderTest, writer: TraceWriter) -> None:
    """Makes the steps that Keras made, from Keras's weights.

    Args:
        port: with a `train_step`; its optimizers have made no step.
        writer: receives `log/STEP/NAME`, `gradient/WEIGHT` of the first step,
            `trajectory/STEP/WEIGHT`, and the fact `own_training`.

    Raises:
        InputError: the step returns something else than numbers.
    """
    step_of_port = port.built.train_step
    assert step_of_port is not None
    told = port.keras.facts["own_training"]
    data = _Data(port)
    for module, is_training in port.modes:
        module.training = is_training
    for step in port.keras.numbers("input/data"):
        given = _given(port, f"step{step}", told)
        watch = part_calls(parts_in(port.module) or {"": port.module})
        with as_written(port.module), given as calls, applied(port) as made, watch as called:
            returned = step_of_port(data.of(step))
        logs = _numbers(returned)
        for name, value in logs.items():
            writer.put(f"log/{step}/{name}", value)
        for item in port.carried:
            writer.put(f"trajectory/{step}/{item.name}", item.of_step())
        if step <= len(GRADIENTS):
            _write_gradients(made, GRADIENTS[step - 1], writer)
        if step == 1:
            write_part_calls(called, writer)
            writer.facts["own_training"] = {
                "logs": list(logs),
                "applied": _told(made),
                "num_dropped": sum(call.is_active for call in calls if call.kind in REPLAYED),
                "called": [call.name for call in called],
                "num_replaced": len(calls.replaced),
                "num_drawn": len(calls.replaced) + len(calls.draws),
            }


@contextmanager
def _given(port: PortUnderTest, mode: str, told: Mapping[str, Any]) -> Iterator[Calls]:
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


class _Data:
    """What a step gets, in torch's layout."""

    def __init__(self, port: PortUnderTest) -> None:
        self._port = port
        told = port.keras.facts["own_training"]["data"]
        names = [{"name": name} for name in told["names"]]
        self._feeding = Feeding({"inputs": names, "input_structure": told["structure"]})
        self._structure, self._targets = told["structure"], told["targets"]

    def of(self, step: int) -> Any:
        """Returns x alone, (x, y) or (x, y, weights), as Keras's step gets them."""
        x = self._fed(self._arrays(step, "x"))
        if not (y := self._arrays(step, "y")):
            return x
        targets = self._port.target_of(packed(self._targets, y))
        if not (weights := self._arrays(step, "weight")):
            return x, targets
        return x, targets, self._tensor(weights[0])

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


def _write_gradients(made: list[Applied], part: str, writer: TraceWriter) -> None:
    """Writes the first gradient of each weight that an optimizer gets in a step."""
    for call in made:
        for name, gradient in call.gradients.items():
            if gradient is not None and (key := f"{part}/{name}") not in writer.arrays:
                writer.put(key, probe_inputs.sampled(gradient))


def _told(made: list[Applied]) -> list[dict[str, Any]]:
    """Returns the calls of the optimizers, ready for JSON; the same optimizer has one number."""
    numbers: dict[int, int] = {}
    return [
        {
            "optimizer": numbers.setdefault(call.optimizer, len(numbers)),
            **call.settings,
            "weights": [name for name, g in call.gradients.items() if g is not None],
        }
        for call in made
    ]


def _numbers(returned: Any) -> dict[str, float]:
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
