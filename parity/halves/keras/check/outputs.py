"""Several outputs of a Keras model: their names, and all of them as one array.

What a model returns goes in. Its outputs by name come out, in the order of the model, and joined
side by side: (N, values of all outputs), as a check compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from parity.errors import InputError
from parity.halves.keras.call import Call


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
    parts = dict(_leaves(output, names))
    if isinstance(output, Mapping) and set(names) == set(parts):
        parts = {name: parts[name] for name in names}
    if not parts:
        raise InputError(
            f"the Keras model returns an empty {type(output).__name__}; expected a tensor, or a "
            "list, a tuple or a mapping of tensors"
        )
    return parts


def _leaves(nest: Any, names: Sequence[str], path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yields (name, tensor) of all tensors in a nest."""
    if isinstance(nest, Mapping):
        for key in nest:
            yield from _leaves(nest[key], names, (*path, str(key)))
    elif isinstance(nest, tuple | list):
        is_named = not path and len(set(names)) == len(names) == len(nest)
        for number, part in enumerate(nest):
            own = names[number] if is_named and not is_nest(part) else f"output_{number + 1}"
            yield from _leaves(part, names, (*path, own if not path else str(number)))
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
            own = str(number) if path else f"output_{number + 1}"
            yield from leaves_by_path(part, (*path, own))
    else:
        yield "/".join(path), nest


def is_nest(value: Any) -> bool:
    """Whether a value holds others."""
    return isinstance(value, Mapping | tuple | list)


def packed(output: Any, parts: Mapping[str, Any], by_name: Mapping[str, Any]) -> Any:
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


def told(parts: Mapping[str, Any], calls: Sequence[Call]) -> list[dict[str, Any]]:
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
