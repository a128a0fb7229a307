"""What a Keras model was compiled with: read from a file, a config, or the model.

None of it needs Keras: a `.keras` and a bundle hold JSON, and a model is asked by its own methods.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from torch_impl.errors import PortError
from torch_impl.keras_config.compiled import Compiled, compiled_of_facts

EXPECTED = (
    "a .keras file, a bundle of `parity record`, model.get_compile_config() as a dictionary or as "
    "JSON text, or the Keras model"
)
_COMPILED = "compile_config"
_MOST, _MOST_DIRECTORY = 64 * 2**20, 4 * 2**20  # bytes
# What zipfile and zlib raise on damaged bytes; RuntimeError covers encryption.
_DAMAGE = (EOFError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
_RULES = ("_regularizer", "_constraint")


def compiled_in(given: Any) -> Compiled:
    """Returns what a model was compiled with.

    Args:
        given: the path of a `.keras`, of a bundle, or of a file of JSON; JSON text; a dictionary: a
            compile config, or what a `.keras` holds, in which it is; or a Keras model.

    Raises:
        PortError: it is none of these, or the model is not compiled.
    """
    if callable(getattr(given, "get_compile_config", None)):
        return _of_model(given)
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = _json(given.encode())
        except ValueError as error:
            raise PortError(f"the config: no JSON that can be used: {_line(error)}") from None
    if isinstance(given, Mapping):
        return _of_config(given, "the config")
    if isinstance(given, str | Path):
        return _of_file(Path(given))
    raise PortError(f"an object of type {type(given).__name__}: expected {EXPECTED}")


def _of_file(path: Path) -> Compiled:
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\3\4":
                config = _of_archive(file)
            else:
                file.seek(0)
                config = _json(file.read(_MOST + 1))
    except OSError as error:
        raise PortError(
            f"{path} cannot be read ({error.strerror or error}); check the path"
        ) from None
    except _DAMAGE as error:
        raise PortError(f"{path}: {_line(error)}; expected {EXPECTED}") from None
    if isinstance(facts := config.get("facts"), Mapping):  # of a bundle
        return compiled_of_facts(facts)
    return _of_config(config, str(path))


def _of_archive(file: IO[bytes]) -> Mapping[str, Any]:
    """Returns the JSON of a `.keras` or of a bundle.

    zipfile reads the directory of an archive whole, whatever its size: it is looked at before.
    """
    file.seek(-22, os.SEEK_END)
    end = file.read()
    if end[:4] != b"PK\5\6" or int.from_bytes(end[12:16], "little") > _MOST_DIRECTORY:
        raise ValueError("its directory is damaged, or too large")
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name in ("config.json", "bundle.json")]
        if len(names) != 1 or archive.getinfo(names[0]).file_size > _MOST:
            raise ValueError("it holds no description of a model, or one that is too large")
        with archive.open(names[0]) as member:
            return _json(member.read(_MOST + 1))


def _json(content: bytes) -> Mapping[str, Any]:
    """Returns a mapping.

    Raises:
        ValueError: it is none, or too large.
    """
    if len(content) > _MOST:
        raise ValueError(f"it has more than {_MOST:,} bytes")
    try:
        value = json.loads(content.decode())
    except RecursionError:
        raise ValueError("its JSON is nested too deep") from None
    if not isinstance(value, Mapping):
        raise ValueError(f"its JSON is a {type(value).__name__}, and no mapping")
    return value


def _of_config(config: Mapping[str, Any], what: str) -> Compiled:
    """Returns what a compile config says, or a whole one with a compile config in it."""
    model: Mapping[str, Any] = {}
    if _COMPILED in config or "layers" in config or "config" in config:
        model, config = config, config.get(_COMPILED) or {}
    compiled = _of_compile_config(config, what)
    return _about(compiled, model.get("config") or {})


def _of_compile_config(config: Mapping[str, Any], what: str) -> Compiled:
    if not isinstance(config, Mapping) or not (config.get("optimizer") or config.get("loss")):
        raise PortError(
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
    layers = model.get("output_layers")
    if isinstance(layers, Mapping):
        return [str(name) for name in layers]
    if isinstance(layers, list) and all(isinstance(each, list) for each in layers):
        return [str(each[0]) for each in layers]
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
        raise PortError(f"the model: its compile config cannot be had ({_line(error)})") from None
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
