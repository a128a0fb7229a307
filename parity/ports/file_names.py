"""The names of a program as plain names: the one place where they come into what is written.

A file of a stranger calls layers and models what it likes. Whatever is written, and the twin that
runs before, has plain names (`names.is_plain`); most names are, and stay. Names that are data, such
as those of outputs, arrays and metrics, are Keras's, and stand in the source as literals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.ports.program import attribute, distinct, is_plain
from torch_impl.keras_config.model import legal_name
from torch_impl.keras_config.rules import NoTwinError

_MOST = 1000  # characters of a name that is data
_ENDS = ("input_layers", "output_layers")
_SIGN = "#"  # behind the name of a layer: which of several with this name


@dataclass(frozen=True)
class PlainNames:
    """What a package is written of, with plain names.

    Attributes:
        facts: of the trace of the Keras half.
        weights: by Keras's paths, in which outer models may be left out.
        of_keras: name of a weight in these facts -> its name in the trace.
    """

    facts: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    of_keras: Mapping[str, str]


def with_plain_names(facts: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> PlainNames:
    """Gives layers and models plain names, wherever they are named.

    Args:
        facts: of the trace of the Keras half, with "program".
        weights: by their names there, with "/" in the place of the first ".".

    Raises:
        NoTwinError: a name is no text, or is too long to be one.
    """
    program = facts["program"]
    custom = facts.get("own") or {}
    _check(facts)
    found = list(_names_in(program["model"]))
    names = _Names([*found, *custom.get("layers", {})])
    renamed: dict[str, Any] = {
        "program": {
            **program,
            "model": names.config(program["model"]),
            "draws": [[names.path(path), number] for path, number in program["draws"]],
            "shared": [names.of(name) for name in program["shared"]],
        },
        "own": custom and names.own(custom),
    }
    for key in ("undecayed", "weights"):
        if key in facts:
            given = facts[key]
            renamed[key] = (
                {names.weight(name): each for name, each in given.items()}
                if isinstance(given, Mapping)
                else [names.weight(name) for name in given]
            )
    if "added_losses" in facts:
        renamed["added_losses"] = [names.of(name) for name in facts["added_losses"]]
    paths = {path: path.replace("/", ".", 1) for path in weights}
    by_path = {
        names.weight(name).replace(".", "/", 1): weights[path] for path, name in paths.items()
    }
    of_keras = {names.weight(name): name for name in [*facts.get("weights", ()), *paths.values()]}
    return PlainNames({**facts, **renamed}, by_path, of_keras)


class _Names:
    """Knows the plain name of each layer.

    Args:
        names: Keras's, of all layers and models.
    """

    def __init__(self, names: Sequence[str]) -> None:
        known = dict.fromkeys(names)
        self._known = frozenset(known)
        self._plain: dict[str, str] = {}
        legal: dict[str, str] = {}  # of those that stay
        for name in known:
            if is_plain(name) and legal.setdefault(legal_name(name), name) == name:
                self._plain[name] = name
        used = {*self._plain, *legal}
        for name in known:
            if name not in self._plain:
                self._plain[name] = distinct(attribute(name), used)
                used |= {self._plain[name], legal_name(self._plain[name])}

    def of(self, name: str) -> str:
        """Returns the plain name of a layer; another text stays."""
        return self._plain.get(name, name)

    def path(self, path: str) -> str:
        """Returns a path of layers with "/" between them, which no name has.

        A layer whose name is empty is not in Keras's paths of its weights.
        """
        parts = path.split("/")
        if len(parts) == 1 and "" in self._known and path not in self._known:
            parts = ["", path]
        return "/".join(map(self.of, parts))

    def weight(self, name: str) -> str:
        """Returns the name of a weight in a trace: that of its layer, ".", its path below it.

        A layer may have "." in its name, too: the longest that is known is meant.
        """
        ends = [at for at, letter in enumerate(name) if letter == "."]
        for end in reversed(ends):
            layer, sign, number = name[:end].partition(_SIGN)
            if name[:end] in self._known:
                layer, sign, number = name[:end], "", ""
            if layer in self._known and (not sign or number.isdecimal()):
                return f"{self.of(layer)}{sign}{number}.{self._below(name[end + 1 :])}"
        layer, dot, below = name.partition(".")
        return f"{self.of(layer)}{dot}{self._below(below)}"

    def _below(self, path: str) -> str:
        return "/".join(map(self.of, path.split("/")))

    def config(self, value: Any, key: str = "") -> Any:
        """Returns a part of a config."""
        if isinstance(value, Mapping):
            is_entry = _is_entry(value)
            return {
                name: self.of(each)
                if name == "name" and isinstance(each, str) and (is_entry or key == "config")
                else self.config(each, key if key.endswith(_ENDS) else name)
                for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            if _is_place(value) and (key == "keras_history" or key.endswith(_ENDS)):
                return [self.of(value[0]), *value[1:]]
            return [self.config(each, key if key.endswith(_ENDS) else "") for each in value]
        return value

    def own(self, custom: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the facts of the user's own code."""

        def below(entries: Mapping[str, Any]) -> dict[str, Any]:
            parts = {key: key.rpartition("/") for key in entries}
            return {
                f"{self.of(layer)}{slash}{rest}": entries[key]
                for key, (layer, slash, rest) in parts.items()
            }

        changed: dict[str, Any] = {}
        if "layers" in custom:
            changed["layers"] = {self.of(name): each for name, each in custom["layers"].items()}
        changed |= {key: below(custom[key]) for key in ("functions", "rules") if key in custom}
        if "inlined" in custom:
            inlined = custom["inlined"].items()
            changed["inlined"] = {self.weight(name): self.path(path) for name, path in inlined}
        if "refused" in custom:
            changed["refused"] = [self.of(name) for name in custom["refused"]]
        return {**custom, **changed}


def _is_entry(value: Mapping[str, Any]) -> bool:
    """Whether a mapping is the entry of a layer or a model, or of anything else with a config."""
    return "class_name" in value and isinstance(value.get("config"), Mapping)


def _is_place(value: Sequence[Any]) -> bool:
    return len(value) == 3 and isinstance(value[0], str) and not isinstance(value[1], str)


def _names_in(value: Any) -> Iterator[str]:
    """Yields the names of all that has one in a config.

    Raises:
        NoTwinError: one is no text.
    """
    if isinstance(value, list | tuple):
        for each in value:
            yield from _names_in(each)
    if not isinstance(value, Mapping):
        return
    if _is_entry(value):
        for name in (value.get("name"), value["config"].get("name")):
            if name is not None:
                whose = f"a {str(value['class_name'])[:40]!r}"
                _check_name(name, whose)
                if "/" in name:  # which Keras has between the parts of a path
                    raise NoTwinError([f"{whose} has the name {name[:40]!r}: expected no '/'"])
                yield name
    for each in value.values():
        yield from _names_in(each)


def _check(facts: Mapping[str, Any]) -> None:
    """Checks the names that are data."""
    for kind in ("inputs", "outputs"):
        for each in facts.get(kind) or ():
            _check_name(each["name"], f"one of the {kind}")


def _check_name(name: Any, whose: str) -> None:
    if not isinstance(name, str):
        raise NoTwinError([f"{whose} has the name {str(name)[:40]!r}: expected a text"])
    if len(name) > _MOST:
        message = f"{whose} has a name of {len(name):,} characters, {name[:20]!r}..."
        raise NoTwinError([f"{message}: expected at most {_MOST:,}"])
