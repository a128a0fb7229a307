"""The inputs of a Keras model as it takes them: their names and shapes, and their structure.

A reference goes in. A slot for each input comes out, and how a batch is fed, in Keras's structure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Input, Reference
from parity.data.model_inputs import packed
from parity.errors import InputError
from parity.halves.keras import versions

# Layers that make numbers of texts.
_OF_TEXTS = ("StringLookup", "TextVectorization", "Hashing", "HashedCrossing")


@dataclass(frozen=True)
class Slot:
    """An input as the model or its user tells it; of `dtype`, "" is not known."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    told: Input


def as_fed(reference: Reference, arrays: Sequence[np.ndarray]) -> Any:
    """Returns the arrays of a batch in the structure in which a model takes them."""
    return packed(slots_of(reference)[0], [tf.constant(value) for value in arrays])


def in_order(reference: Reference, x: Any) -> Any:
    """Returns what `fit` gets as inputs in Keras's order, in which a port gets them.

    Raises:
        InputError: an input is missing.
    """
    if not isinstance(x, Mapping):
        return x
    structure, slots = slots_of(reference)
    if not isinstance(structure, Mapping):
        structure = {slot.name: number for number, slot in enumerate(slots)}
    if missing := [str(name) for name in structure if name not in x]:
        raise InputError(
            f"x has the names {', '.join(map(str, x))}; expected {', '.join(missing)} too, as "
            "the inputs of the Keras model are called"
        )
    return tuple(leaf for name in structure for leaf in _leaves(x[name]))


def as_taken(reference: Reference, x: Any) -> Any:
    """Returns inputs in Keras's order, as `in_order` makes them, as a model with names takes them.

    Args:
        reference: the model.
        x: inputs of `fit`; what is no tuple of all inputs is returned as it is.
    """
    structure, slots = slots_of(reference)
    if not isinstance(structure, Mapping) or not isinstance(x, tuple) or len(x) != len(slots):
        return x
    return packed(structure, x)


def slots_of(reference: Reference) -> tuple[Any, list[Slot]]:
    """Returns the structure of the inputs, and each of them in Keras's order.

    Raises:
        InputError: they are not known, or not what `Reference(inputs=...)` says.
    """
    model = reference.model
    tensors = list(getattr(model, "inputs", None) or [])
    if not tensors:
        return _slots_of_own_class(reference)
    nest = getattr(model, "_inputs_struct", None)
    if nest is None:
        nest = getattr(model, "_nested_inputs", None)
    structure, names = _numbered(nest if isinstance(nest, Mapping | list | tuple) else tensors)
    if len(names) != len(tensors) or not isinstance(structure, Mapping):
        names = [_name_of(tensor) for tensor in tensors] if _is_flat(structure) else names
    told = _told_of(reference, names)
    slots = [
        Slot(name, tuple(tensor.shape[1:]), _dtype_of(tensor), given)
        for name, tensor, given in zip(names, tensors, told, strict=True)
    ]
    return structure, slots


def _name_of(tensor: Any) -> str:
    """Returns the name of an input: that of its layer, since Keras numbers tensors without end."""
    layer = getattr(getattr(tensor, "_keras_history", None), "operation", None)
    return str(layer.name if isinstance(layer, keras.layers.InputLayer) else tensor.name)


def _is_flat(structure: Any) -> bool:
    return isinstance(structure, int) or (
        isinstance(structure, list) and all(isinstance(part, int) for part in structure)
    )


def _slots_of_own_class(reference: Reference) -> tuple[Any, list[Slot]]:
    """Returns the inputs of a subclassed model, as the user tells them."""
    given: Any = reference.inputs
    if given is None:
        given = [Input(tuple(shape)) for shape in reference.input_shapes]
    has_arrays = reference.x is not None and not versions.IS_KERAS_2
    if given == [] and has_arrays and versions.are_arrays(reference.x):
        given = keras.tree.map_structure(_of_array, reference.x)
    if given == [] and not versions.IS_KERAS_2:
        given = _built_for(reference.model)
    if given is None or given == []:
        raise InputError(
            "the Keras model does not know the shape of its input; build it, start it with "
            "keras.Input, or return keras_impl.Reference(model, inputs=keras_impl.Input(shape))"
        )
    structure, names = _numbered(given)
    leaves = list(_leaves(given))
    for name, leaf in zip(names, leaves, strict=True):
        if not isinstance(leaf, Input) or leaf.shape is None:
            raise InputError(
                f"Reference(inputs=...): input {name!r} is {leaf!r}; expected keras_impl.Input "
                "with a shape, since a subclassed model does not know it"
            )
    slots = [
        Slot(
            name if isinstance(given, Mapping) else f"input{number}",
            tuple(leaf.shape),
            leaf.dtype or "",
            leaf,
        )
        for number, (name, leaf) in enumerate(zip(names, leaves, strict=True))
    ]
    return structure, slots


