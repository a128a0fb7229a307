"""What the arrays and facts of a bundle look like, checked before anything relies on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from parity.data.draws import ENOUGH
from parity.data.probe_inputs import MAX_EPOCHS, MAX_SEQUENCES, NUM_OPTIMIZER_STEPS, SCHEDULE_STEPS
from parity.data.samples import structure_problem
from parity.files.records import problem
from parity.programs.check_spec import num_steps
from parity.traces.facts import Facts
from parity.traces.trace import keyed

# --- Which arrays a bundle needs of the losses of its model, and which shapes they have -----------
#
# The facts of a bundle and the shapes of its arrays go in; what is wrong comes out. Of a model with
# several outputs, each has arrays of its own: `target/probe/NAME`.


Shapes = Mapping[str, tuple[int, ...]]


def names_of(facts: Mapping[str, Any]) -> list[str]:
    """Returns the names of several outputs; [""] for the only one."""
    return [each["name"] for each in facts.get("outputs") or []] or [""]


def outputs_problem(facts: Mapping[str, Any]) -> str:
    """Returns what is wrong with the facts of several outputs, "" if nothing is."""
    found = facts.get("outputs") or []
    if not found:
        return ""
    names = [each["name"] for each in found]
    if len({*names}) < len(names):
        return "two of facts.outputs have the same name"
    if facts["output_shape"] != [sum(math.prod(each["shape"]) for each in found)]:
        return "facts.outputs have other values together than facts.output_shape says"
    if facts["loss"] is not None:
        of_loss = facts["loss"].get("outputs")
        if not of_loss or {*of_loss} - {*names}:
            return "facts.loss.outputs is no mapping from names of outputs"
    if any(isinstance(each, list) for each in facts.get("metrics", {}).values()):
        return "facts.metrics is no mapping from names of outputs"
    return ""


def needed(facts: Mapping[str, Any]) -> set[str]:
    """Returns the keys of the arrays that the losses need."""
    if facts["loss"] is None:
        return set()
    names = names_of(facts)
    found = {"loss/value", *(keyed("target/probe", name) for name in names)}
    if facts.get("confident", True):
        found |= {keyed("loss/confident/linear", name) for name in names}
    return found


def shapes_problem(facts: Mapping[str, Any], shapes: Shapes) -> str:
    """Returns which array of the losses has another shape than the facts say, "" if none has."""
    if facts["loss"] is None:
        return ""
    sizes = [list(each["shape"]) for each in facts.get("outputs") or []]
    for name, sides in zip(names_of(facts), sizes or [facts["output_shape"]], strict=True):
        if problem := _of_output(facts, shapes, name, sides):
            return problem
    for key, samples in _weights(facts, shapes):
        if shapes[key][:1] != samples:
            return f"the array {key[:80]!r} has the shape {shapes[key]}; expected {samples} samples"
    return ""


def _of_output(facts: Mapping[str, Any], shapes: Shapes, name: str, sides: list[int]) -> str:
    if facts.get("confident", True):
        key = keyed("loss/confident/linear", name)
        linear = shapes[key]
        if list(linear[1:]) != sides:
            return f"the array {key[:80]!r} has the shape {linear}; the output another"
        key = keyed("loss/confident/target", name)
        if shapes.get(key, ())[:1] != linear[:1]:
            return f"the array {key[:80]!r} is missing, or has other samples"
        key = keyed("loss/confident/gradient", name)
        if shapes.get(key) != linear:
            return f"the array {key[:80]!r} has the shape {shapes.get(key)}; expected {linear}"
    for part in ("loss/of", "loss/confident/of"):
        if name and shapes.get(f"{part}/{name}", ()) != ():
            return f"the array '{part}/{name[:40]}' is no number"
    return ""


def _weights(facts: Mapping[str, Any], shapes: Shapes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields each array of weights, and the number of its samples.

    The arrays that are there are gone through, not the steps that a bundle claims.
    """
    names = names_of(facts)
    for key in shapes:
        part, _, rest = key.partition("/")
        purpose, _, name = rest.partition("/")
        if part == "weight" and name in ("", *names):
            of = "loss/confident/target" if purpose == "confident" else f"target/{purpose}"
            yield key, shapes.get(keyed(of, names[0]), ())[:1]


# --- Which arrays a bundle needs of the metrics of its model, and which shapes they have ----------


def metrics_problem(facts: Mapping[str, Any], shapes: Shapes) -> str:
    """Returns what is wrong with what metrics say and were given, "" if nothing is."""
    probe = facts.get("metric_probe") or {}
    names, sizes = probe.get("names", []), probe.get("sizes", [])
    if not names:
        return ""
    if not sizes or "weights" not in probe:
        return "facts.metric_probe has no 'sizes' or 'weights'"
    for name in names:
        for part, number in (("given", len(sizes)), ("eval", 2), ("train", 2)):
            key = f"metric/{part}/{name}"
            if shapes.get(key, ())[:1] != (number,):
                return f"the array {key[:80]!r} has the shape {shapes.get(key)}; expected {number}"
    return _given(facts, shapes, sum(sizes))


