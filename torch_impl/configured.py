"""What Keras's configurations of small objects say: initialisers, regularisers, constraints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def named(
    config: str | Mapping[str, Any], table: Mapping[str, Kind], noun: str
) -> tuple[Kind, dict[str, Any]]:
    """Returns what a table has for a configuration, and the settings in it.

    Args:
        config: a name, or a dictionary with "class_name" and "config", as `serialize` makes it.
        table: by Keras's names.
        noun: what the table has, for the message.

    Raises:
        ValueError: the table has no such name.
    """
    name = config if isinstance(config, str) else config["class_name"]
    settings = {} if isinstance(config, str) else dict(config.get("config") or {})
    if name not in table:
        raise ValueError(f"{noun} {name!r}: expected one of {sorted(table)}")
    return table[name], settings
