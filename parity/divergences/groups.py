"""Which items of a check show one divergence, and which only follow from an earlier one.

The compared levels go in. Groups of items come out, one for each place at which a difference is
introduced, in the order of the levels, and the items that differ only because of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data import probe_inputs
from parity.ladder.items import DECIDES, DIFFERS, FAIL, INTRODUCED, PASS, Item, Level

if TYPE_CHECKING:
    from parity.traces.trace import Trace

FORCED = ", with Keras's values"  # end of the name of a gradient
_NEAR = 1e-6  # relative: Keras keeps the factors of penalties in float32, whose steps are 6e-8
STATE = " (after a batch in train mode)"  # end of the name of a moving statistic


@dataclass(frozen=True)
class Group:
    """Items that show one divergence.

    Attributes:
        level: the level at which it is introduced.
        items: in the order of the run.
    """

    level: Level
    items: tuple[Item, ...]


class Places:
    """Finds the Keras layer that an item belongs to, and what comes after a layer.

    Args:
        nodes: of the Keras model.
    """

    def __init__(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        self._names: list[str] = [node["name"] for node in nodes]
        self._of_weight: dict[str, str] = {}
        for node in nodes:
            self._of_weight |= dict.fromkeys(node["weights"], node["name"])
        self._after: dict[str, list[str]] = {name: [] for name in self._names}
        for node in nodes:
            for source in node["sources"]:
                if source is not None and source >= 0:
                    self._after[self._names[source]].append(node["name"])

    def layer_of(self, item: str) -> str | None:
        """Returns the layer of an item, by its weight or by the longest name in its name."""
        text = item
        for prefix in ("input of ", "weights of ", "gradient that reaches "):
            text = text.removeprefix(prefix)
        weight = text.partition(" (")[0].partition(", with")[0]
        if weight in self._of_weight:
            return self._of_weight[weight]
        found = [
            name
            for name in self._names
            if text == name or text.startswith((f"{name} ", f"{name},", f"{name}."))
        ]
        return max(found, key=len, default=None)

    def next_to(self, name: str, stops: set[str]) -> Iterator[str | None]:
        """Yields the next layers of `stops` behind a layer, and None if the output is reached."""
        waiting, seen = [name], set()
        while waiting:
            after = self._after[waiting.pop()]
            if not after:
                yield None
            for other in after:
                if other in seen:
                    continue
                seen.add(other)
                if other in stops:
                    yield other
                else:
                    waiting.append(other)


def grouped(levels: Sequence[Level], keras: Trace, port: Trace) -> list[Group]:
    """Returns the groups of items that show a divergence each.

    Args:
        levels: the compared levels of a check.
        keras: the results of Keras.
        port: the results of the port.
    """
    places = Places(keras.facts["nodes"])
    by_id = {level.id: level for level in levels if level.status != PASS}
    groups: list[Group] = []
    for name in ("data", "structure", "init", "forward"):
        if name in by_id:
            groups += _by_layer(by_id[name], places)
    forward = {
        places.layer_of(item.name)
        for group in groups
        if group.level.id == "forward"
        for item in group.items
    }
    if "loss" in by_id:
        groups += _of_loss(by_id["loss"], is_after=bool(forward))
    if "gradient" in by_id:
        ends_badly = any(group.level.id == "loss" for group in groups)
        judged = set(port.facts.get("targets", {}).get("train", {}))
        penalised = _penalised(by_id["gradient"], keras, port) if ends_badly else set()
        groups += _of_gradient(by_id["gradient"], places, forward, judged, ends_badly, penalised)
    if "optimizer" in by_id:
        groups += _whole(by_id["optimizer"])
    if "trajectory" in by_id and not any(g.level.id not in ("init", "schedule") for g in groups):
        groups += _whole(by_id["trajectory"])
    if "schedule" in by_id:
        groups += _whole(by_id["schedule"])
    return groups


def following(levels: Sequence[Level], groups: Sequence[Group]) -> Iterator[tuple[str, Item]]:
    """Yields (level, item) of what fails and shows no divergence of its own."""
    shown = {id(item) for group in groups for item in group.items}
    for level in levels:
        for item in level.items:
            if item.status == FAIL and id(item) not in shown:
                yield level.id, item


def _telling(level: Level) -> list[Item]:
    """Returns the items that say by themselves that something differs."""
    return [
        item
        for item in level.items
        if (item.role == INTRODUCED and item.status == DIFFERS)
        or (item.role == DECIDES and item.status == FAIL and not _is_whole(level, item))
    ]


def _is_whole(level: Level, item: Item) -> bool:
    """Whether an item is of the whole model, and follows from its layers."""
    if level.id == "forward":
        return item.name.startswith("output (") or item.name.endswith(STATE)
    if level.id == "gradient":
        return bool(item.torch != "no gradient")
    return level.id == "loss" and item.name == "loss"


def _by_layer(level: Level, places: Places) -> list[Group]:
    """Returns a group for each layer; the whole model is one if no layer differs by itself.

    Initial weights of a layer, and its moving statistics, differ for reasons of their own.
    """
    found: dict[str, list[Item]] = {}
    for item in _telling(level):
        layer = places.layer_of(item.name) or item.name
        is_own = level.id == "init" or item.name.endswith(STATE)
        found.setdefault(item.name if is_own else layer, []).append(item)
    return [Group(level, tuple(items)) for items in found.values()] or _whole(level)


def _of_loss(level: Level, *, is_after: bool) -> list[Group]:
    telling = _telling(level)
    own = [item for item in telling if item.role == DECIDES] or telling
    if not own and is_after:
        return []
    return [Group(level, tuple(own))] if own else _whole(level)


def _of_gradient(
    level: Level,
    places: Places,
    forward: set[str | None],
    judged: set[str],
    ends_badly: bool,
    penalised: set[str],
) -> list[Group]:
    """Returns the groups of gradients; those of a layer that differs before are left out."""

    def follows(item: Item) -> bool:
        layer = places.layer_of(item.name)
        if layer is None or layer in forward or item.name in penalised:
            return True
        if not item.name.startswith("gradient that reaches "):
            return False
        behind = list(places.next_to(layer, judged))
        return any(name in forward or (name is None and ends_badly) for name in behind)

    cut = [item for item in level.items if item.torch == "no gradient" and item.status == FAIL]
    found: dict[str, list[Item]] = {}
    for item in _telling(level):
        if item not in cut and not follows(item):
            found.setdefault(places.layer_of(item.name) or item.name, []).append(item)
    groups = [Group(level, tuple(cut))] if cut else []
    groups += [Group(level, tuple(items)) for items in found.values()]
    return groups or ([] if forward or ends_badly else _whole(level))


def _penalised(level: Level, keras: Trace, port: Trace) -> set[str]:
    """Returns the gradients that differ by what a penalty of the loss contributes.

    That is a multiple of Keras's own contribution, of the weight, or of its signs.
    """
    found = set()
    for item in level.items:
        weight = item.name.removesuffix(FORCED)
        key = f"gradient/{weight}"
        if not item.name.endswith(FORCED) or item.agrees or f"forced/{key}" not in port:
            continue
        change = port[f"forced/{key}"] - keras[key]
        value = probe_inputs.sampled(keras[f"weights/{weight}"])
        shapes = [value, np.sign(value)]
        if f"penalty_{key}" in keras:
            shapes.insert(0, keras[f"penalty_{key}"])
        if any(_is_multiple(change, shape) for shape in shapes):
            found.add(item.name)
    return found


def _is_multiple(change: np.ndarray, shape: np.ndarray) -> bool:
    length = float((shape * shape).sum())
    if not length or change.shape != shape.shape:
        return False
    rest = change - float((change * shape).sum()) / length * shape
    return float(np.abs(rest).max()) <= _NEAR * float(np.abs(change).max())


def _whole(level: Level) -> list[Group]:
    failed = tuple(item for item in level.items if item.status == FAIL)
    return [Group(level, failed)] if failed else []
