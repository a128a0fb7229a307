"""Dataclasses from plain values, of which every one is checked by its annotation.

    from_plain(Judgement, {"verdict": "overfit", ...}, "sweep.json: rows[3]")

The inverse of `dataclasses.asdict` for values that JSON can hold: text, numbers, lists, mappings,
other dataclasses, and unions of these with None. Nothing is turned into what it is not, but for a
whole number where a float is expected, and a list where a tuple is.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from parity.errors import InputError

T = TypeVar("T")


def from_plain(kind: type[T], value: Any, where: str) -> T:
    """Returns a dataclass with the values of a mapping.

    Args:
        kind: the dataclass; fields with a default may be missing.
        value: from JSON, decoded.
        where: what is told of the place if something is wrong.

    Raises:
        InputError: a field is missing, unknown, or of another type.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected an object, found {_told(value)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := [name for name in value if name not in fields]:
        raise InputError(f"{where}: unknown {_told(unknown[0])}; expected {', '.join(fields)}")
    hints = _hints(kind)  # type: ignore[arg-type]
    given = {
        name: _read(hints[name], value[name], f"{where}: {name}")
        for name in fields
        if name in value
    }
    for name, field in fields.items():
        has_default = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        if name not in given and not has_default:
            raise InputError(f"{where}: {name} is missing")
    return kind(**given)


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is typing.Literal:
        if value in arguments and not isinstance(value, bool):
            return value
    elif dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type, hint), value, where)
    elif origin in (tuple, list, Sequence):
        if isinstance(value, list | tuple):
            items = [_read(arguments[0], v, f"{where}[{n}]") for n, v in enumerate(value)]
            return tuple(items) if origin is tuple else items
    elif origin in (dict, Mapping):
        if isinstance(value, Mapping):
            return {str(k): _read(arguments[1], v, f"{where}: {k}") for k, v in value.items()}
    elif hint is float:
        if isinstance(value, float | int) and not isinstance(value, bool):
            return float(value)
    elif hint is types.NoneType:
        if value is None:
            return None
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise InputError(f"{where}: expected {_name(hint)}, found {_told(value)}")


def _one_of(hints: Sequence[Any], value: Any, where: str) -> Any:
    for hint in hints:
        try:
            return _read(hint, value, where)
        except InputError:
            continue
    told = " or ".join(_name(hint) for hint in hints)
    raise InputError(f"{where}: expected {told}, found {_told(value)}")


def _name(hint: Any) -> str:
    if hint is types.NoneType:
        return "null"
    return getattr(hint, "__name__", None) or str(hint).removeprefix("typing.")


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