def _built_for(model: Any) -> list[Input]:
    """Returns the input for whose shape a model of one input was built, or called on data."""
    shape = (model.get_build_config() or {}).get("input_shape") if model.built else None
    if not isinstance(shape, list | tuple) or not all(isinstance(n, int | None) for n in shape):
        return []  # of several inputs, or of none
    return [Input(tuple(shape[1:]))]


def _of_array(array: Any) -> Input:
    """Returns what an array that `fit` gets tells of an input."""
    array = np.asarray(array)
    is_text = array.dtype.kind not in "biuf"
    return Input(array.shape[1:], dtype=None if is_text else array.dtype.name)


def _told_of(reference: Reference, names: Sequence[str]) -> list[Input]:
    """Returns what the user tells of each input of a model that knows its inputs."""
    given: Any = reference.inputs
    if given is None:
        return [Input()] * len(names)
    if isinstance(given, Mapping) and not any(
        isinstance(v, Mapping | list) for v in given.values()
    ):
        if unknown := [str(name) for name in given if name not in names]:
            raise InputError(
                f"Reference(inputs=...): it has {', '.join(unknown)}; expected some of "
                f"{', '.join(names)}, the inputs of the Keras model"
            )
        found = [given.get(name) for name in names]
    else:
        found = list(_leaves(given))
    if len(found) != len(names):
        raise InputError(
            f"Reference(inputs=...): it has {len(found)} inputs; expected {len(names)}: "
            f"{', '.join(names)}; give None for one of which there is nothing to say"
        )
    for name, leaf in zip(names, found, strict=True):
        if leaf is not None and not isinstance(leaf, Input):
            raise InputError(
                f"Reference(inputs=...): input {name!r} is {leaf!r}; expected keras_impl.Input(...)"
            )
    return [Input() if leaf is None else leaf for leaf in found]


def _is_nest(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _leaves(nest: Any) -> Iterator[Any]:
    """Yields the leaves of a nest in Keras's order: that of a mapping is by its names."""
    if isinstance(nest, Mapping):
        for name in sorted(nest):
            yield from _leaves(nest[name])
    elif isinstance(nest, list | tuple):
        for part in nest:
            yield from _leaves(part)
    else:
        yield nest


def _numbered(nest: Any) -> tuple[Any, list[str]]:
    """Returns a nest with a number in the place of each leaf, and the path to each leaf."""
    names: list[str] = []

    def numbered(part: Any, path: str) -> Any:
        if isinstance(part, Mapping):
            return {str(n): numbered(part[n], f"{path}/{n}") for n in sorted(part)}
        if isinstance(part, list | tuple):
            return [numbered(each, f"{path}/{n}") for n, each in enumerate(part)]
        names.append(path.removeprefix("/") or "input")
        return len(names) - 1

    structure = numbered(nest, "")
    if structure == [0]:  # Keras takes the only input of a list as it is
        structure = 0
    return structure, names


def _dtype_of(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def refuse_texts(model: keras.Model) -> None:
    """Refuses a model that is fed texts, which a port cannot be given.

    Raises:
        InputError: it is.
    """
    inputs = getattr(model, "inputs", None) or []
    if not any("string" in str(getattr(x.dtype, "name", x.dtype)) for x in inputs):
        return
    layers = [layer for layer in model._flatten_layers() if type(layer).__name__ in _OF_TEXTS]
    told = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in layers)
    raise InputError(
        f"the Keras model is fed texts{f', which {told} takes' if told else ''}: cut it there, and "
        "let the factory return the rest, which starts with keras.Input(..., dtype='int64') or "
        "numbers; the texts are then prepared once, for both halves"
    )
