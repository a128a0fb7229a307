"""Steps of training as a Keras model's own `train_step` makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np

from keras_impl.reference import Reference
from parity.data import probe_inputs
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.facts import plain_nested
from parity.halves.keras.check.forward_backward import write_drawn
from parity.halves.keras.check.noise import perturbed_gradients
from parity.halves.keras.check.parts import (
    Applied,
    Parts,
    StepBatch,
    StepData,
    applied,
    kept_as_built,
    make_step,
    optimizers_in,
    part_calls,
    parts_in,
    whole_of,
    write_part_calls,
)
from parity.halves.keras.check.weights import get_weights, named_variables, named_weights
from parity.halves.keras.loss_constants import constants_as_written
from parity.halves.keras.rounding import Perturbation
from parity.ladder.custom_steps import GRADIENTS, STEPS_WITH_GRADIENTS
from parity.programs.check_spec import CheckSpec, num_steps
from parity.traces.trace import KerasWriter


def write_custom_training(
    spec: CheckSpec,
    reference: Reference,
    writer: KerasWriter,
    perturbation: Perturbation | None,
) -> None:
    """Makes steps from the present weights of a model, and writes them.

    Args:
        spec: of the check.
        reference: of the model that the probes call, before the first step of its optimizers.
        writer: receives `input/data/STEP/…`, `draw/stepN/…`, `mask/stepN/…`, `log/STEP/NAME`,
            what `GRADIENTS` names of the first steps, `trajectory/STEP/WEIGHT`, `part/…`, and the
            fact `own_training`.
        perturbation: how rounded numbers are moved.

    Raises:
        InputError: the step raises, or returns something else than numbers.
    """
    whole = whole_of(reference)
    data = StepData(whole, spec)
    names = {id(variable): name for name, variable in named_variables(reference.model).items()}
    initial, moved = get_weights(reference.model), set[str]()
    written: dict[str, int] = {}
    versions.reseed(data.seed)
    steps = num_steps(spec.steps, reference.model.count_params())
    for step, size in enumerate(data.sizes(steps), start=1):
        batch = data.batch(f"step{step}", size)
        _write_data(step, batch, writer)

        def perturbed(gradients: list[Any], number: int, step: int = step) -> list[Any]:
            if perturbation is None:
                return gradients
            return perturbed_gradients(gradients, perturbation.later(100 * step + number))

        watch = recorded_calls((), perturbation)
        num_dropped: Callable[[], int] = lambda: sum(each.mask is not None for each in calls)  # noqa: E731
        watched = part_calls(_parts(reference), num_dropped)
        written_out = constants_as_written() if perturbation else nullcontext()
        with watch as calls, applied(perturbed) as made, watched as called, written_out:
            returned = make_step(whole.model, data.as_given(batch))
        write_drawn(f"step{step}", calls, writer)
        logs = _numbers(returned)
        for name, value in logs.items():
            writer.put(f"log/{step}/{name}", value)
        if step <= STEPS_WITH_GRADIENTS:
            _write_gradients(made, names, written, writer)
        if step == 1:
            write_part_calls(called, writer)
            writer.facts["own_training"] = {
                "logs": list(logs),
                "applied": _applied_facts(made, reference, names),
                "masks": [call.name for call in calls if call.mask is not None],
                "num_drawn": len(calls.draws),
                "called": [call.name for call in called],
                "dropped": [call.num_dropped for call in called],
                "data": {
                    "names": [each.name for each in data.inputs.each],
                    "structure": data.inputs.structure,
                    "targets": data.target_structure,
                },
            }
            if isinstance(reference.model, Parts):
                writer.facts["own_training"]["parts"] = _part_facts(reference.model)
        for name, weight in get_weights(reference.model).items():
            writer.put(f"trajectory/{step}/{name}", probe_inputs.of_step(weight))
            if not np.array_equal(weight, initial[name]):
                moved.add(name)
    kept = kept_as_built(reference)
    writer.facts["own_training"]["as_built"] = {name: name in moved for name in kept}


def _part_facts(model: Parts) -> dict[str, dict[str, Any]]:
    """Returns the parts of a model, ready for JSON: how they are called, and what they hold."""
    layers = parts_in(model.whole)
    names = {id(variable): name for name, variable in named_weights(model).items()}
    return {
        name: {
            "is_row": part.is_row,
            "kept": part.kept and list(part.kept),
            "num_outputs": part.num_outputs,
            "weights": [names[id(each)] for each in layers[name].weights if id(each) in names],
        }
        for name, part in model.parts().items()
    }


def _parts(reference: Reference) -> dict[str, Any]:
    """Returns the networks that a step calls, by their names; the model itself is one, too."""
    whole = whole_of(reference).model
    is_whole = not isinstance(reference.model, Parts)
    return {"": whole} if is_whole else parts_in(whole)


def _write_data(step: int, batch: StepBatch, writer: KerasWriter) -> None:
    for kind, arrays in (("x", batch.x), ("y", batch.y), ("weight", batch.weights)):
        for number, array in enumerate(arrays):
            writer.put(f"input/data/{step}/{kind}/{number}", array)


def _write_gradients(
    made: list[Applied], names: dict[int, str], written: dict[str, int], writer: KerasWriter
) -> None:
    """Writes the first gradient of each weight that an optimizer gets in a step.

    Args:
        made: calls of the optimizers in this step.
        names: of the weights.
        written: of how many steps before there is a gradient, by weight; is counted on.
        writer: receives what `GRADIENTS` names.
    """
    firsts: dict[str, Any] = {}
    for call in made:
        for variable, gradient in zip(call.variables, call.gradients, strict=True):
            firsts.setdefault(names[id(variable)], gradient)
    for name, gradient in firsts.items():
        number = written.get(name, 0)
        written[name] = number + 1
        if number < len(GRADIENTS):
            array = probe_inputs.sampled(np.asarray(gradient))
            writer.put(f"{GRADIENTS[number]}/{name}", array)


def _applied_facts(
    made: list[Applied], reference: Reference, names: dict[int, str]
) -> list[dict[str, Any]]:
    """Returns the calls of the optimizers in one step, ready for JSON."""
    known = {id(each): name for name, each in optimizers_in(whole_of(reference).model).items()}
    return [
        {
            "optimizer": known.get(id(call.optimizer), call.optimizer.name),
            "class": type(call.optimizer).__name__,
            "config": plain_nested(call.optimizer.get_config()),
            "weights": [names[id(variable)] for variable in call.variables],
        }
        for call in made
    ]


def _numbers(returned: Mapping[str, Any]) -> dict[str, float]:
    """Returns what a step returns as `fit` shows it; what is below a name has names of its own."""
    found: dict[str, float] = {}
    for name, value in returned.items():
        if isinstance(value, Mapping):
            found |= _numbers(value)
            continue
        array = np.asarray(value, np.float64)
        if array.size != 1:
            raise InputError(
                f"the model's own train_step returns {name!r} with the shape {array.shape}; "
                "expected a number, as `fit` shows it"
            )
        found[str(name)] = float(array.reshape(()))
    return found
