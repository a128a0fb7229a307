"""Which loss `compile` gives to which output of a Keras model, and the weight that it has.

A compiled model and what it returns go in. The loss of each output comes out, by the name of the
output; that of the only one by the name "".

Source: keras 3.15 `trainers/compile_utils.py` (`CompileLoss`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from parity.errors import InputError
from parity.halves.keras.check.outputs import flat_names, is_nest, leaves_by_path

# Words of `compile` that mean a crossentropy by the shapes of targets and outputs.
_BY_SHAPE = ("crossentropy", "ce")


def losses_of(model: keras.Model, output: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the loss of each output, as `compile` got it; None: it has none.

    Args:
        model: the model.
        output: what it returns for a batch.
        parts: its outputs by name; empty: there is one.
    """
    return _by_output(getattr(model, "loss", None), output, parts)


def weights_of(model: keras.Model, output: Any, parts: Mapping[str, Any]) -> dict[str, float]:
    """Returns the weight of the loss of each output that has one; 1 if none is given.

    Raises:
        InputError: a weight is no number.
    """
    given = getattr(model, "_loss_weights", None)  # Keras 2 asks the loss
    if given is None:
        of_model = getattr(model, "_compile_loss", None) or getattr(model, "compiled_loss", None)
        given = getattr(of_model, "_user_loss_weights", None)
    losses = losses_of(model, output, parts)
    weights = _by_output(1.0 if given is None else given, output, parts)
    try:
        return {
            name: 1.0 if weights.get(name) is None else float(weights[name])
            for name, loss in losses.items()
            if loss is not None
        }
    except (TypeError, ValueError):
        raise InputError(
            f"compile got loss_weights={given!r}, its third argument; expected numbers; give "
            "metrics by their name: compile(optimizer, loss, metrics=[...])"
        ) from None


def _by_output(given: Any, output: Any, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what belongs to each output: one thing for all, a list in order, or a mapping."""
    if not parts:
        only = [each for _, each in leaves_by_path(given)] if is_nest(given) else [given]
        return {"": next((each for each in only if each is not None), None)}
    if isinstance(given, Mapping):
        by_path = dict(leaves_by_path(given))
        return {name: by_path.get(name) for name in parts}
    if isinstance(given, tuple | list):
        flat = [each for _, each in leaves_by_path(given)]
        names = flat_names(output, parts)
        return dict.fromkeys(parts) | dict(zip(names, flat, strict=False))
    return dict.fromkeys(parts, given)


def name_of(loss: Any) -> str | None:
    """Returns the name of a loss: "sparse_categorical_crossentropy"; None without one."""
    if loss is None or is_nest(loss):
        return None
    if isinstance(loss, str):
        if loss.lower() in _BY_SHAPE:
            return loss.lower()
        found = keras.losses.get(loss)
        return str(getattr(found, "__name__", getattr(found, "name", loss)))
    return str(getattr(loss, "name", getattr(loss, "__name__", type(loss).__name__)))


def is_kerass(loss: Any) -> bool:
    """Whether a loss is one of Keras's, of which it is known what targets it takes."""
    if isinstance(loss, str):
        return True
    kind = loss if hasattr(loss, "__name__") else type(loss)
    function = getattr(loss, "fn", None)
    kinds = [kind] if function is None else [kind, function]
    return all(str(k.__module__).partition(".")[0] in ("keras", "tf_keras") for k in kinds)


def config_of(loss: Any) -> dict[str, Any]:
    """Returns the configuration of a loss object, with what its function gets; empty for others."""
    if not isinstance(loss, keras.losses.Loss):
        return {}
    config: dict[str, Any] = keras.losses.serialize(loss)
    if config:  # the config of a loss may lack an argument of its function, such as Huber's delta
        given = getattr(loss, "_fn_kwargs", {})
        config = {**config, "config": {**given, **config.get("config", {})}}
    return config
