"""Different settings of both halves: of paired layers, the loss, the optimizer and the schedule.

Numbers prove a divergence. Settings can be compared for the whole program, also where nothing was
computed, for example behind an error. The differences are hints, not a verdict, since a module may
use its settings differently than their names suggest. Where the values of a layer agree, its
settings are right, whatever they say, and are not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from parity.divergences.evidence import settings_differ
from parity.divergences.layer_settings import (
    Row,
    constraint_rows,
    custom_optimizer_rows,
    kinds_around,
    loss_rows,
    optimizer_rows,
    rows_of,
    schedule_rows,
)
from parity.ladder.custom_steps import is_compared
from parity.ladder.items import PASS, Item, Level

if TYPE_CHECKING:
    from parity.traces.trace import KerasTrace, PortTrace


@dataclass(frozen=True)
class Setting:
    """One different setting.

    Attributes:
        id: ID of the divergence.
        name: Keras's name of the setting.
        keras: its value in Keras.
        torch: its value in the port, in Keras's convention.
        layers: (Keras's layer, the port's layer) of all pairs with these values; or the classes of
            the optimizers, losses or schedules.
        module: class of the port's module of the first pair; "" if it is none.
    """

    id: str
    name: str
    keras: Any
    torch: Any
    layers: tuple[tuple[str, str], ...]
    module: str = ""


def differing_settings(
    keras: KerasTrace, port: PortTrace, levels: Sequence[Level] = ()
) -> list[Setting]:
    """Compares the settings of all paired layers, and those of the training.

    Args:
        keras: the results of Keras.
        port: the results of the port.
        levels: what was compared of both; settings of what agrees there are left out.

    Returns:
        A row per setting and pair of values, in the order in which they first occur.
    """
    found: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    values: dict[tuple[str, str, str, str], tuple[Any, Any]] = {}
    for place, (name, theirs, ours, identity) in _differences(keras, port, _Agreement(levels)):
        if settings_differ(theirs, ours):
            key = (identity, name, repr(theirs), repr(ours))
            found.setdefault(key, []).append(place)
            values[key] = (theirs, ours)
    modules = {call["name"]: call.get("module") or "" for call in port.facts["nodes"]}
    return [
        Setting(key[0], key[1], *values[key], tuple(layers), modules.get(layers[0][1], ""))
        for key, layers in found.items()
    ]


class _Agreement:
    """What agrees in the levels of a check."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self._levels = {level.id: level for level in levels}
        forward = self._levels.get("forward")
        self._items = forward.items if forward is not None else ()

    def of_level(self, *names: str) -> bool:
        """Whether levels were compared and passed."""
        return all(name in self._levels and self._levels[name].status == PASS for name in names)

    def of_layer(self, node: Mapping[str, Any]) -> bool:
        """Whether a layer computes the same from the same input in both modes, and its state."""
        items = self._items_of(node)
        modes = [any(f"({mode})" in item.name for item in items) for mode in ("eval", "train")]
        return all(modes) and all(item.status == PASS for item in items)

    def is_wrong(self, node: Mapping[str, Any]) -> bool:
        """Whether a layer is known to compute something else."""
        return any(item.status != PASS for item in self._items_of(node))

    def of_inputs(self, names: Sequence[str]) -> bool:
        """Whether the inputs of some layers agree; those of none are the output of the model."""
        found = [
            i for i in self._items for name in names if i.name.startswith(f"input of {name} (")
        ]
        if not names:
            return self.of_output()
        return bool(found) and all(item.status == PASS for item in found)

    def _items_of(self, node: Mapping[str, Any]) -> list[Item]:
        name = node["name"]
        items = [item for item in self._items if item.name.startswith(f"{name}, ")]
        state = tuple(f"{weight} (" for weight in node["weights"])
        return items + [item for item in self._items if state and item.name.startswith(state)]

    def of_output(self) -> bool:
        """Whether the output of the model agrees in train mode."""
        found = [item for item in self._items if item.name == "output (train)"]
        return bool(found) and all(item.status == PASS for item in found)


T = TypeVar("T")
Places = Iterator[tuple[tuple[str, str], Row]]


