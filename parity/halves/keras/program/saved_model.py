"""A file of a whole model as the reference: `.keras`, or `.h5` of Keras 2 and 3."""

from __future__ import annotations

import copy
import inspect
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from parity.errors import InputError
from parity.files.atomic import private_folder
from parity.weights.old_config import (
    NO_RULE,
    changed_rules,
    entries_in,
    is_operation,
    one_axis,
    renewed_graph,
)

# --- Configurations that Keras 2 wrote, in the words of Keras 3 -----------------------------------
#
# A configuration goes in, of a model or of what it was compiled with, and comes out for Keras 3.
# What a setting does is never changed: what Keras 3 has no more is left out where it was off, and
# stays where it was on, so that Keras refuses it by name.


_MODELS_OF_RENEWED_CONFIG = {
    "Functional": "functional",
    "Model": "functional",
    "Sequential": "sequential",
}
_OFF: tuple[Any, ...] = (None, False)
_ALONE = {"groups": 1, "trainable": True}  # of layers that have no such argument
_UNUSED = {"SeparableConv1D": ("kernel_initializer",), "SeparableConv2D": ("kernel_initializer",)}
_OF_OPTIMIZERS = ("is_legacy_optimizer", "jit_compile")
_OF_EVERY_LAYER = ("name", "trainable", "dtype", "activity_regularizer", "input_shape")


def renewed(config: Any) -> Any:
    """Returns a configuration with all layers, models and optimizers in it as Keras 3 has them."""
    if isinstance(config, list):
        return [renewed(each) for each in config]
    if not isinstance(config, Mapping):
        return config
    found = {key: renewed(value) for key, value in config.items()}
    if isinstance(compiled := found.get("compile_config"), dict):
        found["compile_config"] = {k: v for k, v in compiled.items() if v is not None}
    kind, settings = found.get("class_name"), found.get("config")
    if not isinstance(kind, str) or not isinstance(settings, dict):
        return found
    kind = found["class_name"] = kind.removeprefix("Custom>")
    if found.get("registered_name") == f"Custom>{kind}":
        found["registered_name"] = kind
    if kind in _MODELS_OF_RENEWED_CONFIG:
        file = _MODELS_OF_RENEWED_CONFIG[kind]
        if file == "functional":
            found["config"] = renewed_graph(settings, _without_slashes)
        return {**found, "class_name": file.capitalize(), "module": f"keras.src.models.{file}"}
    if kind == "Policy":
        return settings.get("name")
    if kind == "MeanMetricWrapper" and isinstance(settings.get("fn"), str):
        return _metric(settings)
    if hasattr(keras.optimizers.schedules, kind):
        found["config"] = {k: v for k, v in settings.items() if (k, v) != ("name", None)}
    elif inspect.isclass(getattr(keras.optimizers, kind, None)):
        found = {**found, "module": "keras.optimizers", "config": _optimizer(settings)}
    elif inspect.isclass(getattr(keras.layers, kind, None)):
        if kind != "InputLayer":
            settings = _layer(kind, settings)
        if "name" in settings:
            settings = {**settings, "name": _without_slashes(settings["name"])}
        found["config"] = settings
        found = {"module": "keras.layers", "registered_name": None, **found}
    return found


def changed(config: Any) -> Iterator[str]:
    """Yields what of a configuration of Keras 2 the classes of Keras 3 do not compute alike.

    Args:
        config: as Keras 2 wrote it.
    """
    yield from changed_rules(config)
    for entry in entries_in(config):
        kind, settings = entry["class_name"], entry["config"]
        name = settings.get("name")
        if _is_kerass(entry, kind) and not (is_operation(entry) or _is_there(kind)):
            yield f"the class {kind!r} of layer {name!r}, which Keras 3 has not"


def _is_kerass(config: Mapping[str, Any], kind: str) -> bool:
    """Whether a class is Keras's and a layer: it has a name, and no package of the user's."""
    module = config.get("module", "keras.layers")
    is_layer = isinstance(module, str) and module.startswith(("keras.layers", "keras.src.layers"))
    return is_layer and {"name", "trainable"} <= set(config["config"]) and ">" not in kind


