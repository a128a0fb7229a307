"""Names the causes of every divergence of a check, and takes those out that the user accepts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.divergences import REGISTRY, is_fused, recognised
from parity.divergences.divergence import NUMBERS, Divergence, Match
from parity.divergences.evidence import Evidence
from parity.divergences.groups import (
    CELL,
    UNKNOWN,
    Group,
    comes_of,
    following,
    grouped,
    is_cut_by,
    unused_states,
    wrong_by_hand,
)
from parity.divergences.names import OF_DEFAULTS, modules_text
from parity.divergences.places import STATE, Places
from parity.divergences.settings import differing_settings
from parity.ladder.items import FAIL, PASS, Level
from parity.ladder.result import Found

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.traces.trace import KerasTrace, PortTrace


# --- The fix of a divergence: what the torch half tried on the probe, and what helped -------------
#
# A change that helped is printed in the place of the registry's general text. Where changes were
# tried in vain, a text that suggests the same changes is not printed.


FORWARD = "forward"  # the item of all that a layer gets and makes
IN_VAIN = "compare the two by hand: no change that Keras's settings suggest ends it"
_MOST_TEXTS = 6  # of one divergence; modules with other code are listed by name
_OF_MODULE = re.compile(r"(.*)  # module `([^`\n]+)`(.*)")

Record = Mapping[str, Any]
Site = tuple[str, str]  # Keras's layer or "", and an item of it


def with_fix(found: Found, keras: KerasTrace, port: PortTrace) -> Found:
    """Returns a divergence whose causes say what helped.

    Args:
        found: the divergence, with the texts of the registry.
        keras: the results of Keras.
        port: the results of the port, with the facts `fixes` and `no_fixes`.
    """
    sites = sites_of(found, keras, port)
    records = fixes_of(found, sites, port)
    vain = {_site(record) for record in _of_level(port.facts.get("no_fixes"), found.level)}
    if not records and not vain & sites:
        return found
    fix = "\n".join(_listed(dict.fromkeys(str(record["text"]) for record in records)))
    causes = [
        {**cause, "fix": IN_VAIN} if REGISTRY[cause["id"]].is_mechanical else cause
        for cause in found.causes
    ]
    if records and causes:
        causes[0] = {**causes[0], "fix": fix, "tried": True}
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


def fixes_of(found: Found, sites: set[Site], port: PortTrace) -> list[Record]:
    """Returns the records of the changes that end a divergence, as few as will do.

    Args:
        found: the divergence.
        sites: of it; see `sites_of`.
        port: the results of the port.
    """
    records = [r for r in _of_level(port.facts.get("fixes"), found.level) if _site(r) in sites]
    needed: list[Record] = []
    open_sites = set(sites)
    for record in sorted(records, key=lambda record: -len(_ends(record) & sites)):
        if open_sites & _ends(record):
            needed.append(record)
            open_sites -= _ends(record)
    return needed


def _of_level(records: Sequence[Record] | None, level: str) -> list[Record]:
    return [record for record in records or () if record["level"] == level]


def _site(record: Record) -> Site:
    return str(record["layer"]), str(record["item"])


def _ends(record: Record) -> set[Site]:
    """Returns all sites that a change ends."""
    return {(str(record["layer"]), str(item)) for item in (record.get("ends") or [record["item"]])}


def sites_of(found: Found, keras: KerasTrace, port: PortTrace) -> set[Site]:
    """Returns the sites that a divergence is of."""
    if found.level != FORWARD:
        return {("", found.level)}
    places = Places(keras, port)
    return {
        (places.layer_of(name) or "", name.removesuffix(STATE) if name.endswith(STATE) else FORWARD)
        for name in found.items or (found.item.name,)
    }


# --------------------------------------------------------------------------------------------------
#
# Names the causes of every divergence of a check, and takes those out that the user accepts.


def name_causes(
    result: Result, keras: KerasTrace, port: PortTrace, accept: Collection[str] = ()
) -> Result:
    """Returns a result with all its divergences, their causes, and all different settings.

    Args:
        result: with the compared levels.
        keras: the results of Keras.
        port: the results of the port.
        accept: IDs of divergences that the user accepts. What follows from accepted ones alone is
            accepted, too.
    """
    if all(level.status != FAIL for level in result.levels):
        return result
    groups = grouped(result.levels, keras, port)
    evidences = [Evidence(keras, port, group.level, group.items) for group in groups]
    shown = [number for number, evidence in enumerate(evidences) if not is_fused(evidence)]
    if shown:
        groups = [groups[number] for number in shown]
        evidences = [evidences[number] for number in shown]
    candidates = [
        (each, group, evidence)
        for group, evidence in zip(groups, evidences, strict=True)
        for each in _found(group, evidence, accept)
    ]
    by_hand = {
        name for each, _, evidence in candidates for name in wrong_by_hand(each, evidence, NUMBERS)
    }
    unused = {
        name for each, _, evidence in candidates for name in unused_states(each, evidence, NUMBERS)
    }
    found = [
        (each, group)
        for each, group, evidence in candidates
        if not comes_of(each, evidence, by_hand) and not is_cut_by(each, evidence, unused)
    ]
    groups = [group for group in groups if any(group is shown for _, shown in found)]
    followers = list(following(result.levels, groups))
    open_items = {id(i) for each, group in found if not each.is_accepted for i in group.items}
    accepted = {id(i) for each, group in found if each.is_accepted for i in group.items}
    accepted -= open_items
    if found and not open_items:
        accepted |= {id(item) for _, item in followers}
    inherited: dict[str, list[str]] = {}
    for level, item in followers:
        inherited.setdefault(level, []).append(item.name)
    return dataclasses.replace(
        result,
        levels=tuple(_without(level, accepted) for level in result.levels),
        divergences=tuple(
            sorted(
                (with_fix(each, keras, port) for each in _merged([each for each, _ in found])),
                key=is_of_defaults,
            )
        ),
        inherited=tuple((level, tuple(names)) for level, names in inherited.items()),
        proven=_proven(inherited, port),
        settings=tuple(map(dataclasses.asdict, differing_settings(keras, port, result.levels))),
    )


def _proven(
    inherited: Mapping[str, Sequence[str]], port: PortTrace
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Returns of what shows no divergence of its own what was gone with all fixes applied."""
    ended: Mapping[str, Sequence[str]] = port.facts.get("ended") or {}
    found = {
        level: tuple(name for name in names if name in ended.get(level, ()))
        for level, names in inherited.items()
    }
    return tuple((level, names) for level, names in found.items() if names)