def _differences(keras: KerasTrace, port: PortTrace, agreement: _Agreement) -> Places:
    yield from _of_layers(keras, port, agreement)
    yield from _of_activations(keras, port, agreement)
    if not agreement.of_output():
        yield from _of_dropouts(keras, port)
    losses = "loss", loss_rows, keras.facts["loss"], port.facts["loss"]
    optimizers = "optimizer", optimizer_rows, keras.facts["optimizer"], port.facts["optimizer"]
    for part, rows, theirs, ours in (losses, optimizers):
        if not agreement.of_level(part):
            place = _classes(part, theirs or {}, ours or {})
            yield from ((place, row) for row in _safe_rows(rows, keras.facts, port.facts))
    if not agreement.of_level("schedule"):
        yield from _safe_rows(schedule_rows, keras.facts, port.facts)
    if is_compared(keras, port) and not agreement.of_level("trajectory"):
        yield from custom_optimizer_rows(keras, port)


def _of_layers(keras: KerasTrace, port: PortTrace, agreement: _Agreement) -> Places:
    nodes = {node["name"]: node for node in keras.facts["nodes"]}
    calls = {call["name"]: call for call in port.facts["nodes"]}
    is_trained = agreement.of_level("optimizer", "trajectory")
    for name, partner in port.facts["pairs"]:
        names = name, partner
        node, call = nodes[names[0]], calls[names[1]]
        settings = port.facts["settings"].get(names[1], {})
        if not agreement.of_layer(node):
            around = kinds_around(keras.facts["nodes"], node)
            around |= kinds_around(port.facts["nodes"], call)
            is_wrong = agreement.is_wrong(node)
            found = _safe_rows(rows_of, node, call, settings, around, is_wrong)
            yield from ((names, row) for row in found)
        if port.facts.get("optimizer") and not is_trained:
            yield from ((names, row) for row in _safe_rows(constraint_rows, node))


def _of_activations(keras: KerasTrace, port: PortTrace, agreement: _Agreement) -> Places:
    """Yields other activations behind paired layers: both are left without a partner."""
    nodes, calls = keras.facts["nodes"], port.facts["nodes"]
    left = {*port.facts["keras_left"], *port.facts["torch_left"]}
    partners = dict(port.facts["pairs"])
    numbers = {call["name"]: number for number, call in enumerate(calls)}
    for number, node in enumerate(nodes):
        source = node["sources"][0] if node["sources"] else None
        if node["name"] not in left or source is None or source < 0 or not _activates(node):
            continue
        partner = numbers.get(partners.get(nodes[source]["name"], ""))
        after = [other["name"] for other in nodes if number in other["sources"]]
        if partner is None or agreement.of_inputs(after):
            continue
        for call in calls:
            is_other = _activates(call) and call["kind"] != node["kind"]
            if is_other and call["name"] in left and partner in call["sources"]:
                theirs, ours = (part["kind"].partition(":")[2] for part in (node, call))
                if ours != "log_softmax":
                    yield (node["name"], call["name"]), ("activation", theirs, ours, "A16")


def _activates(node: Mapping[str, Any]) -> bool:
    return str(node["kind"]).startswith("activation:")


def _of_dropouts(keras: KerasTrace, port: PortTrace) -> Places:
    """Yields the dropouts that only one half has."""
    for node in keras.facts["nodes"]:
        if (
            node["name"] in port.facts["keras_left"]
            and node["kind"] == "dropout"
            and node["config"]["rate"]
        ):
            yield (node["name"], "the port"), ("Dropout", node["config"]["rate"], "none", "A17")
    for call in port.facts["nodes"]:
        if call["name"] in port.facts["torch_left"] and call["kind"] == "dropout" and call["rate"]:
            yield ("Keras", call["name"]), ("Dropout", "none", call["rate"], "A17")


def _classes(part: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, str]:
    """Returns what the halves have as their loss or optimizer, in words."""
    names = theirs.get("class", theirs.get("name")), str(ours.get("class", "")).rpartition(".")[2]
    return str(names[0] or part), names[1] or "the port"


def _safe_rows(rows: Callable[..., Iterator[T]], *facts: Any) -> list[T]:
    """Returns the rows of a part; of unexpected facts, none: a bundle comes from outside."""
    try:
        return list(rows(*facts))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return []
