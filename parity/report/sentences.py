"""Texts that all reports of a run or a check share: numbers, moments, sentences.

Texts are unchanged from the result: each kind of report escapes them for its format.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.divergences.names import full_name, module_text, modules_text
from parity.errors import UNFINISHED
from parity.ladder.items import ACCEPTED, DECIDES, FAIL, LOG_P, PASS, SKIPPED, Item, Level
from parity.ladder.result import ERROR, INCOMPLETE, Result
from parity.report.fixes import fix_text
from parity.report.settings import NUMBERED

if TYPE_CHECKING:
    from parity.ladder.result import Found

MAX_CAUSES = 3
PROVEN, LIKELY = 0.95, 0.5  # confidence of a cause that is proven, and of one that is likely
LEAST_P = 1e-300  # p values that are kept are at least this
UNKNOWN = "no known divergence explains these numbers; `parity list divergences` lists all"


def is_scenario(result: Result) -> bool:
    """Whether it belongs to a built-in scenario, not to a user's own pair of models."""
    return "scenario" in result.spec


def is_check(result: Result) -> bool:
    """Whether it belongs to a few batches, not to a whole training of a scenario or a program."""
    return not is_scenario(result) and "program" not in result.spec


def subject(result: Result) -> str:
    """Returns the subject of a result: the name of a scenario or program, or the port's factory."""
    names = ("scenario", "program", "torch")
    return str(next((result.spec[name] for name in names if name in result.spec), None))


def dtype_of(result: Result) -> str:
    """Returns the dtype of a run, or of the port of a check; older checks do not tell theirs."""
    return str(result.spec.get("dtype", "float64" if is_check(result) else None))


def settings(result: Result) -> list[str]:
    """Returns the settings of a run or a check that its numbers depend on."""
    spec = result.spec
    if not is_scenario(result):
        trained = result.history.get("keras", {}).get("loss")
        epochs = [count(len(trained), "epoch")] if trained else []
        return [f"seed {spec.get('seed')}", dtype_of(result), *epochs, result.mode]
    return [
        f"seed {spec.get('seed')}",
        dtype_of(result),
        count(spec.get("epochs"), "epoch"),
        f"batch {spec.get('batch_size')}",
        result.mode,
    ]


def is_unfinished(result: Result) -> bool:
    """Whether a check waits for code of the port that is still to be written."""
    known = [error.startswith(UNFINISHED) for error in result.errors]
    return result.verdict == ERROR and bool(known) and all(known)


def sentence(result: Result, num_lacking: int = 0) -> str:
    """Returns the meaning of the verdict.

    Args:
        result: of a run or a check.
        num_lacking: number of parts of the Keras program that the port is known to lack.
    """
    if is_unfinished(result) and result.levels:
        return "what is written agrees with Keras; the port waits for code that is to be written"
    if is_unfinished(result):
        return "nothing was compared yet: the check waits for code that is to be written"
    if result.verdict == ERROR:
        return "there is no comparison: a half failed, or its files are missing"
    if result.verdict == FAIL:
        return f"{differences(result)}; {extent([result])}"
    compared, total = coverage(result)
    if result.verdict == INCOMPLETE:
        names = ", ".join(entry["what"] for entry in result.incomplete)
        return f"not decided: {names} could not be compared; {compared} of {total} levels agree"
    far = " as far as it was ported" if num_lacking else ""
    text = f"the port is right{far}: all {total} levels agree"
    if is_scenario(result):
        is_float64 = result.spec.get("dtype") == "float64"
        text = "the two runs are the same" + ("" if is_float64 else ", within float32 rounding")
        text += f": all {total} levels agree"
    if compared < total:
        text = f"{compared} of {total} levels agree; not compared: {'; '.join(left_out(result))}"
    if num_lacking:
        verb = "were" if num_lacking > 1 else "was"
        text += f"; {count(num_lacking, 'part')} of the program {verb} not ported"
    ids = dict.fromkeys(str(found.causes[0]["id"]) for found in result.accepted)
    return text + (f"; accepted: {', '.join(ids)}" if ids else "") + _tolerance(result)


def differences(result: Result) -> str:
    """Returns that a result fails, in how many places, and the first cause or place."""
    number = len(result.unaccepted)
    told = "the two runs are different"
    told = told if is_scenario(result) else "the port differs from Keras"
    told += f" in {number} places" if number > 1 else ""
    if result.causes:
        first = "the first: " if number > 1 else ""
        cause = f"{first}{result.causes[0].get('title')} ({result.causes[0].get('id')})"
        return f"{told}, {cause}" if number > 1 else f"{told}: {cause}"
    if (place := result.first_divergence) is not None:
        return f"{told}: the first difference is {item_name(place[1])}, level {place[0].id}"
    return told


