"""The fix of a divergence: what the torch half tried on the probe, and what helped.

A change that helped is printed in the place of the registry's general text. Where changes were
tried in vain, a text that suggests the same changes is not printed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from parity.divergences import REGISTRY
from parity.divergences.names import modules_text
from parity.divergences.places import STATE, Places

if TYPE_CHECKING:
    from parity.ladder.result import Found
    from parity.traces.trace import Trace

FORWARD = "forward"  # the item of all that a layer gets and makes
IN_VAIN = "compare the two by hand: no change that Keras's settings suggest ends it"
_MOST_TEXTS = 6  # of one divergence; modules with other code are listed by name
_OF_MODULE = re.compile(r"(.*)  # module `([^`\n]+)`(.*)")

Record = Mapping[str, Any]
Site = tuple[str, str]  # Keras's layer or "", and an item of it


def with_fix(found: Found, keras: Trace, port: Trace) -> Found:
    """Returns a divergence whose causes say what helped.

    Args:
        found: the divergence, with the texts of the registry.
        keras: the results of Keras.
        port: the results of the port, with the facts `fixes` and `no_fixes`.
    """
    sites = sites_of(found, keras, port)
    records = fixes_of(found, sites, port)
    vain = {_site(record) for record in _of_level(port, "no_fixes", found.level)}
    if not records and not vain & sites:
        return found
    told = "\n".join(_listed(dict.fromkeys(str(record["text"]) for record in records)))
    causes = [
        {**cause, "fix": IN_VAIN} if REGISTRY[cause["id"]].is_mechanical else cause
        for cause in found.causes
    ]
    if records and causes:
        causes[0] = {**causes[0], "fix": told, "tried": True}
    return dataclasses.replace(found, causes=tuple(causes))


def _listed(texts: Iterable[str]) -> list[str]:
    """Returns lines of code for all modules that need one; those of one code share a line."""
    found: dict[tuple[str, str], list[str]] = {}
    for text in texts:
        match = _OF_MODULE.fullmatch(text)
        code, name, rest = match.groups() if match else (text, "", "")
        found.setdefault((code, rest), []).extend([name] if name else [])
    lines = []
    for number, ((code, rest), names) in enumerate(found.items()):
        if number < _MOST_TEXTS or not names:
            lines.append(f"{code}  # {modules_text(names)}{rest}" if names else code)
    more = [name for names in list(found.values())[_MOST_TEXTS:] for name in names]
    return [*lines, *([f"# and likewise in {modules_text(more)}"] if more else [])]


def fixes_of(found: Found, sites: set[Site], port: Trace) -> list[Record]:
    """Returns the records of the changes that end a divergence, as few as will do.

    Args:
        found: the divergence.
        sites: of it; see `sites_of`.
        port: the results of the port.
    """
    records = [r for r in _of_level(port, "fixes", found.level) if _site(r) in sites]
    needed: list[Record] = []
    open_sites = set(sites)
    for record in sorted(records, key=lambda record: -len(_ends(record) & sites)):
        if open_sites & _ends(record):
            needed.append(record)
            open_sites -= _ends(record)
    return needed


def _of_level(port: Trace, key: str, level: str) -> list[Record]:
    return [record for record in port.facts.get(key, ()) if record["level"] == level]


def _site(record: Record) -> Site:
    return str(record["layer"]), str(record["item"])


def _ends(record: Record) -> set[Site]:
    """Returns all sites that a change ends."""
    return {(str(record["layer"]), str(item)) for item in (record.get("ends") or [record["item"]])}


def sites_of(found: Found, keras: Trace, port: Trace) -> set[Site]:
    """Returns the sites that a divergence is of."""
    if found.level != FORWARD:
        return {("", found.level)}
    places = Places(keras, port)
    return {
        (places.layer_of(name) or "", name.removesuffix(STATE) if name.endswith(STATE) else FORWARD)
        for name in found.items or (found.item.name,)
    }
