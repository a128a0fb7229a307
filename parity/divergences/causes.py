"""Names the causes of every divergence of a check, and takes those out that the user accepts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.divergences import is_fused, recognised
from parity.divergences.divergence import NUMBERS, Divergence, Match
from parity.divergences.evidence import Evidence
from parity.divergences.fixes import with_fix
from parity.divergences.groups import Group, following, grouped
from parity.divergences.seen_behind import (
    CELL,
    UNKNOWN,
    comes_of,
    is_cut_by,
    unused_states,
    wrong_by_hand,
)
from parity.divergences.settings import differing_settings
from parity.ladder.items import FAIL, PASS, Level
from parity.ladder.result import Found

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.traces.trace import Trace


def name_causes(result: Result, keras: Trace, port: Trace, accept: Collection[str] = ()) -> Result:
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
    told = [
        (each, group, evidence)
        for group, evidence in zip(groups, evidences, strict=True)
        for each in _found(group, evidence, accept)
    ]
    by_hand = {
        name for each, _, evidence in told for name in wrong_by_hand(each, evidence, NUMBERS)
    }
    unused = {name for each, _, evidence in told for name in unused_states(each, evidence, NUMBERS)}
    found = [
        (each, group)
        for each, group, evidence in told
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
            with_fix(each, keras, port) for each in _merged([each for each, _ in found])
        ),
        inherited=tuple((level, tuple(names)) for level, names in inherited.items()),
        proven=_proven(inherited, port),
        settings=tuple(map(dataclasses.asdict, differing_settings(keras, port, result.levels))),
    )


def _proven(
    inherited: Mapping[str, Sequence[str]], port: Trace
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
        causes = tuple(told_cause(entry, match, where) for entry, match in [*heads, *others])
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


def told_cause(entry: Divergence, match: Match, where: str = "") -> dict[str, Any]:
    """Returns a cause as a result tells it.

    Args:
        entry: of the registry.
        match: its evidence.
        where: line of the port, or "".
    """
    return {
        **{key: told for key, told in entry.to_json().items() if key != "slug"},
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
        told = [first["detail"], other.causes[0]["detail"]]
        first = {**first, "detail": "; ".join(dict.fromkeys(filter(None, told)))}
        return dataclasses.replace(found, items=items, causes=(first, *rest))
    place, more = found.place, other.place
    if place is not None and more is not None and more["keras"]:
        also = [*place.get("also", ()), more]
        shown = {(each["keras"], each["torch"]) for each in (place, *also[:-1])}
        if (more["keras"], more["torch"]) not in shown:
            place = {**place, "also": also}
    return dataclasses.replace(found, items=items, place=place)


def _without(level: Level, accepted: set[int]) -> Level:
    """Returns a level whose accepted items do not fail it."""
    items = tuple(
        dataclasses.replace(item, accepted=True) if id(item) in accepted else item
        for item in level.items
    )
    is_failed = any(item.status == FAIL for item in items)
    status = PASS if level.status == FAIL and not is_failed else level.status
    return dataclasses.replace(level, items=items, status=status)