def extent(results: Sequence[Result]) -> str:
    """Returns how much was compared, of all results together: "7 of 9 levels compared"."""
    found = [coverage(result) for result in results]
    compared, total = (sum(numbers[place] for numbers in found) for place in (0, 1))
    if not total:
        return "nothing compared"
    return f"{compared:,} of {count(total, 'level')} compared"


def _tolerance(result: Result) -> str:
    """Returns that the tolerance is the user's own, if it is."""
    parts = [f"{n:g}" + (f" at {level}" if level else "") for level, n in result.tolerance.items()]
    return f"; with your tolerance of {', '.join(parts)}" if parts else ""


def coverage(result: Result) -> tuple[int, int]:
    """Returns how many levels were compared, and how many the models have."""
    levels = [level for level in result.levels if level.applies]
    return sum(level.status in (PASS, FAIL) for level in levels), len(levels)


def left_out(result: Result) -> list[str]:
    """Returns the levels that were not compared and why, levels with one reason together."""
    reasons: dict[str, list[str]] = {}
    for level in result.levels:
        if level.applies and level.status == SKIPPED:
            reasons.setdefault(level.tolerance_source, []).append(level.id)
    return [f"{', '.join(names)} ({why})" for why, names in reasons.items()]


def level_item(result: Result, level: Level) -> Item | None:
    """Returns the item to show for a level: of its first divergence, else the worst one."""
    own = (found.item for found in result.unaccepted if found.level == level.id)
    return next(own, level.worst) if level.status == FAIL else level.worst


def level_numbers(result: Result, level: Level) -> tuple[str, str]:
    """Returns the difference to show for a level that compared something, and its limit.

    They are those of `level_item`, as its divergence tells them. For a level without a divergence
    that is compared bit for bit it is the number of different values.
    """
    item = level_item(result, level)
    assert item is not None
    if item is level.worst and is_exact(level):
        return number(sum(each.worst for each in level.items if each.role == DECIDES)), "0"
    return amount(item), allowance(item)


def level_place(result: Result, level: Level) -> Item | None:
    """Returns the item to name for a level; None if no item is worse than the others."""
    item = level_item(result, level)
    is_any = item is level.worst and is_exact(level)
    return None if item is None or is_any or not item.worst else item


def compared_text(level: Level) -> str:
    """Returns the number of compared values: "of 1,234 values, bit for bit"."""
    compared = sum(item.num_compared for item in level.items if item.role == DECIDES)
    text = "of 1 value" if compared == 1 else f"of {compared:,} values"
    return f"{text}, bit for bit" if is_exact(level) else text


def without_numbers(level: Level) -> str:
    """Returns why there is no data to compare, which every program has; "" of other levels."""
    return level.tolerance_source if level.id == "data" and not level.applies else ""


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


def item_name(item: Item) -> str:
    """Returns the name of an item; that of a module which looks like a number says what it is."""
    return module_text(item.name) if NUMBERED.fullmatch(item.name) else item.name


def item_place(level: str, item: Item) -> str:
    """Returns level and name of an item, and its moment."""
    return f"{level}: {item_name(item)}{moment(item)}"


def index_text(item: Item) -> str:
    """Returns the index of the worst difference, after a space; "" if it has no index."""
    return f" at {list(item.index)}" if item.index else ""


def difference(item: Item) -> str:
    """Returns the difference of an item, its limit, and its note."""
    return f"differs{',' if item.unit == LOG_P else ' by'} {measure(item)}"


def measure(item: Item) -> str:
    """Returns how much an item differs, its limit, and its note."""
    unit = "" if item.unit == LOG_P else f" ({item.unit})"
    text = f"{amount(item)}{unit}, allowed {allowance(item)}"
    return f"{text}; {item.note}" if item.note else text


def amount(item: Item) -> str:
    """Returns the difference of an item; of a statistical test, its p value: "p 7e-116"."""
    if item.unit != LOG_P:
        return number(item.worst)
    if item.worst >= -math.log10(LEAST_P):
        return f"p <{LEAST_P:.0e}"
    p = 10.0**-item.worst
    return f"p {p:.2g}" if p >= 0.01 else f"p {p:.0e}"


