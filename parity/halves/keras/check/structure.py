"""What a Keras model takes and returns: names, shapes and structure of inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Input, Reference
from parity.data.samples import packed
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.call import Call
from parity.traces.facts import Output

# --------------------------------------------------------------------------------------------------
#
# The inputs of a Keras model as it takes them: their names and shapes, and their structure.
#
# A reference goes in. A slot for each input comes out, and how a batch is fed, in Keras's
# structure.


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


def in_input_structure(reference: Reference, x: Any) -> Any:
    """Returns inputs in Keras's order, as `in_order` makes them, as a model with names takes them.

    Args:
        reference: the model.
        x: inputs of `fit`; what is no tuple of all inputs is returned as it is.
    """
    # The form of one input is not asked for: a subclassed model that batches feed tells it nobody.
    if not isinstance(x, tuple):
        return x
    structure, slots = slots_of(reference)
    if not isinstance(structure, Mapping) or len(x) != len(slots):
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
        return _slots_of_subclassed(reference)
    nest = getattr(model, "_inputs_struct", None)
    if nest is None:
        nest = getattr(model, "_nested_inputs", None)
    structure, names = _numbered(nest if isinstance(nest, Mapping | list | tuple) else tensors)
    if len(names) != len(tensors) or not isinstance(structure, Mapping):
        names = [_name_of(tensor) for tensor in tensors] if _is_flat(structure) else names
    settings = _input_settings(reference, names)
    slots = [
        Slot(name, tuple(tensor.shape[1:]), _dtype_of(tensor), given)
        for name, tensor, given in zip(names, tensors, settings, strict=True)
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


def _slots_of_subclassed(reference: Reference) -> tuple[Any, list[Slot]]:
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


def _input_settings(reference: Reference, names: Sequence[str]) -> list[Input]:
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
    names = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in layers)
    raise InputError(
        f"the Keras model is fed texts{f', which {names} takes' if names else ''}: cut it there, "
        "and let the factory return the rest, which starts with keras.Input(..., dtype='int64') or "
        "numbers; the texts are then prepared once, for both halves"
    )


# --- Several outputs of a Keras model: their names, and all of them as one array ------------------
#
# What a model returns goes in. Its outputs by name come out, in the order of the model, and joined
# side by side: (N, values of all outputs), as a check compares them.


def outputs_of(model: keras.Model, output: Any) -> dict[str, Any]:
    """Returns the outputs of a model by their names; empty if it returns one tensor.

    The outputs of a list or a tuple have the names of their layers if the model tells them, else
    "output_1" and so on; those of a mapping its keys; nested ones paths: "boxes/size".

    Raises:
        InputError: the model returns something that is no tensor.
    """
    if tf.is_tensor(output):
        return {}
    names = list(getattr(model, "output_names", None) or [])
    parts = dict(_output_leaves(output, names))
    if isinstance(output, Mapping) and set(names) == set(parts):
        parts = {name: parts[name] for name in names}
    if not parts:
        raise InputError(
            f"the Keras model returns an empty {type(output).__name__}; expected a tensor, or a "
            "list, a tuple or a mapping of tensors"
        )
    return parts


def _output_leaves(nest: Any, names: Sequence[str], path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yields (name, tensor) of all tensors in a nest."""
    if isinstance(nest, Mapping):
        for key in nest:
            yield from _output_leaves(nest[key], names, (*path, str(key)))
    elif isinstance(nest, tuple | list):
        is_named = not path and len(set(names)) == len(names) == len(nest)
        for number, part in enumerate(nest):
            name = names[number] if is_named and not is_nest(part) else f"output_{number + 1}"
            yield from _output_leaves(part, names, (*path, name if not path else str(number)))
    elif hasattr(nest, "shape"):
        yield "/".join(path), nest
    else:
        raise InputError(
            f"the Keras model returns {type(nest).__name__} as its output {'/'.join(path)!r}; "
            "expected a tensor, or a list, a tuple or a mapping of tensors"
        )


