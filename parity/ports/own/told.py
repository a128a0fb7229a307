"""The user's own code in the config of a model: its entries know how it is written, and run.

config + what the Keras half tells -> config that knows, stubs, what a twin runs in their place
"""

from __future__ import annotations

import copy
import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from parity.ports.calls import CUSTOM
from parity.ports.names import distinct
from parity.ports.own.facts import Facts, OwnFunction, StandIn
from parity.ports.own.own_rules import own_rule
from parity.ports.own.stubs import classes_of
from torch_impl.keras_config.graph import Config
from torch_impl.keras_config.planned import Planned

_TAKEN = ("x", "torch", "nn", "F", "layers", "activations", "OPERATIONS", "with_mask")


@dataclass(frozen=True)
class Told:
    """A config that knows the user's own code.

    Attributes:
        config: of the model.
        custom: what its twin needs: see `from_keras_config`.
        functions: of the user's, each once.
        problems: a sentence for each part that cannot be written.
        refused: names of layers that are told there, of which a twin says the same.
    """

    config: dict[str, Any]
    custom: dict[str, Callable[..., Any]]
    functions: list[OwnFunction]
    problems: list[str]
    refused: list[str]


def told_to(config: Config, own: Facts) -> Told:
    """Returns a config whose entries know the user's own code.

    Args:
        config: `model.get_config()`.
        own: what the Keras half tells.
    """
    told = Told(copy.deepcopy(dict(config)), {}, [], list(own["problems"]), own["refused"])
    planned = classes_of(own["layers"], told.problems)
    known: dict[Any, OwnFunction] = {}
    for name, facts in own["layers"].items():
        told.problems.extend(
            f"layer {name!r} of class {facts['class']!r}: {problem}"
            for problem in facts["problems"]
        )
    for name, facts in own["layers"].items():
        if facts["function"] is None:
            told.custom[name] = _standing_in(facts, planned.get(name))
        else:
            told.custom[name] = _known(known, facts["function"], name, StandIn(facts))
    for key, facts in own["functions"].items():
        told.custom[key] = _known(known, facts, key.rpartition("/")[0], None)
    for entry in _entries(told.config):
        entry[CUSTOM] = told.custom
        for key, facts in own["rules"].items():
            layer, _, setting = key.rpartition("/")
            if layer == entry["config"].get("name"):
                entry["config"][setting] = own_rule(facts, key)
        if entry["class_name"] == "Lambda":
            _without_masks(entry)
    functions = {function.name: function for function in known.values()}
    told.functions.extend(functions.values())
    return told


def _standing_in(facts: Facts, written: Planned | None) -> Callable[..., Any]:
    return lambda entry: StandIn(facts, written)


def _known(
    known: dict[Any, OwnFunction], facts: Facts, layer: str, lambda_: StandIn | None
) -> OwnFunction:
    """Returns a function of the user's, of which several layers may have the same one.

    Args:
        known: gets it.
        facts: of it.
        layer: Keras's name of the layer that has it.
        lambda_: stands in for that layer, if it is a Lambda.
    """
    source, given = facts["source"], facts.get("arguments", {})
    same = [each for each in known.values() if each.number == facts["number"]]
    if same:
        name, users = same[0].name, same[0].users
    else:
        plain = facts["name"] if facts["name"].isidentifier() else f"function_of_{layer}"
        taken = [*_TAKEN, *keyword.kwlist, *(each.name for each in known.values())]
        name, users = distinct(re.sub(r"\W", "_", plain), taken), []
    users.append(f"layer {layer!r}")
    layout = "any layout: images have channels first" if lambda_ is None else "Keras's layout"
    number = facts["number"]
    found = OwnFunction(name, facts["name"], number, source, users, given, layout, lambda_)
    known[layer, lambda_ is None] = found
    return found


def _without_masks(entry: dict[str, Any]) -> None:
    """Takes the masks from the calls of a Lambda, whose function does not get them in Keras."""
    for node in entry.get("inbound_nodes", ()):
        if isinstance(node, dict):
            node.get("kwargs", {}).pop("mask", None)


def _entries(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in config["layers"]:
        yield from _of_entry(entry)


def _of_entry(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields an entry, and those of the layers that it applies, or that are in it as a model."""
    if "layers" in entry["config"]:
        yield from _entries(entry["config"])
        return
    yield entry
    for key in ("layer", "backward_layer"):
        inner = entry["config"].get(key)
        if isinstance(inner, dict) and "config" in inner:
            yield from _of_entry(inner)
