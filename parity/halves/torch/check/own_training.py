"""Steps of training as a port's own `train_step` makes them.

Keras's data, masks and random numbers go in. What the step returns comes out, with the gradients
that the optimizers get first and the weights after each step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.data import probe_inputs
from parity.halves.torch.call import Calls
from parity.halves.torch.check.applied import Applied, applied
from parity.halves.torch.check.given_steps import StepData, given_draws, numbers_of
from parity.halves.torch.check.part_calls import part_calls, write_part_calls
from parity.halves.torch.check.refused_steps import left_out_if_refused
from parity.halves.torch.kinds import REPLAYED
from parity.halves.torch.port.parts import as_written, parts_in
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.ladder.own_steps import GRADIENTS, STEPS_WITH_GRADIENTS
from parity.traces.trace import TraceWriter


def write_own_training(port: PortUnderTest, writer: TraceWriter) -> None:
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
    port: PortUnderTest, step: int, data: StepData, written: dict[str, int], writer: TraceWriter
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
            "applied": _told(made),
            "num_dropped": _num_dropped(calls),
            "parts": list(parts),
            "called": [call.name for call in called],
            "dropped": [call.num_dropped for call in called],
            "num_replaced": len(calls.replaced),
            "num_drawn": len(calls.replaced) + len(calls.draws),
        }


def _num_dropped(calls: Calls) -> int:
    return sum(call.is_active for call in calls if call.kind in REPLAYED)


def _write_gradients(made: list[Applied], written: dict[str, int], writer: TraceWriter) -> None:
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
