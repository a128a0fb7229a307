"""A file of a whole model as the reference: `.keras`, or `.h5` of `model.save`.

A path goes in. The model comes out, as Keras loads it, compiled if it was. The file is input from
outside: what it says it consists of is looked at first, and nothing in it is run.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np

from parity.errors import InputError
from parity.files.private import private_folder
from parity.halves.keras.program.old_file import configs_in, renewed_file, version_of
from parity.halves.keras.program.old_order import has_operations, model_in_old_order
from parity.halves.keras.program.renewed_config import changed

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
                told = " ".join(str(error).split())[:300]
                raise InputError(
                    f"{path.name}: Keras {keras.__version__} cannot load it "
                    f"({type(error).__name__}: {told}); expected {_expected(path)}"
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