def _given(facts: Mapping[str, Any], shapes: Shapes, num: int) -> str:
    sides = [tuple(each["shape"]) for each in facts.get("outputs") or []]
    for name, side in zip(names_of(facts), sides or [tuple(facts["output_shape"])], strict=True):
        for what in ("linear", "output"):
            key = keyed(f"metric_input/{what}", name)
            if shapes.get(key) != (num, *side):
                return (
                    f"the array {key[:80]!r} is missing, or has another shape than {(num, *side)}"
                )
        key = keyed("metric_input/target", name)
        if shapes.get(key, ())[:1] != (num,):
            return f"the array {key[:80]!r} is missing, or has other samples"
        probe = shapes.get(keyed("target/probe", name), ())[:1]
        for part, samples in (("given", (num,)), ("eval", probe), ("train", probe)):
            key = keyed(f"metric_input/weight/{part}", name)
            if key in shapes and shapes[key][:1] != samples:
                return f"the array {key[:80]!r} has the shape {shapes[key]}; expected {samples}"
    return ""


# --- Which arrays a bundle may hold, told by their names, dtypes and shapes -----------------------


MAX_KEY = 1_000  # characters
MAX_RANK = 8  # NumPy's own limit is 64; of Keras's layers none goes beyond 5
# First part of a key -> dtypes. Keras computes in float64; inputs may be tokens, targets classes.
_ANY = ("F64", "F32", "I64", "I32", "U8", "BOOL")
PARTS = {
    "init": ("F64",),
    "weights": ("F64",),
    "built": ("F64",),
    "state": ("F64",),
    "batches": ("F64",),  # statistics of a normalisation that is called several times
    "input": ("F64", "I64", "BOOL"),
    "target": ("F64", "I64"),
    "weight": ("F64",),  # of samples
    "forward": _ANY,  # what passes between layers may be tokens or masks
    "mask": ("BOOL", "F64"),  # the noise of a layer is in the place of a mask
    "draw": ("F64", "I64"),  # random numbers, as the model's own code draws them
    "augmented": ("F64",),  # images that layers changed at random
    "image_state": ("I64",),  # of the generators of these layers
    "image_changes": ("F64",),
    "counted": ("BOOL",),  # where masks of sequences say that values count
    "loss": ("F64",),
    "metric": ("F64",),
    "metric_input": ("F64",),
    "gradient": ("F64",),
    "penalty_gradient": ("F64",),
    "output_gradient": ("F64",),
    "optimizer": ("F64",),
    "trajectory": ("F64",),
    "schedule": ("F64",),
    "start": ("F64",),  # of a whole run, as the next one
    "order": ("I64",),
}
# Beginnings of keys.
_OTHER_DTYPES = {
    "loss/confident/target": ("F64", "I64"),
    "metric_input/target": ("F64", "I64"),
    "schedule/stopped": ("I64",),
}


def check_array(key: str, dtype: Any, shape: Any) -> str:
    """Returns what is wrong with an array of a trace, "" if nothing is.

    Args:
        key: of the array.
        dtype: as a safetensors header names it.
        shape: a list of its sides.
    """
    part = key.partition("/")[0]
    if part not in PARTS:
        return f"the array {key[:60]!r} is none that this version knows; record it again"
    others = [
        dtypes for start, dtypes in _OTHER_DTYPES.items() if f"{key}/".startswith(f"{start}/")
    ]
    dtypes = others[0] if others else PARTS[part]
    if dtype not in dtypes:
        shown = f"the array {key[:60]!r} is {str(dtype)[:20]!r}"
        return f"{shown}; expected {' or '.join(dtypes)}"
    return check_form(key, dtype, shape)


def check_form(key: str, dtype: Any, shape: Any, dtypes: tuple[str, ...] = _ANY) -> str:
    """Returns what is wrong with an array of any use, as `check_array` does."""
    shown = f"the array {key[:60]!r}"
    if len(key) > MAX_KEY:
        return f"{shown} has a name of {len(key):,} characters; expected at most {MAX_KEY:,}"
    if dtype not in dtypes:
        return f"{shown} is {str(dtype)[:20]!r}; expected {' or '.join(dtypes)}"
    if not isinstance(shape, list) or not all(type(side) is int and side >= 1 for side in shape):
        return f"{shown} has the shape {str(shape)[:60]}; expected integers of at least 1"
    if len(shape) > MAX_RANK:
        return f"{shown} has {len(shape)} axes; expected at most {MAX_RANK}"
    return ""


# --- What the facts of a bundle look like, checked before anything relies on it -------------------


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
    known_names: set[str] = set()
    for number, node in enumerate(facts["nodes"]):
        name = node["name"]
        if name in known_names:
            return f"two nodes have the name {name[:40]!r}"
        known_names.add(name)
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
