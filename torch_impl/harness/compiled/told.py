"""What a Keras model was compiled with, from where it is told: a file, a config, or the model.

None of it needs Keras: a `.keras` and a bundle hold JSON, and a model is asked by its own methods.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.strict_json import read_start, read_strict
from parity.traces.bundle_archive import FACTS, check_archive, refusals
from parity.traces.bundle_spec import read_content
from parity.weights.keras_config import check_directory, config_in
from torch_impl.keras_config.compiled import Compiled, compiled_of_facts

EXPECTED = (
    "a .keras file, a bundle of `parity record`, model.get_compile_config() as a dictionary or as "
    "JSON text, or the Keras model"
)
_COMPILED, _MOST = "compile_config", 64 * 2**20
_RULES = ("_regularizer", "_constraint")


def compiled_in(given: Any) -> Compiled:
    """Returns what a model was compiled with.

    Args:
        given: the path of a `.keras`, of a bundle, or of a file of JSON; JSON text; a dictionary: a
            compile config, or what a `.keras` holds, in which it is; or a Keras model.

    Raises:
        InputError: it is none of these, or the model is not compiled.
    """
    if callable(getattr(given, "get_compile_config", None)):
        return _of_model(given)
    if isinstance(given, Mapping):
        return _of_config(given, "the config")
    if isinstance(given, str) and given.lstrip().startswith("{"):
        return _of_config(_json(given.encode(), "the config"), "the config")
    if isinstance(given, str | Path):
        return _of_file(Path(given))
    raise InputError(f"an object of type {type(given).__name__}: expected {EXPECTED}")


def _of_file(path: Path) -> Compiled:
    start = read_start(path, 29 + len(FACTS))
    if start[:4] == b"PK\3\4" and start[30:] == FACTS.encode():
        check_archive(path)
        with refusals(path), zipfile.ZipFile(path) as archive:
            return compiled_of_facts(read_content(archive)["facts"])
    if start[:4] == b"PK\3\4":
        try:
            check_directory(path)
            with zipfile.ZipFile(path) as archive:
                config = config_in(archive)
        except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: no .keras file that can be used: {_line(error)}") from None
        return _of_config(config, str(path))
    if start.lstrip()[:1] == b"{":
        return _of_config(_json(read_start(path, _MOST), str(path)), str(path))
    raise InputError(f"{path}: expected {EXPECTED}")


def _json(content: bytes, what: str) -> Any:
    try:
        return read_strict(content, _MOST)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{what}: no JSON that can be used: {_line(error)}") from None


def _of_config(config: Mapping[str, Any], what: str) -> Compiled:
    """Returns what a compile config says, or a whole one with a compile config in it."""
    model: Mapping[str, Any] = {}
    if _COMPILED in config or "layers" in config or "config" in config:
        model, config = config, config.get(_COMPILED) or {}
    compiled = _of_compile_config(config, what)
    return _about(compiled, model.get("config") or {})


def _of_compile_config(config: Mapping[str, Any], what: str) -> Compiled:
    if not isinstance(config, Mapping) or not (config.get("optimizer") or config.get("loss")):
        raise InputError(
            f"{what}: there is no optimizer and no loss in it, so the model is not compiled; call "
            "model.compile(...) before it is saved, or give what model.get_compile_config() returns"
        )
    return Compiled(
        optimizer=config.get("optimizer"),
        loss=config.get("loss"),
        loss_weights=config.get("loss_weights"),
        metrics=config.get("metrics"),
        weighted_metrics=config.get("weighted_metrics"),
    )


def _about(compiled: Compiled, model: Mapping[str, Any], outputs: Sequence[str] = ()) -> Compiled:
    """Returns the same with what the config of the model says."""
    return replace(compiled, outputs=outputs or _outputs(model), rules=sorted(set(_rules(model))))


def _outputs(model: Mapping[str, Any]) -> list[str]:
    """Returns the names of the outputs of a functional model; of a Sequential none."""
    told = model.get("output_layers")
    if isinstance(told, Mapping):
        return [str(name) for name in told]
    if isinstance(told, list) and all(isinstance(each, list) for each in told):
        return [str(each[0]) for each in told]
    return []


def _rules(config: Any, name: str = "") -> Iterator[str]:
    """Yields the settings in the config of a model that penalise or constrain its weights."""
    if isinstance(config, list):
        for each in config:
            yield from _rules(each, name)
    elif isinstance(config, Mapping):
        inner = config.get("config")
        if isinstance(inner, Mapping):
            name = str(inner.get("name") or name)
            if config.get("class_name") == "ActivityRegularization":
                yield f"{name}.activity_regularizer"
        for key, value in config.items():
            if str(key).endswith(_RULES) and value is not None:
                yield f"{name}.{key}"
            else:
                yield from _rules(value, name)


def _of_model(model: Any) -> Compiled:
    """Returns what a model of Keras says of itself, by its own methods."""
    try:
        config = model.get_compile_config()
    except Exception as error:  # of a class of the user, which may raise anything
        raise InputError(f"the model: its compile config cannot be had ({_line(error)})") from None
    measured = getattr(model, "_compile_metrics", None)
    objects = {
        "loss": getattr(model, "loss", None),
        "metrics": getattr(measured, "_user_metrics", None),
        "weighted_metrics": getattr(measured, "_user_weighted_metrics", None),
    }
    config = dict(config or {})
    for name, each in objects.items():
        if config.get(name) is not None:
            config[name] = _with_object(config[name], each)
    compiled = _of_compile_config(config, "the model")
    try:
        inner = model.get_config()
    except Exception:  # a model of the user's own class may have none
        inner = {}
    inner = inner if isinstance(inner, Mapping) else {}
    names = getattr(model, "output_names", None) or []
    return _about(compiled, inner, _outputs(inner) or [str(name) for name in names])


def _with_object(config: Any, thing: Any) -> Any:
    """Returns a config with what it lacks of its object: the module, and arguments of a function.

    Keras writes neither the module of a function nor the delta of a Huber loss.
    """
    if isinstance(thing, Mapping) and isinstance(config, Mapping):
        return {name: _with_object(part, thing.get(name)) for name, part in config.items()}
    if isinstance(thing, list | tuple) and isinstance(config, list | tuple):
        pairs = zip(config, thing, strict=False)
        return [_with_object(part, each) for part, each in pairs]
    if not isinstance(config, Mapping) or thing is None or isinstance(thing, str):
        return config
    parts = [thing, getattr(thing, "fn", None), getattr(thing, "_fn", None)]
    kinds = [x if hasattr(x, "__name__") else type(x) for x in parts if x is not None]
    own = [str(kind.__module__) for kind in kinds if not _is_kerass(kind)]
    found = dict(config)
    if own:
        found["module"] = own[0]
    given = getattr(thing, "_fn_kwargs", None)
    if isinstance(given, Mapping) and isinstance(found.get("config"), Mapping):
        found["config"] = {**given, **found["config"]}
    return found


def _is_kerass(kind: Any) -> bool:
    return str(kind.__module__).partition(".")[0] in ("keras", "tf_keras")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