def _found(group: Group, evidence: Evidence, accept: Collection[str]) -> list[Found]:
    """Returns the divergences of a group: one, or one for each part that explains its numbers."""
    # At later levels, no line of the forward pass is the reason.
    is_place = group.level.id in ("data", "structure", "forward")
    where = evidence.call["where"] if evidence.call and is_place else ""
    matches = recognised(evidence)
    parts = [match for match in matches if match[1].is_part]
    found = []
    for heads in [[part] for part in parts] or [matches[:1]]:
        others = [match for match in matches if match not in (*parts, *heads)]
        causes = tuple(cause_record(entry, match, where) for entry, match in [*heads, *others])
        found.append(
            Found(
                level=group.level.id,
                item=evidence.item,
                items=tuple(dict.fromkeys(item.name for item in group.items)),
                causes=causes,
                place=_place(evidence),
                is_accepted=bool(causes) and causes[0]["id"] in accept,
            )
        )
    return found


def cause_record(entry: Divergence, match: Match, where: str = "") -> dict[str, Any]:
    """Returns a cause as a result tells it.

    Args:
        entry: of the registry.
        match: its evidence.
        where: line of the port, or "".
    """
    return {
        **{key: value for key, value in entry.to_json().items() if key != "slug"},
        "fix": match.fix or entry.fix,
        "confidence": match.confidence,
        "detail": match.detail,
        "where": where,
        "tried": False,
    }


def _place(evidence: Evidence) -> dict[str, Any]:
    """Returns the pair of layers that differs, and whether the error starts there."""
    return {
        "keras": evidence.node["name"] if evidence.node else None,
        "torch": evidence.call["name"] if evidence.call else None,
        "where": evidence.call["where"] if evidence.call else None,
        "introduced": evidence.is_own,
        "module": evidence.call.get("module") if evidence.call else None,
    }


def _merged(found: list[Found]) -> list[Found]:
    """Joins divergences of one level that have the same known cause, such as all biases."""
    merged: dict[Any, Found] = {}
    for number, each in enumerate(found):
        cause = each.causes[0]["id"] if each.causes else ""
        # Two metrics with another definition have two definitions.
        is_alone = cause in ("", *UNKNOWN) or each.level == "metrics"
        cell = each.causes[0]["fix"] if cause == CELL else ""  # of one layer
        key = number if is_alone else (each.level, cause, cell)
        before = merged.get(key)
        merged[key] = each if before is None else _joined(before, each)
    return list(merged.values())


def _joined(found: Found, other: Found) -> Found:
    """Returns a divergence with the items of another one, and with its place beside its own.

    What differs on the way to a layer is not at that layer's place: the evidence says where it is.
    """
    items = (*found.items, *other.items)
    if other.item.name.startswith("input of "):
        first, rest = found.causes[0], found.causes[1:]
        details = [first["detail"], other.causes[0]["detail"]]
        first = {**first, "detail": "; ".join(dict.fromkeys(filter(None, details)))}
        return dataclasses.replace(found, items=items, causes=(first, *rest))
    place, more = found.place, other.place
    if place is not None and more is not None and more["keras"]:
        also = [*place.get("also", ()), more]
        shown = {(each["keras"], each["torch"]) for each in (place, *also[:-1])}
        if (more["keras"], more["torch"]) not in shown:
            place = {**place, "also": also}
    return dataclasses.replace(found, items=items, place=place)


def is_of_defaults(found: Found) -> bool:
    """Whether a divergence comes of torch's defaults; those stand behind all others."""
    return bool(found.causes) and found.causes[0]["id"] in OF_DEFAULTS


def _without(level: Level, accepted: set[int]) -> Level:
    """Returns a level whose accepted items do not fail it."""
    items = tuple(
        dataclasses.replace(item, accepted=True) if id(item) in accepted else item
        for item in level.items
    )
    is_failed = any(item.status == FAIL for item in items)
    status = PASS if level.status == FAIL and not is_failed else level.status
    return dataclasses.replace(level, items=items, status=status)
