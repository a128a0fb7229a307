"""What the facts of a bundle look like, checked before anything relies on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
_LOSS = {"name": str, "config": dict, "class_weight": (dict, _NONE)}
_OPTIMIZER = {"class": str, "config": dict}


def check_facts(facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Returns what is wrong with the facts of a bundle, "" if nothing is.

    Args:
        facts: of the bundle.
        shapes: of its arrays, by key.
    """
    form = dict(_FORM)
    if facts.get("loss") is None:  # then there is no output activation either
        form.pop("output_activation")
    else:
        form["loss"] = _LOSS
    if isinstance(facts.get("optimizer"), dict):
        form["optimizer"] = _OPTIMIZER
    problem = _problem("facts", facts, form)
    return problem or _missing(facts, shapes)


def _problem(path: str, value: Any, form: Any) -> str:
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{path} is no list"
        return next(
            (p for n, item in enumerate(value) if (p := _problem(f"{path}[{n}]", item, form[0]))),
            "",
        )
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"{path} is no mapping"
        for name, inner in form.items():
            keys = value if name == "*" else [name]
            for key in keys:
                if key not in value:
                    return f"{path} has no {key!r}"
                if problem := _problem(f"{path}.{key[:40]}", value[key], inner):
                    return problem
        return ""
    kinds = form if isinstance(form, tuple) else (form,)
    if isinstance(value, bool) and bool not in kinds:
        return f"{path} is true or false"
    if not isinstance(value, kinds):
        return f"{path} is of type {type(value).__name__}"
    return ""


def _missing(facts: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The arrays that the facts speak of are there, and have the shapes that they say."""
    expected: dict[str, list[int] | None] = {
        f"weights/{name}": entry["shape"] for name, entry in facts["weights"].items()
    }
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
    if facts["loss"] is not None:
        expected |= {"target/probe": None, "loss/value": None, "loss/confident/linear": None}
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
