"""What the facts of a bundle look like, checked before anything relies on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from parity.data.initial_draws import ENOUGH
from parity.data.model_inputs import structure_problem
from parity.data.probe_inputs import MAX_EPOCHS, NUM_OPTIMIZER_STEPS, SCHEDULE_STEPS
from parity.data.rule_sequences import MAX_SEQUENCES
from parity.files.records import problem
from parity.programs.check_spec import num_steps
from parity.traces.bundle_metrics import metrics_problem
from parity.traces.bundle_outputs import names_of, needed, outputs_problem, shapes_problem
from parity.traces.facts import Facts
from parity.traces.trace import keyed

MAX_DRAWS = 100  # of initial weights


def check_facts(
    facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], steps: int | None
) -> str:
    """Returns what is wrong with the facts of a bundle, "" if nothing is.

    Args:
        facts: of the bundle.
        shapes: of its arrays, by key.
        steps: of the trajectory, as the spec says; None: by the size of the model.
    """
    return (
        problem(Facts, facts, "facts")
        or _names(facts)
        or outputs_problem(facts)
        or _structure(facts)
        or _noise(facts, shapes)
        or _missing(facts, shapes)
        or metrics_problem(facts, shapes)
        or _sizes(facts, shapes, num_steps(steps, facts["num_parameters"]))
    )


def _names(facts: Mapping[str, Any]) -> str:
    """Names are keys of arrays: each stands once, and is one."""
    seen: set[str] = set()
    for number, node in enumerate(facts["nodes"]):
        name = node["name"]
        if name in seen:
            return f"two nodes have the name {name[:40]!r}"
        seen.add(name)
        if later := [each for each in node["sources"] if each is not None and each >= number]:
            return f"the node {name[:40]!r} has the source {later[0]}; expected one before"
    return ""


def _structure(facts: Mapping[str, Any]) -> str:
    """The structure of the inputs, which older bundles lack, has each of them."""
    if "input_structure" not in facts:
        return ""
    wrong = structure_problem(facts["input_structure"], len(facts["inputs"]))
    return wrong and f"facts.input_structure: {wrong}"


def _noise(facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Noise is that of arrays which are there."""
    for fact in ("noise", "constants", "float32_noise"):
        if unknown := [key for key in facts.get(fact, ()) if key not in shapes]:
            return f"facts.{fact} speaks of the array {unknown[0][:60]!r}, which is not there"
    steps = facts.get("loss_noise")
    if steps and shapes.get("trajectory/losses") != (len(steps),):
        return "facts.loss_noise has not a number for each loss of 'trajectory/losses'"
    return ""


def _missing(facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The arrays that the facts speak of are there, and have the shapes that they say."""
    expected: dict[str, list[int] | None] = {
        f"weights/{name}": entry["shape"] for name, entry in facts["weights"].items()
    }
    for name, entry in facts["weights"].items():
        if f"built/{name}" in shapes:  # where it differs; a port is written of it
            expected[f"built/{name}"] = entry["shape"]
    expected |= {f"init/{name}": None for name in facts["weights"]}
    for node in facts["nodes"]:
        expected[f"forward/eval/{node['name']}/output"] = node["output_shape"]
        for number, shape in enumerate(node["input_shapes"]):
            expected[f"forward/eval/{node['name']}/input/{number}"] = shape
        unknown = [name for name in node["weights"] if name not in facts["weights"]]
        if unknown:
            return (
                f"node {node['name'][:40]!r} has the weight {unknown[0][:40]!r}, which is not there"
            )
    expected |= {f"input/probe/{number}": None for number in range(len(facts["inputs"]))}
    expected["forward/eval/output"] = None
    expected |= dict.fromkeys(needed(facts))
    if facts["loss"] is not None:
        expected |= {
            f"gradient/{name}": None
            for name, entry in facts["weights"].items()
            if entry["trainable"]
        }
    for key, shape in expected.items():
        if key not in shapes:
            return f"the array {key[:80]!r} is missing"
        if shape is not None and list(shapes[key]) != shape:
            return f"the array {key[:80]!r} has the shape {shapes[key]}; expected {tuple(shape)}"
    return ""


def _sizes(facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], steps: int) -> str:
    """The arrays that are read without their shape being a fact have the one that they must."""
    for name in facts["weights"]:
        shape = shapes[f"init/{name}"]
        size = math.prod(facts["weights"][name]["shape"])
        is_whole = len(shape) == 2 and min(size, ENOUGH) <= shape[1] <= size
        if not is_whole or not 1 <= shape[0] <= MAX_DRAWS:
            return (
                f"the array {f'init/{name}'[:80]!r} has the shape {shape}; expected 1 to "
                f"{MAX_DRAWS} draws, and their {size:,} entries or the first {ENOUGH:,}"
            )
    expected: dict[str, tuple[int, ...]] = {}
    for mode in ("eval", "train"):
        output = shapes.get(f"forward/{mode}/output")
        if output is not None and (not output or list(output[1:]) != facts["output_shape"]):
            return f"the array 'forward/{mode}/output' has the shape {output}; facts say another"
    if facts["loss"] is not None:
        expected["loss/value"] = ()
        if facts.get("confident", True):
            expected["loss/confident/value"] = ()
        if wrong := shapes_problem(facts, shapes):
            return wrong
    for key in (
        "loss/penalty",
        *(f"loss/confident/{n}" for n in ("penalty", "added", "unweighted")),
    ):
        if key in shapes:
            expected[key] = ()
    if facts["optimizer"] is not None:
        expected["optimizer/learning_rate"] = (NUM_OPTIMIZER_STEPS,)
        if facts["loss"] is not None:
            expected["trajectory/losses"] = expected["trajectory/rates"] = (steps,)
    for key in shapes:
        if key.startswith("penalty_gradient/"):
            expected[key] = shapes.get(key.removeprefix("penalty_"), ())
    for key in ("schedule/steps", "schedule/exact", "schedule/compiled"):
        if key in shapes:
            expected[key] = (len(SCHEDULE_STEPS),)
    if "schedule/epochs" in shapes or "schedule/stopped" in shapes:
        expected["schedule/stopped"] = ()
        # A rate that follows steps has none of epochs.
        epochs = shapes.get("schedule/epochs", (0,))
        if len(epochs) != 1 or epochs[0] > MAX_EPOCHS:
            return f"the array 'schedule/epochs' has not up to {MAX_EPOCHS} rates"
    rows, rates = shapes.get("schedule/decisions"), shapes.get("schedule/rule_rates")
    if rows is not None and (len(rows) != 2 or rows[0] > MAX_SEQUENCES or rows[1] != 2):
        return f"the array 'schedule/decisions' has not up to {MAX_SEQUENCES} pairs"
    if rates is not None and (len(rates) != 2 or rates[0] > MAX_SEQUENCES or rates[1] > MAX_EPOCHS):
        return f"the array 'schedule/rule_rates' has not up to {MAX_EPOCHS} rates in a row"
    for key, wanted in expected.items():
        if shapes.get(key) != wanted:
            return f"the array {key!r} has the shape {shapes.get(key)}; expected {wanted}"
    if "trajectory/losses" in expected:
        for step in range(1, steps + 1):
            targets = [keyed(f"target/step{step}", name) for name in names_of(facts)]
            for key in (f"input/step{step}/0", *targets):
                if key not in shapes:
                    return f"the array {key[:80]!r} is missing"
    return ""