def leaves_by_path(nest: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yields what a nest of settings for outputs holds, by the names that nested outputs have."""
    if isinstance(nest, Mapping):
        for key in nest:
            yield from leaves_by_path(nest[key], (*path, str(key)))
    elif isinstance(nest, tuple | list):
        for number, part in enumerate(nest):
            name = str(number) if path else f"output_{number + 1}"
            yield from leaves_by_path(part, (*path, name))
    else:
        yield "/".join(path), nest


def is_nest(value: Any) -> bool:
    """Whether a value holds others."""
    return isinstance(value, Mapping | tuple | list)


def packed_outputs(output: Any, parts: Mapping[str, Any], by_name: Mapping[str, Any]) -> Any:
    """Returns what belongs to each output, in the structure in which the model returns them.

    Args:
        output: of the model.
        parts: its outputs by name; empty: there is one.
        by_name: what belongs to each output; of the only one by the name "".
    """
    if not parts:
        return by_name[""]
    names = {id(part): name for name, part in parts.items()}
    return tf.nest.map_structure(lambda part: by_name[names[id(part)]], output)


def flat_names(output: Any, parts: Mapping[str, Any]) -> list[str]:
    """Returns the names of the outputs in the order in which Keras flattens them."""
    names = {id(part): name for name, part in parts.items()}
    return [names[id(part)] for part in tf.nest.flatten(output)]


def outputs_by_name(model: keras.Model, called: Callable[[], Any] = lambda: None) -> dict[str, Any]:
    """Returns the outputs of a model by their names; empty if they are not known.

    Those of a model of `keras.Input` are symbolic. The only one has the name "". Those of a flat
    mapping are in alphabetical order, as `fit` sorts them.

    Args:
        model: the model.
        called: returns what a model of its own class returns for a sample, since it does not tell
            this before it is called; None: it cannot be called.

    Raises:
        InputError: an output is no tensor.
    """
    outputs = list(getattr(model, "outputs", None) or [])
    returned = getattr(model, "_outputs_struct", outputs) if outputs else called()
    if returned is None:
        return {}
    found = {"": returned} if hasattr(returned, "shape") else outputs_of(model, returned)
    if len(found) == 1:
        return dict(zip([""], found.values(), strict=True))
    return dict(sorted(found.items())) if isinstance(returned, Mapping) else found


def joined(parts: Mapping[str, Any]) -> Any:
    """Returns outputs as one tensor, (N, values of all outputs)."""
    flat = [tf.reshape(part, (tf.shape(part)[0], -1)) for part in parts.values()]
    return tf.concat([tf.cast(part, tf.float64) for part in flat], axis=-1)


def output_facts(parts: Mapping[str, Any], calls: Sequence[Call]) -> list[Output]:
    """Returns name, shape of a sample, and last activation of each output, ready for JSON."""
    return [
        {
            "name": name,
            "shape": list(part.shape[1:]),
            "activation": None if (last := last_of(part, calls)) is None else activation(last),
        }
        for name, part in parts.items()
    ]


def last_of(output: Any, calls: Sequence[Call]) -> Call | None:
    """Returns the call that made an output."""
    return next((call for call in reversed(calls) if call.output is output), None)


def activation(call: Call) -> str | None:
    """Returns the name of the activation that a call is; None for a call of another kind.

    A softmax along another axis than the last is none: a port would have to be told the axis.
    """
    axis = call.config.get("axis")
    if isinstance(axis, int) and axis not in (-1, len(call.output.shape) - 1):
        return None
    return call.kind.partition("activation:")[2] or None


def loss_weights_of(model: keras.Model) -> dict[str, float]:
    """Returns the weight of each output's loss by the name of the output; empty for one output."""
    names = list(getattr(model, "output_names", None) or [])
    given = getattr(model, "_loss_weights", None)
    if given is None:
        given = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    if len(names) < 2 or isinstance(given, float):
        return {}
    if given is None:
        return dict.fromkeys(names, 1.0)
    by_name = given if isinstance(given, Mapping) else dict(zip(names, given, strict=False))
    return {str(name): float(weight) for name, weight in by_name.items() if weight is not None}