def _is_there(kind: str) -> bool:
    return kind in _MODELS_OF_RENEWED_CONFIG or hasattr(keras.layers, kind)


def _without_slashes(name: Any) -> Any:
    """Returns the name of a layer as Keras 3 allows it."""
    return name.replace("/", "_") if isinstance(name, str) else name


def _metric(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a metric of which Keras 2 has written the function by its name."""
    kind = "".join(part.capitalize() for part in settings["fn"].split("_"))
    config = {key: value for key, value in settings.items() if key != "fn"}
    return {
        "module": "keras.metrics",
        "class_name": kind,
        "config": config,
        "registered_name": None,
    }


def _layer(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = _arguments(getattr(keras.layers, kind))
    settings = one_axis(kind, settings)
    unused = (*NO_RULE, *_UNUSED.get(kind, ()))
    return {
        key: value
        for key, value in settings.items()
        if key in known
        or not (key in unused or value in _OFF or (key in _ALONE and value == _ALONE[key]))
    }


def _optimizer(settings: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in settings.items() if key not in _OF_OPTIMIZERS}
    decay = found.pop("decay", None)  # of optimizers before Keras 2.11
    if decay:
        found["learning_rate"] = {
            "module": "keras.optimizers.schedules",
            "class_name": "InverseTimeDecay",
            "config": {
                "initial_learning_rate": found.get("learning_rate"),
                "decay_steps": 1,
                "decay_rate": decay,
            },
            "registered_name": None,
        }
    return found


def _arguments(kind: Any) -> set[str]:
    """Returns the names of the arguments of a layer class, with those that it passes on."""
    found: set[str] = set()
    for each in inspect.getmro(kind):
        made = vars(each).get("__init__")
        if not inspect.isfunction(made):
            continue
        parameters = inspect.signature(made).parameters
        found |= set(parameters)
        if all(one.kind is not one.VAR_KEYWORD for one in parameters.values()):
            return found
    return found | set(_OF_EVERY_LAYER)


# --- A file of a whole model that Keras 2 wrote, as one that Keras 3 can read ---------------------


_CONFIG, _METADATA = "config.json", "metadata.json"
_OF_H5 = ("model_config", "training_config")


def version_of(path: Path) -> str:
    """Returns the version of the Keras that wrote a `.keras` or `.h5`; "" if it does not say."""
    version: Any = ""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if _METADATA in archive.namelist():
                metadata = json.loads(archive.read(_METADATA))
                version = metadata.get("keras_version") if isinstance(metadata, dict) else ""
    else:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("keras_version")
    return version.decode() if isinstance(version, bytes) else str(version or "")


def configs_in(path: Path) -> list[Any]:
    """Returns the configurations in a file: of the model, and of what an `.h5` was compiled with.

    What a `.keras` was compiled with is in that of its model.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return [json.loads(archive.read(_CONFIG))]
    with h5py.File(path, "r") as file:
        texts = [file.attrs.get(name) for name in _OF_H5]
    return [json.loads(text) for text in texts if text is not None]


def renewed_file(path: Path, folder: Path) -> Path:
    """Returns a copy of a file of Keras 2, with its configurations in the words of Keras 3.

    Args:
        path: of the file.
        folder: for the copy, which has the name of the file.
    """
    copy = folder / path.name
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
            for each in old.infolist():
                content = old.read(each)
                if each.filename == _CONFIG:
                    content = json.dumps(renewed(json.loads(content))).encode()
                new.writestr(each, content)
        return copy
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        for name in _OF_H5:
            if name in file.attrs:
                file.attrs[name] = json.dumps(renewed(json.loads(file.attrs[name])))
    return copy


# --- The weights of a model with operations of TensorFlow, in a file that Keras 2 wrote -----------
#
# Keras finds weights by the order of the layers: that of their depth in the graph. An operation
# that is several nodes in Keras 3, or none, moves layers to other depths. So the layers are put in
# the order of the file as long as the weights are read.


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
    config_copy = copy.deepcopy(config)  # Keras takes it apart
    model: Any = keras.saving.deserialize_keras_object(config_copy, custom_objects=named)
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
    # TensorFlow watches what is set as an attribute, or in the lists themselves.
    attributes = vars(model)
    before = {name: attributes[name] for name in ("_operations", "_layers")}
    try:
        for name, layers in before.items():
            attributes[name] = sorted(layers, key=lambda layer: places[layer.name])
        yield
    finally:
        attributes.update(before)


def _models(layer: Any, config: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yields the functional models in a layer, and their settings."""
    settings = config["config"]
    if isinstance(settings.get("layers"), list):
        if "input_layers" in settings:
            yield layer, settings
        layers_by_name = {each.name: each for each in layer.layers}
        for each in settings["layers"]:
            if (inner := layers_by_name.get(each["config"].get("name"))) is not None:
                yield from _models(inner, each)
    elif isinstance(inner := settings.get("layer"), Mapping) and hasattr(layer, "layer"):
        yield from _models(layer.layer, inner)


# --- A file of a whole model as the reference: `.keras`, or `.h5` of `model.save` -----------------
#
# A path goes in. The model comes out, as Keras loads it, compiled if it was. The file is input from
# outside: what it says it consists of is looked at first, and nothing in it is run.


_FRAMEWORKS = ("keras", "tensorflow", "tf_keras", "builtins")
# Of these, a file has the code or the name of a program, and not what a layer computes.
_RUN = ("Lambda", "__lambda__", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper")
_READ = ("vocabulary",)  # a text here is the path of a file that Keras would read
_FUNCTIONS = ("activations", "losses", "metrics", "ops")
_HOMES = (
    *("layers", "models", "initializers", "regularizers", "constraints", "losses", "metrics"),
    *("optimizers", "optimizers.schedules", "activations", "dtype_policies", "quantizers", "ops"),
)
# Keras writes these names into an `.h5`, and does not find them when it reads it.
_SHORT = ("mse", "mae", "mape", "msle", "kld")
_MODELS = ("Functional", "Model", "Sequential")


def saved_model(path: Path) -> Callable[[], keras.Model]:
    """Returns the factory of a model in a file.

    Args:
        path: of a file that `parity.runs.model_files` has looked at.

    Raises:
        InputError: from the factory: the file has code of the user's, all of which is named, or
            Keras cannot load it.
    """

    def load() -> keras.Model:
        with _readable(path) as readable:
            problems = list(dict.fromkeys(_foreign(configs_in(readable), "")))
            if problems:
                raise InputError(
                    f"{path.name} needs {'; '.join(problems)}; code in a file is never run, nor "
                    "found by its name: expected a function of your own that builds the model, or "
                    f'loads the file by keras.models.load_model("{path.name}", '
                    "custom_objects={...}), as MODULE:FUNCTION"
                )
            try:
                short = {name: keras.losses.get(name) for name in _SHORT}
                model = _loaded(readable, short)
            except Exception as error:  # of any part of Keras, for any config
                message = " ".join(str(error).split())[:300]
                raise InputError(
                    f"{path.name}: Keras {keras.__version__} cannot load it "
                    f"({type(error).__name__}: {message}); expected {_expected(path)}"
                ) from error
        if not isinstance(model, keras.Model):
            raise InputError(f"{path.name} has a {type(model).__name__}; expected a model")
        _renew_optimizer(model)
        _renew_rate(getattr(model, "optimizer", None))
        model._parity_file = path.name
        return model

    return load


def _expected(path: Path) -> str:
    """Returns what to give in the place of a file that Keras cannot load."""
    function = "a function of your own that builds the model and loads its weights"
    if version_of(path).startswith("2.") or zipfile.is_zipfile(path):
        return f"a file that keras.models.load_model loads, or {function}"
    # Such as x + y between layers: `model.save` writes it, and `load_model` does not read it.
    return (
        "a file that keras.models.load_model loads: Keras writes some models into an .h5 which it "
        f"cannot read again, and can as .keras; or {function}"
    )


def _loaded(path: Path, custom_objects: Mapping[str, Any]) -> Any:
    if version_of(path).startswith("2.") and has_operations(configs_in(path)):
        return model_in_old_order(path, custom_objects)
    return keras.models.load_model(path, custom_objects=dict(custom_objects), safe_mode=True)


@contextmanager
def _readable(path: Path) -> Iterator[Path]:
    """Yields the file, or a copy of one of Keras 2 as Keras 3 can read it.

    Raises:
        InputError: Keras 3 computes something in it otherwise, all of which is named.
    """
    if not version_of(path).startswith("2."):
        yield path
        return
    if problems := list(dict.fromkeys(changed(configs_in(path)))):
        raise InputError(
            f"{path.name}, a file of Keras 2, has {'; '.join(problems)}: expected a function of "
            "your own that builds the model in Keras 3 and loads its weights"
        )
    with private_folder("old") as folder, warnings.catch_warnings():
        # A check begins with a new state of the optimizer, and Keras 3 cannot read that of Keras 2.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        yield renewed_file(path, folder)


def _renew_optimizer(model: keras.Model) -> None:
    """Replaces an optimizer that Keras has built for no weights, as it does for some `.h5`.

    Keras refuses every step of it: its variables are none of the model's.
    """
    optimizer: Any = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built and not optimizer._trainable_variables:
        model.optimizer = type(optimizer).from_config(optimizer.get_config())


def _renew_rate(optimizer: Any) -> None:
    """Gives an optimizer the rate of the program: a file has what float32 left of 0.01."""
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, keras.Variable):
        kept = float(rate.numpy())
        written = float(f"{kept:.7g}")
        if np.float32(written) == np.float32(kept):
            rate.assign(written)


def _foreign(value: Any, layer: str) -> Iterator[str]:
    """Yields what in a configuration is code that is not Keras's.

    Args:
        value: part of the configuration.
        layer: name of the layer that it belongs to.
    """
    if isinstance(value, list):
        for each in value:
            yield from _foreign(each, layer)
    if not isinstance(value, Mapping):
        return
    kind, config = value.get("class_name"), value.get("config")
    if isinstance(kind, str) and "config" in value:
        name = config.get("name") if isinstance(config, Mapping) else None
        layer = str(name or value.get("name") or layer)
        of_layer = f" of layer {layer!r}" if layer else ""
        if kind in _RUN:
            yield f"the code of a {kind.strip('_')}{', layer ' + repr(layer) if layer else ''}"
            return
        if kind == "function":
            if not _is_known(config, _FUNCTIONS):
                yield f"the function {config!r}{of_layer}"
        elif _is_foreign(value, kind):
            yield f"the class {kind!r}{of_layer}"
    for key, each in value.items():
        if key in _READ and isinstance(each, str):
            yield f"the path of a file, {key} of layer {layer!r}"
        yield from _foreign(each, layer)


def _is_foreign(value: Mapping[str, Any], kind: str) -> bool:
    """Whether a class is none of Keras's."""
    if kind.startswith("__") and kind.endswith("__"):  # a tuple, a tensor
        return False
    module, registered = value.get("module"), value.get("registered_name")
    if isinstance(module, str):
        return module.partition(".")[0] not in _FRAMEWORKS or ">" in str(registered or "")
    return kind not in _MODELS and not _is_known(kind, _HOMES)


def _is_known(name: Any, homes: tuple[str, ...]) -> bool:
    """Whether Keras has a name in one of these modules, of which an older one lacks some."""
    found = [attrgetter(home)(keras) for home in homes if hasattr(keras, home.partition(".")[0])]
    return isinstance(name, str) and any(hasattr(home, name) for home in found)
