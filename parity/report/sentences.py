"""Texts that all reports of a run or a check share: numbers, moments, sentences.

Texts are unchanged from the result: each kind of report escapes them for its format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.divergences.names import full_name
from parity.ladder.items import FAIL, Item, Level
from parity.ladder.result import ERROR, Result

MAX_CAUSES = 3
UNKNOWN = "no known divergence explains these numbers; `parity list divergences` lists all"


def is_check(result: Result) -> bool:
    """Whether it belongs to a user's own pair of models, not to a scenario."""
    return "scenario" not in result.spec


def subject(result: Result) -> str:
    """Returns the subject of a result: the name of the scenario, or the factory of the port."""
    return str(result.spec.get("torch" if is_check(result) else "scenario"))


def settings(result: Result) -> list[str]:
    """Returns the settings of a run or a check that its numbers depend on."""
    spec = result.spec
    if is_check(result):
        return [f"seed {spec.get('seed')}", "float64", result.mode]
    return [
        f"seed {spec.get('seed')}",
        f"{spec.get('dtype')}",
        count(spec.get("epochs"), "epoch"),
        f"batch {spec.get('batch_size')}",
        result.mode,
    ]


def sentence(result: Result) -> str:
    """Returns the meaning of the verdict."""
    if result.verdict == ERROR:
        return "a half failed"
    if is_check(result):
        return "the port differs from Keras" if result.verdict == FAIL else "the port is right"
    if result.verdict == FAIL:
        return "the two runs are different"
    if result.spec.get("dtype") == "float64":
        return "the two runs are the same"
    return "the two runs are the same, within float32 rounding"


def level_numbers(level: Level) -> tuple[float, float]:
    """Returns the greatest difference of a level that compared something, and its limit.

    For a level that is compared bit for bit it is the number of different values.
    """
    worst = level.worst
    assert worst is not None
    if is_exact(level):
        return sum(item.worst for item in level.items), 0.0
    return worst.worst, worst.allowed


def level_place(level: Level) -> Item | None:
    """Returns the item to show for a level; None if no item is worse than the others."""
    worst = level.worst
    return None if worst is None or is_exact(level) or not worst.worst else worst


def compared_text(level: Level) -> str:
    """Returns the number of compared values: "of 1,234 values, bit for bit"."""
    compared = sum(item.num_compared for item in level.items)
    text = "of 1 value" if compared == 1 else f"of {compared:,} values"
    return f"{text}, bit for bit" if is_exact(level) else text


def is_exact(level: Level) -> bool:
    """Whether a level is compared bit for bit."""
    return all(item.unit == "count" for item in level.items)


def training_texts(result: Result, half: str) -> list[str]:
    """Returns the end of the training of a half, as far as it is known."""
    history = result.history.get(half, {})
    texts = []
    if column := history.get("val_accuracy"):
        texts.append(f"val_accuracy {column[-1]:.4f}")
    if half in result.behaviour:
        texts.append(str(result.behaviour[half]["verdict"]))
    if half in result.wall_s:
        texts.append(f"{result.wall_s[half]:.1f} s")
    cuts = len(set(history.get("learning_rate", ()))) - 1
    return [*texts, count(cuts, "rate cut")] if cuts > 0 else texts


def moment(item: Item) -> str:
    """Returns epoch and step of an item, in brackets after a space; "" if it has none."""
    parts = []
    if item.epoch_number is not None:
        parts.append(f"epoch {item.epoch_number}")
    if item.step is not None:
        parts.append(f"step {item.step}")
    return f" ({', '.join(parts)})" if parts else ""


def index_text(item: Item) -> str:
    """Returns the index of the worst difference, after a space; "" if it has no index."""
    return f" at {list(item.index)}" if item.index else ""


def difference(item: Item) -> str:
    """Returns the difference of an item, its limit, and its note."""
    text = f"differs by {number(item.worst)} ({item.unit}), allowed {number(item.allowed)}"
    return f"{text}; {item.note}" if item.note else text


def cause_title(cause: Mapping[str, Any]) -> str:
    """Returns a cause by ID, slug and title: "F2 adam-epsilon-placement: Adam adds ..."."""
    return f"{full_name(str(cause.get('id')))}: {cause.get('title')}"


def likely_causes(result: Result) -> list[dict[str, Any]]:
    """Returns the causes to show, the most likely first.

    If a cause is proven by its numbers, causes that only the place suggests are left out.
    """
    surest = max((cause["confidence"] for cause in result.causes), default=0.0)
    return [cause for cause in result.causes if cause["confidence"] >= surest / 2][:MAX_CAUSES]


def place_text(result: Result) -> str:
    """Returns the pair of layers, and whether the error starts there or comes with its input."""
    place = result.place or {}
    if not place.get("keras") or not place.get("torch"):
        return ""
    own = {True: "introduced here", False: "inherited from earlier layers"}
    text = f"{place['keras']} in Keras, {place['torch']} in the port"
    text += f" ({place['where']})" if place.get("where") else ""
    introduced = place.get("introduced")
    return f"{text}: {own[introduced]}" if introduced in own else text


def setting_texts(result: Result) -> list[str]:
    """Returns the different settings of both halves, even after the first divergence."""
    texts = []
    for row in result.settings:
        (keras, torch), *more = row["layers"]
        name = row["name"]
        if keras == torch:  # an optimizer of the same name in both
            name, keras, torch = f"{name} of {keras}", "Keras", "the port"
        text = f"{row['id']}  {name}: {row['keras']} in {keras}, {row['torch']} in {torch}"
        texts.append(f"{text}, also in {len(more)} more" if more else text)
    return texts


def capital(text: str) -> str:
    """Returns a text with a capital first letter; names in it keep their case."""
    return text[:1].upper() + text[1:]


def number(value: float) -> str:
    """Returns a difference or a limit with two digits; whole numbers unchanged."""
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.1e}"


def count(amount: Any, noun: str) -> str:
    """Returns an amount and its noun: "1 epoch", "2 epochs"."""
    text = f"{amount:,}" if isinstance(amount, int) else str(amount)
    return f"{text} {noun}" if amount == 1 else f"{text} {noun}s"
