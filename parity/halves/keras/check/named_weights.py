"""The weights of a model by their names in the trace, and by their paths below layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from parity.halves.keras.check.initializers import initializers
from parity.halves.keras.check.model import named_variables
from parity.halves.keras.check.own_layers import is_graph, is_own
from parity.halves.keras.versions import path_of


@dataclass(frozen=True)
class Weights:
    """The weights of a model, before its layers got other names for a while.

    Attributes:
        variables: by their names in the trace.
        initial: how they began, by the same names.
    """

    variables: Mapping[str, Any]
    initial: Mapping[str, Any]


def weights_of(model: keras.Model) -> Weights:
    """Returns the weights of a model."""
    return Weights(named_variables(model), initializers(model))


def paths_apart(model: Any) -> dict[int, str]:
    """Returns paths through all models inside, where Keras gives several layers or weights one.

    Args:
        model: of any kind; one without a graph has none.

    Returns:
        ID of a layer or variable -> its path.
    """
    found: dict[int, str] = {}
    names: dict[str, set[int]] = {}

    def walk(holder: Any, before: str) -> None:
        for layer in holder.layers if is_graph(holder) else ():
            path = f"{before}{layer.name}"
            if is_graph(layer):
                walk(layer, f"{path}/")
                continue
            names.setdefault(layer.name, set()).add(id(layer))
            found.setdefault(id(layer), path)
            for variable in layer.variables:
                names.setdefault(path_of(variable), set()).add(id(variable))
                found.setdefault(id(variable), f"{path}/{below(layer, variable)}")

    walk(model, "")
    several = {each for ids in names.values() if len(ids) > 1 for each in ids}
    return {each: path for each, path in found.items() if each in several}


def paths_on_top(graph: Any, weights: Weights) -> dict[str, str]:
    """Returns paths of weights that have not the name of their layer, since one inside has it.

    Args:
        graph: a functional model, whose own layers have names of their own.
        weights: of it.

    Returns:
        Path by the name in the trace: "dense/kernel" of "dense#2.kernel". Without the user's own
        layers, which tell the paths of their weights.
    """
    names = {id(variable): name for name, variable in weights.variables.items()}
    return {
        names[id(variable)]: f"{layer.name}/{below(layer, variable)}"
        for layer in (graph.layers if is_graph(graph) else ())
        if not is_graph(layer) and not is_own(layer)
        for variable in layer.variables
        if "#" in names.get(id(variable), "")
    }


def below(layer: Any, variable: Any, name: str = "") -> str:
    """Returns the path of a variable below a layer.

    Args:
        layer: has the variable.
        variable: of the layer, or of one inside of it.
        name: that the layer had when the variable was made; "": that of today.
    """
    parts, name = path_of(variable).split("/"), name or layer.name
    if name in parts:
        return "/".join(parts[parts.index(name) + 1 :])
    # The layers of a functional model had their weights before it had them.
    for inner in layer.layers if is_graph(layer) else ():
        if any(each is variable for each in inner.variables):
            return f"{inner.name}/{below(inner, variable)}"
    return parts[-1]
