"""The weights of a model with operations of TensorFlow, in a file that Keras 2 wrote.

Keras finds weights by the order of the layers: that of their depth in the graph. An operation that
is several nodes in Keras 3, or none, moves layers to other depths. So the layers are put in the
order of the file as long as the weights are read.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import keras

from parity.halves.keras.program.old_file import configs_in

_HOME = "keras.src.ops."


def has_operations(config: Any) -> bool:
    """Whether there are operations in a configuration of Keras 3, which may be of any form."""
    if isinstance(config, Mapping):
        if str(config.get("module")).startswith(_HOME):
            return True
        config = list(config.values())
    return isinstance(config, list) and any(map(has_operations, config))


def model_in_old_order(path: Path, custom_objects: Mapping[str, Any]) -> Any:
    """Returns the model of a renewed file of Keras 2, compiled if it was.

    Args:
        path: of a `.keras` or `.h5`, with its configurations in the words of Keras 3.
        custom_objects: by the names that the file has for them.
    """
    config, training = (*configs_in(path), None)[:2]
    named = dict(custom_objects)
    taken = copy.deepcopy(config)  # Keras takes it apart
    model: Any = keras.saving.deserialize_keras_object(taken, custom_objects=named)
    with _in_order(model, config):
        model.load_weights(path)
    if training is not None:
        utils: Any = keras.src.legacy.saving.saving_utils
        model.compile(**utils.compile_args_from_training_config(training, named))
    return model


@contextmanager
def _in_order(model: Any, config: Mapping[str, Any]) -> Iterator[None]:
    """Gives all functional models in a model the order of the layers in its configuration."""
    with ExitStack() as stack:
        for inner, settings in _models(model, config):
            places = {str(each["name"]): k for k, each in enumerate(settings["layers"])}
            stack.enter_context(_sorted(inner, places))
        yield


@contextmanager
def _sorted(model: Any, places: Mapping[str, int]) -> Iterator[None]:
    own = vars(model)  # TensorFlow watches what is set as an attribute, or in the lists themselves
    before = {name: own[name] for name in ("_operations", "_layers")}
    try:
        for name, layers in before.items():
            own[name] = sorted(layers, key=lambda layer: places[layer.name])
        yield
    finally:
        own.update(before)


def _models(layer: Any, config: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yields the functional models in a layer, and their settings."""
    settings = config["config"]
    if isinstance(settings.get("layers"), list):
        if "input_layers" in settings:
            yield layer, settings
        own = {each.name: each for each in layer.layers}
        for each in settings["layers"]:
            if (inner := own.get(each["config"].get("name"))) is not None:
                yield from _models(inner, each)
    elif isinstance(inner := settings.get("layer"), Mapping) and hasattr(layer, "layer"):
        yield from _models(layer.layer, inner)
