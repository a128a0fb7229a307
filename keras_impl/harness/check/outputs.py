"""Several outputs of a Keras model: their names, and all of them as one array.

What a model returns goes in. Its outputs by name come out, in the order of the model, and joined
side by side: (N, values of all outputs), as a check compares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_impl.harness.calls import Call
from parity.errors import InputError
from parity.ladder.incomplete import SEVERAL_OUTPUTS


def outputs_of(model: keras.Model, output: Any) -> dict[str, Any]:
    """Returns the outputs of a model by their names; empty if it returns one tensor.

    Raises:
        InputError: they are nested, or have no names.
    """
    if tf.is_tensor(output):
        return {}
    names = list(getattr(model, "output_names", None) or [])
    if isinstance(output, Mapping):
        parts = {name: output[name] for name in (names if set(names) == set(output) else output)}
    elif isinstance(output, tuple | list) and len(names) == len(output):
        parts = dict(zip(names, output, strict=True))
    else:
        raise InputError(
            f"the Keras model returns {type(output).__name__} without names; expected one tensor, "
            "or a model of keras.Input with several outputs, or a mapping by name"
        )
    if not parts or not all(map(tf.is_tensor, parts.values())):
        raise InputError(
            "the Keras model returns outputs in outputs; expected a list, a tuple or a mapping of "
            "tensors"
        )
    return parts


def outputs_by_name(model: keras.Model) -> dict[str, Any]:
    """Returns the symbolic outputs of a model by their names; empty if they are not known.

    The only one has the name "". Those of a dictionary have its keys as names, in alphabetical
    order, as `fit` sorts them.

    Raises:
        InputError: they are nested; or a model of its own class has several, which it does not tell
            before it is called.
    """
    outputs = list(getattr(model, "outputs", None) or [])
    if not outputs and _num_losses(model) > 1:
        raise InputError(
            f"{type(model).__name__} has several outputs, and does not tell their names and shapes "
            "before it is called; expected a model of keras.Input with several outputs"
        )
    if len(outputs) < 2:
        return dict(zip([""], outputs, strict=False))
    nest = getattr(model, "_outputs_struct", outputs)
    if isinstance(nest, Mapping):
        found = {str(name): nest[name] for name in sorted(nest)}
    else:
        found = dict(zip(model.output_names, outputs, strict=False))
    if len(found) != len(outputs) or not all(hasattr(each, "shape") for each in found.values()):
        raise InputError(
            "the Keras model returns outputs in outputs; expected a list, a tuple or a mapping of "
            "tensors"
        )
    return found


def _num_losses(model: keras.Model) -> int:
    given = getattr(model, "loss", None)
    return len(given) if isinstance(given, Mapping | list | tuple) else 1


def joined(parts: Mapping[str, Any]) -> Any:
    """Returns outputs as one tensor, (N, values of all outputs)."""
    flat = [tf.reshape(part, (tf.shape(part)[0], -1)) for part in parts.values()]
    return tf.concat([tf.cast(part, tf.float64) for part in flat], axis=-1)


def told(parts: Mapping[str, Any], calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Returns name, shape of a sample, and last activation of each output, ready for JSON."""
    last = {id(call.output): call.kind for call in calls}
    kinds = {name: last.get(id(part), "") for name, part in parts.items()}
    return [
        {
            "name": name,
            "shape": list(part.shape[1:]),
            "activation": kinds[name].partition("activation:")[2] or None,
        }
        for name, part in parts.items()
    ]


def left_open() -> dict[str, str]:
    """Returns what a check leaves open for a model with several outputs."""
    return {
        "what": SEVERAL_OUTPUTS,
        "why": "a check compares their values in eval mode, and the loss of one output alone",
        "do": "`parity run` trains both halves whole, and compares every loss, metric and weight",
    }


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
