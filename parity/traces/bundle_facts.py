"""What the facts of a bundle look like, checked before anything relies on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from parity.data.initial_draws import ENOUGH
from parity.data.model_inputs import structure_problem
from parity.data.probe_inputs import MAX_EPOCHS, NUM_OPTIMIZER_STEPS, SCHEDULE_STEPS
from parity.data.rule_sequences import MAX_SEQUENCES
from parity.programs.check_spec import num_steps
from parity.programs.settings import DTYPES
from parity.traces.bundle_metrics import metrics_problem
from parity.traces.bundle_outputs import names_of, needed, outputs_problem, shapes_problem
from parity.traces.forms import form_problem
from parity.traces.trace import keyed

MAX_NAME = 500  # characters
MAX_DRAWS = 100  # of initial weights

_NUMBER = (int, float)
_NONE = type(None)
# Name -> type, or a list with the form of its items, or a mapping of names to forms. A "*" stands
# for every key.
_NODE = {
    "name": str,
    "kind": str,
    "config": dict,
    "input_shapes": [[int]],
    "output_shape": [int],
    "sources": [(int, _NONE)],
    "weights": [str],
}
_FORM: dict[str, Any] = {
    "nodes": [_NODE],
    "inputs": [{"name": str, "shape": [(int, _NONE)], "tokens": (int, _NONE)}],
    "output_shape": [int],
    "weights": {"*": {"shape": [int], "trainable": bool}},
    "initializers": {"*": dict},
    "loss": (dict, _NONE),
    "optimizer": (dict, _NONE),
    "output_activation": (str, _NONE),
    "num_parameters": int,
    "noise": {"*": _NUMBER},
    "schedule": {"kind": (str, _NONE), "callbacks": [dict]},
}
# Facts that a bundle may lack, since older ones do.
_OPTIONAL: dict[str, Any] = {
    "not_compared": [{"what": str, "why": str, "arrays": [str]}],
    "incomplete": [{"what": str, "why": str, "do": str}],
    "cast_to_float64": [str],
    "float32_inside": [str],
    "float32_noise": {"*": _NUMBER},
    "undecayed": [str],
    "trained_steps": int,
    "model_file": str,
    "replayable": {"*": _NUMBER},
    "dtype": str,
    "batch_of_one": bool,
    "own_steps": [str],
    "own_loss": bool,
    "stateful": [str],
    "loss_noise": [_NUMBER],
    "constants": {"*": _NUMBER},
    "outputs": [{"name": str, "shape": [int], "activation": (str, _NONE)}],
    "metrics": {"metrics": [(str, dict)], "weighted_metrics": [(str, dict)]},
    "metric_probe": {"names": [str], "float32": [str]},
    "added_losses": [str],
    "confident": bool,
    "activated": [str],
    "own": {
        "layers": dict,
        "functions": dict,
        "losses": dict,
        "schedules": dict,
        "rules": dict,
        "problems": [str],
        "refused": [str],
        "inlined": dict,
    },
    "program": {
        "model": (dict, _NONE),
        "problem": str,
        "fit": dict,
        "draws": [[(str, int)]],
        "shared": [str],
        "stubbed": [dict],
        "own_steps": [str],
    },
}
_LOSS: dict[str, Any] = {"name": str, "config": dict, "class_weight": (dict, _NONE)}
_OPTIMIZER = {"class": str, "config": dict}


def check_facts(
    facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], steps: int | None
) -> str:
    """Returns what is wrong with the facts of a bundle, "" if nothing is.

    Args:
        facts: of the bundle.
        shapes: of its arrays, by key.
        steps: of the trajectory, as the spec says; None: by the size of the model.
    """
    form = _FORM | {name: form for name, form in _OPTIONAL.items() if name in facts}
    if isinstance(facts.get("schedule"), dict):
        more = {"not_compared": [str], "exact_known": bool}
        told = {name: form for name, form in more.items() if name in facts["schedule"]}
        form["schedule"] = {**_FORM["schedule"], **told}
    if facts.get("dtype", DTYPES[0]) not in DTYPES:
        return f"facts.dtype is {str(facts['dtype'])[:40]!r}; expected one of {DTYPES}"
    if facts.get("loss") is None:  # then there is no output activation either
        form.pop("output_activation")
    else:
        weights = facts["loss"].get("class_weight") if isinstance(facts["loss"], dict) else None
        form["loss"] = _LOSS if weights is None else {**_LOSS, "class_weight": {"*": _NUMBER}}
    if isinstance(facts.get("optimizer"), dict):
        form["optimizer"] = _OPTIMIZER
    if facts.get("outputs") and "metrics" in facts:  # a list for each output, by its name
        form["metrics"] = {"metrics": dict, "weighted_metrics": dict}
    return (
        form_problem("facts", facts, form)
        or _names(facts)
        or outputs_problem(facts, MAX_NAME)
        or _structure(facts)
        or _noise("noise", facts["noise"], shapes)
        or _noise("constants", facts.get("constants", {}), shapes)
        or _noise("float32_noise", facts.get("float32_noise", {}), shapes)
        or _loss_noise(facts, shapes)
        or _missing(facts, shapes)
        or metrics_problem(facts, shapes, MAX_NAME)
        or _sizes(facts, shapes, num_steps(steps, facts["num_parameters"]))
    )


def _names(facts: Mapping[str, Any]) -> str:
    """Names are keys of arrays: each stands once, and is one."""
    names = [node["name"] for node in facts["nodes"]]
    if not names:
        return "facts.nodes is empty"
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return f"two nodes have the name {name[:40]!r}"
        seen.add(name)
    for name in (*names, *facts["weights"]):
        if not 1 <= len(name) <= MAX_NAME:
            return f"the name {name[:40]!r} has {len(name):,} characters; expected 1 to {MAX_NAME}"
    for number, node in enumerate(facts["nodes"]):
        for source in node["sources"]:
            if source is not None and not -1 <= source < number:
                return (
                    f"the node {node['name'][:40]!r} has the source {source}; expected one before"
                )
    for label in (facts["loss"] or {}).get("class_weight") or {}:
        if not label.removeprefix("-").isdecimal() or len(label) > 18:
            return f"facts.loss.class_weight has the label {label[:40]!r}; expected an integer"
    return ""


def _structure(facts: Mapping[str, Any]) -> str:
    """The structure of the inputs, which older bundles lack, has each of them."""
    if "input_structure" not in facts:
        return ""
    problem = structure_problem(facts["input_structure"], len(facts["inputs"]))
    return problem and f"facts.input_structure: {problem}"


def _noise(fact: str, noise: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    for key, value in noise.items():
        if key not in shapes:
            return f"facts.{fact} speaks of the array {key[:60]!r}, which is not there"
        if not math.isfinite(value) or value < 0:
            return f"facts.{fact} of {key[:60]!r} is {value}; expected a number of at least 0"
    return ""


def _loss_noise(facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The effect of rounding on the loss of each step, which older bundles lack."""
    noise = facts.get("loss_noise", [])
    if noise and shapes.get("trajectory/losses") != (len(noise),):
        return "facts.loss_noise has not a number for each loss of 'trajectory/losses'"
    if any(not math.isfinite(value) or value < 0 for value in noise):
        return "facts.loss_noise: expected numbers of at least 0"
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
        if problem := shapes_problem(facts, shapes):
            return problem
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
