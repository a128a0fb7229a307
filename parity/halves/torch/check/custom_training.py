"""Steps of training as a port's own `train_step` makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from parity.data import probe_inputs
from parity.data.samples import packed
from parity.errors import InputError
from parity.halves.torch.call import Calls, flat_tensors
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.check.facts import optimizer_facts
from parity.halves.torch.check.optimizer import left_out_if_refused
from parity.halves.torch.kinds import REPLAYED
from parity.halves.torch.port.carrying import source_tensors
from parity.halves.torch.port.feeding import Feeding, on_device
from parity.halves.torch.port.parts import as_written, parts_in
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import channels_first
from parity.halves.torch.port.random_masks import drawn_masks, given_masks, masks_of_step
from parity.ladder.custom_steps import GRADIENTS, STEPS_WITH_GRADIENTS
from parity.traces.port_facts import PortOptimizer
from parity.traces.trace import PortWriter
from torch_impl.optim import KerasOptimizer
from torch_impl.optim.batch import clip, with_gradients

# --------------------------------------------------------------------------------------------------
#
# What the optimizers of a port apply in one step, in the order in which their `step` is called.
#
# A step of the port's own may use several optimizers. Each call comes out: its settings, the
# weights of Keras that it moves, and their gradients at that moment.


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
    settings: PortOptimizer
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
    carried = [(item, {id(t) for t in source_tensors(item.variable)}) for item in port.carried]
    calls: list[Applied] = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        with _clipped(optimizer):
            gradients = {
                item.name: item.gradient() for item, tensors in carried if tensors <= moved
            }
        settings = optimizer_facts(optimizer)
        assert settings is not None
        calls.append(Applied(id(optimizer), settings, gradients))

    hook = register_optimizer_step_pre_hook(note)
    try:
        yield calls
    finally:
        hook.remove()


# --------------------------------------------------------------------------------------------------
#
# What a port's own `train_step` gets in a step of Keras's, and the numbers that it returns.
#
# Keras's trace goes in: data, masks and random numbers of the step.


@contextmanager
def given_draws(port: PortUnderTest, mode: str, facts: Mapping[str, Any]) -> Iterator[Calls]:
    """Gives the port Keras's masks and random numbers of a step in the block."""
    masks = masks_of_step(port, mode, facts["masks"])
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
        facts = port.keras.facts["own_training"]["data"]
        names = [{"name": name} for name in facts["names"]]
        self._feeding = Feeding({"inputs": names, "input_structure": facts["structure"]})
        self._structure, self._targets = facts["structure"], facts["targets"]

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
        if port.step_feed is not None:
            return on_device(
                self._feeding.call(port.step_feed, [port.cast(x) for x in arrays]), port.device
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


# --------------------------------------------------------------------------------------------------
#
# What the networks of a port get and return in a step of its own, in the order of their calls.
#
# The same as in Keras's half; images have the channels last, as there.


@dataclass(frozen=True)
class PartCall:
    """One call of a network.

    Attributes:
        name: of the network, Keras's.
        inputs: tensors that it gets.
        outputs: tensors that it returns.
        num_dropped: how many of its dropouts drop something.
    """

    name: str
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    num_dropped: int


@contextmanager
def part_calls(
    parts: Mapping[str, nn.Module], num_dropped: Callable[[], int]
) -> Iterator[list[PartCall]]:
    """Watches networks in the block, and yields a list to which each of their calls is added.

    Args:
        parts: by the names of Keras's.
        num_dropped: returns how many dropouts have dropped something so far.
    """
    calls: list[PartCall] = []
    before: list[int] = []  # of the calls that have begun

    def begin(*_: Any) -> None:
        before.append(num_dropped())

    def noting(name: str) -> Any:
        def note(_: nn.Module, given: Any, output: Any) -> None:
            inputs, made = (
                [x.detach().clone() for x in flat_tensors(nest)] for nest in (given, output)
            )
            calls.append(PartCall(name, inputs, made, num_dropped() - before.pop()))

        return note

    hooks = [module.register_forward_hook(noting(name)) for name, module in parts.items()]
    hooks += [module.register_forward_pre_hook(begin) for module in parts.values()]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def write_part_calls(calls: list[PartCall], writer: PortWriter) -> None:
    """Writes `part/NUMBER/input/PLACE` and `part/NUMBER/output/PLACE`."""
    for number, call in enumerate(calls):
        for what, tensors in (("input", call.inputs), ("output", call.outputs)):
            for place, tensor in enumerate(tensors):
                array = tensor.double().cpu().numpy()
                last = np.moveaxis(array, 1, -1) if array.ndim > 3 else array
                writer.put(f"part/{number}/{what}/{place}", probe_inputs.sampled(last))


# --- Steps of training as a port's own `train_step` makes them ------------------------------------
#
# Keras's data, masks and random numbers go in. What the step returns comes out, with the gradients
# that the optimizers get first and the weights after each step.


def write_custom_training(port: PortUnderTest, writer: PortWriter) -> None:
    """Makes the steps that Keras made, from Keras's weights.

    Args:
        port: with a `train_step`; its optimizers have made no step.
        writer: receives `log/STEP/NAME`, `gradient/WEIGHT` of the first step,
            `trajectory/STEP/WEIGHT`, and the fact `own_training`.

    Raises:
        InputError: the step returns something else than numbers.
    """
    data = StepData(port)
    written: dict[str, int] = {}
    for module, is_training in port.modes:
        module.training = is_training
    for step in port.keras.numbers("input/data"):
        with left_out_if_refused(port, step, writer):
            _write_step(port, step, data, written, writer)


def _write_step(
    port: PortUnderTest, step: int, data: StepData, written: dict[str, int], writer: PortWriter
) -> None:
    """Makes one step, and writes it; `written` is as `_write_gradients` takes it."""
    step_of_port = port.built.train_step
    assert step_of_port is not None
    given = given_draws(port, f"step{step}", port.keras.facts["own_training"])
    parts = parts_in(port.module) or {"": port.module}
    watch = part_calls(parts, lambda: _num_dropped(calls))
    with as_written(port.module), given as calls, applied(port) as made, watch as called:
        returned = step_of_port(data.of(step))
    logs = numbers_of(returned)
    for name, value in logs.items():
        writer.put(f"log/{step}/{name}", value)
    for item in port.carried:
        writer.put(f"trajectory/{step}/{item.name}", item.of_step())
    if step <= STEPS_WITH_GRADIENTS:
        _write_gradients(made, written, writer)
    if step == 1:
        write_part_calls(called, writer)
        writer.facts["own_training"] = {
            "logs": list(logs),
            "applied": _optimizer_calls(made),
            "num_dropped": _num_dropped(calls),
            "parts": list(parts),
            "called": [call.name for call in called],
            "dropped": [call.num_dropped for call in called],
            "num_replaced": len(calls.replaced),
            "num_drawn": len(calls.replaced) + len(calls.draws),
        }


def _num_dropped(calls: Calls) -> int:
    return sum(call.is_active for call in calls if call.kind in REPLAYED)


def _write_gradients(made: list[Applied], written: dict[str, int], writer: PortWriter) -> None:
    """Writes the first gradient of each weight that an optimizer gets in a step.

    Args:
        made: calls of the optimizers in this step.
        written: of how many steps before there is a gradient, by weight; is counted on.
        writer: receives what `GRADIENTS` names.
    """
    firsts: dict[str, np.ndarray] = {}
    for call in made:
        for name, gradient in call.gradients.items():
            if gradient is not None:
                firsts.setdefault(name, gradient)
    for name, gradient in firsts.items():
        number = written.get(name, 0)
        written[name] = number + 1
        if number < len(GRADIENTS):
            writer.put(f"{GRADIENTS[number]}/{name}", probe_inputs.sampled(gradient))


def _optimizer_calls(made: list[Applied]) -> list[dict[str, Any]]:
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