def allowance(item: Item) -> str:
    """Returns the limit of an item; of a statistical test, the p value below which it fails."""
    return number(10.0**-item.allowed if item.unit == LOG_P else item.allowed)


def cause_title(cause: Mapping[str, Any]) -> str:
    """Returns a cause by ID, slug and title: "F2 adam-epsilon-placement: Adam adds ..."."""
    return f"{full_name(str(cause.get('id')))}: {cause.get('title')}"


def likely_causes(causes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the causes to show, the most likely first.

    If a cause is proven by its numbers, causes that only the place suggests are left out.
    """
    surest = max((cause["confidence"] for cause in causes), default=0.0)
    return [cause for cause in causes if cause["confidence"] >= surest / 2][:MAX_CAUSES]


def confidence_text(cause: Mapping[str, Any]) -> str:
    """Returns how sure a cause is; a number only where its formula gives the numbers seen."""
    sure = float(cause.get("confidence") or 0.0)
    return f"{100 * sure:.0f} %" if sure >= PROVEN else "likely" if sure >= LIKELY else "possible"


def place_text(found: Found) -> str:
    """Returns the pair of layers of a divergence, and the line of the port unless a fix has it."""
    place = found.place
    if not place or not place.get("keras") or not place.get("torch"):
        return ""
    ours = module_text(str(place["torch"]), place.get("module") or "")
    text = f"{place['keras']} in Keras, {ours} in the port"
    is_told = any(cause.get("where") for cause in found.causes[:1])
    text += f" ({place['where']})" if place.get("where") and not is_told else ""
    also = place.get("also", ())
    parts = [modules_text([str(each["torch"]) for each in also if each["torch"]])]
    parts += [f"{each['keras']} in Keras" for each in also if not each["torch"]]
    return text + (f"; also {', '.join(filter(None, parts))}" if also else "")


def found_place(found: Found) -> str:
    """Returns level and name of the first item that shows a divergence, and its moment."""
    return item_place(found.level, found.item)


def found_texts(result: Result) -> list[str]:
    """Returns each divergence that is not accepted in one line: layer, cause, and fix."""
    texts = []
    for found in result.unaccepted:
        text = found_place(found)
        if found.causes:
            cause, place = found.causes[0], found.place or {}
            text = f"{found.level}: {place['keras']}" if place.get("keras") else text
            text += f": {cause.get('id')} {cause.get('title')}"
            text += f"; fix: {fix_text(cause)}" if cause.get("fix") else ""
        texts.append(text)
    return texts


def is_inherited(result: Result, level: Level) -> bool:
    """Whether a level of a check fails only because of divergences at other levels.

    That is known where all of it was gone with the fixes of these divergences.
    """
    shown = {found.level for found in result.unaccepted}
    if level.status != FAIL or not shown or level.id in shown:
        return False
    proven = {name for id_, names in result.proven if id_ == level.id for name in names}
    return all(item.name in proven for item in level.items if item.status == FAIL)


def inherited_text(result: Result) -> str:
    """Returns how many values show no divergence of their own, and why; "" if none do."""
    proven = {(level, name) for level, names in result.proven for name in names}
    pairs = [(level, name) for level, names in result.inherited for name in names]
    sure = [level for level, name in pairs if (level, name) in proven]
    unsure = [level for level, name in pairs if (level, name) not in proven]
    what = "this" if len(result.divergences) == 1 else "these"
    told = []
    if sure:
        told.append(f"{_more(sure)} only because of {what}: {_by_level(sure)}")
    if unsure:
        more = _more(unsure)
        told.append(f"{more}, perhaps because of {what}, which no trial shows: {_by_level(unsure)}")
    return "; ".join(told)


def _more(levels: Sequence[str], word: str = "more") -> str:
    number = len(levels)
    return f"{number:,} {word} {'item differs' if number == 1 else 'items differ'}"


def _by_level(levels: Sequence[str]) -> str:
    return count_of([f"{number:,} at {level}" for level, number in Counter(levels).items()])


def special_status(result: Result, level: Level) -> str:
    """Returns "follows" for a level that only inherits, "accepted" for one that passes by that."""
    if is_inherited(result, level):
        return "follows"
    is_accepted = any(item.status == ACCEPTED for item in level.items)
    return "accepted" if level.status == PASS and is_accepted else ""


def count_of(parts: Sequence[str]) -> str:
    """Returns parts as a list in words."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


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
