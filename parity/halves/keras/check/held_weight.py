"""HeldWeight: a weight of a layer of the user's own as a tensor of a graph.

The code of such a layer computes with its weights. While it runs, its attributes are tensors of the
graph in their place, so that the graph has what is done with them, and the weights too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from parity.halves.keras.check.attributes import named_attributes_of
from parity.halves.keras.noted_initializers import noted_initializer
from parity.halves.keras.versions import is_kerass_own, is_weight

WEIGHT = "value"  # the name of the weight below its HeldWeight


class HeldWeight(keras.layers.Layer):
    """Returns a weight, whatever the tensor beside it is; a graph reaches layers by tensors.

    Args:
        variable: the weight, which the layer of the user's own still has.
        attribute: of that layer.
    """

    def __init__(self, variable: Any, attribute: str) -> None:
        super().__init__(dtype=variable.dtype)
        self.variable, self.attribute = variable, attribute
        self.built = True

    def call(self, beside: Any) -> Any:
        """Returns the weight.

        Args:
            beside: a tensor of the graph.
        """
        return keras.ops.convert_to_tensor(self.variable)

    def compute_output_spec(self, beside: Any) -> keras.KerasTensor:
        """Returns the shape and dtype of the weight; no axis is that of a batch."""
        return keras.KerasTensor(tuple(self.variable.shape), dtype=self.variable.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns shape, initialiser and rules of the weight."""
        told = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "dtype": str(self.variable.dtype),
            "trainable": bool(self.variable.trainable),
            "shape": list(self.variable.shape),
            f"{WEIGHT}_initializer": told(noted_initializer(self.variable)),
            f"{WEIGHT}_regularizer": told(self.variable.regularizer),
            f"{WEIGHT}_constraint": told(self.variable.constraint),
        }


def weights_in(layer: Any) -> list[Any]:
    """Returns the weights that a layer has itself, and not by a layer inside of it."""
    own = (*layer._trainable_variables, *layer._non_trainable_variables)
    return [variable for variable in own if is_weight(variable)]


def can_be_held(layer: Any) -> bool:
    """Whether a config can tell all weights that a layer of the user's own has itself.

    They are of real numbers, in the dtype in which the layer computes; Keras's own initialisers and
    rules belong to them; an attribute has each, and no layer inside has it, too.
    """
    inner = {id(v) for each in layer._flatten_layers(include_self=False) for v in each.variables}
    held = {id(variable) for _, variable in _attributes(layer)}
    return all(
        id(variable) in held
        and id(variable) not in inner
        and variable.dtype == layer.compute_dtype
        and "float" in str(variable.dtype)
        and _is_told(noted_initializer(variable))
        and all(
            rule is None or _is_told(rule) for rule in (variable.regularizer, variable.constraint)
        )
        for variable in weights_in(layer)
    )


def _is_told(part: Any) -> bool:
    return part is not None and is_kerass_own(part) and hasattr(part, "get_config")


def _attributes(layer: Any) -> list[tuple[str, Any]]:
    """Returns (name, weight) of the attributes of a layer, and of the entries of its lists."""
    known = {id(variable) for variable in weights_in(layer)}
    return [each for each in named_attributes_of(layer) if id(each[1]) in known]


@contextmanager
def weights_as_tensors(layer: Any, beside: Any, known: dict[int, HeldWeight]) -> Iterator[None]:
    """Lets the attributes of a layer be tensors in the place of its weights.

    Args:
        layer: of the user's own, for which `can_be_held` is true.
        beside: a tensor of the graph.
        known: by the IDs of weights; gets those that are new.
    """
    tensors: dict[int, Any] = {}
    for name, variable in _attributes(layer):
        if id(variable) not in tensors:
            held = known.setdefault(id(variable), HeldWeight(variable, name))
            tensors[id(variable)] = held(beside)
    changed = {name.partition(".")[0] for name, _ in _attributes(layer)}
    before = {name: vars(layer)[name] for name in changed}
    for name, value in before.items():
        # Not by setattr: Keras keeps a list of what a layer holds, and such a list of its own.
        layer.__dict__[name] = _replaced(value, tensors)
    try:
        yield
    finally:
        layer.__dict__.update(before)


def _replaced(value: Any, tensors: Mapping[int, Any]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(tensors.get(id(each), each) for each in value)
    return tensors[id(value)]
