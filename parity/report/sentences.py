"""Texts that all reports of a run or a check share: numbers, moments, sentences, fixes."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from parity.divergences.names import full_name, module_text, modules_text
from parity.errors import UNFINISHED
from parity.ladder.items import ACCEPTED, DECIDES, FAIL, LOG_P, PASS, SKIPPED, Item, Level
from parity.ladder.result import ERROR, INCOMPLETE, Result

if TYPE_CHECKING:
    from parity.ladder.result import Found


# --- Texts of settings that differ between the halves ---------------------------------------------


NUMBERED = re.compile(r"\d+(\.\d+)*(#\d+)?")  # path of a module in nested nn.Sequential


def setting_texts(result: Result) -> list[str]:
    """Returns the different settings of both halves, even after the first divergence."""
    texts = []
    for row in result.settings:
        (keras, torch), *more = row["layers"]
        name = row["name"]
        if keras == row["keras"] or torch == row["torch"]:  # the class itself is another one
            keras, torch = "Keras", "the port"
        elif keras == torch:  # an optimizer of the same name in both
            name, keras, torch = f"{name} of {keras}", "Keras", "the port"
        elif row.get("module") or NUMBERED.fullmatch(torch):
            torch = module_text(torch, row.get("module", ""))
        text = f"{row['id']}  {name}: {row['keras']} in {keras}, {row['torch']} in {torch}"
        texts.append(f"{text}, also in {len(more)} more" if more else text)
    return texts


# --- Texts of what a run or a check has not compared, without effect on the verdict ---------------


MOST_NAMES = 6  # of what was not compared for one reason; report.json has all


def left_out_texts(result: Result) -> list[str]:
    """Returns what was not compared without effect on the verdict, a text for each reason.

    A level knows both halves: what it says of a thing stands for what Keras alone has told.
    """
    of_levels = [pair for level in result.levels for pair in level.not_compared]
    known = {what for what, _ in of_levels}
    pairs = [(e["what"], e["why"]) for e in result.not_compared if e["what"] not in known]
    pairs += of_levels
    reasons: dict[str, list[str]] = {}
    for what, why in dict.fromkeys(pairs):
        reasons.setdefault(why, []).append(what)
    return [f"{_some(names)}: {why}" for why, names in reasons.items()]


def _some(names: Sequence[str]) -> str:
    """Returns names with commas; of many, the first ones, and how many more there are."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} more"


# --- The fix of a cause as text: code to paste, or advice -----------------------------------------


MAX_CODE = 1000  # characters of a fix that may be code
TRIED = "tried: with it, this agrees"


def fix_text(cause: Mapping[str, Any]) -> str:
    """Returns the fix of a cause in one line, and whether it was tried."""
    text = "; ".join(fix_lines(cause))
    return f"(tried) {text}" if text and cause.get("tried") else text


def fix_lines(cause: Mapping[str, Any]) -> list[str]:
    """Returns the lines of the fix of a cause."""
    return str(cause.get("fix") or "").splitlines()


def is_code(cause: Mapping[str, Any]) -> bool:
    """Whether the fix of a cause is code to paste, and not advice."""
    fix = str(cause.get("fix") or "")
    if cause.get("tried"):
        return True
    if not 0 < len(fix) <= MAX_CODE:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            return bool(ast.parse(fix).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


# --- Texts that all reports of a run or a check share: numbers, moments, sentences ----------------
#
# Texts are unchanged from the result: each kind of report escapes them for its format.


MAX_CAUSES = 3
PROVEN, LIKELY = 0.95, 0.5  # confidence of a cause that is proven, and of one that is likely
LEAST_P = 1e-300  # p values that are kept are at least this
UNKNOWN = "no known divergence explains these numbers; `parity list divergences` lists all"
A_DEFAULT = "a default of torch; such differences stand behind all others"


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
    text = "the two runs are different"
    text = text if is_scenario(result) else "the port differs from Keras"
    text += f" in {number} places" if number > 1 else ""
    if result.causes:
        first = "the first: " if number > 1 else ""
        cause = f"{first}{result.causes[0].get('title')} ({result.causes[0].get('id')})"
        return f"{text}, {cause}" if number > 1 else f"{text}: {cause}"
    if (place := result.first_divergence) is not None:
        return f"{text}: the first difference is {item_name(place[1])}, level {place[0].id}"
    return text


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
    items = (found.item for found in result.unaccepted if found.level == level.id)
    return next(items, level.worst) if level.status == FAIL else level.worst


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
    is_in_fix = any(cause.get("where") for cause in found.causes[:1])
    text += f" ({place['where']})" if place.get("where") and not is_in_fix else ""
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
    parts = []
    if sure:
        parts.append(f"{_more(sure)} only because of {what}: {_by_level(sure)}")
    if unsure:
        more = _more(unsure)
        parts.append(
            f"{more}, perhaps because of {what}, which no trial shows: {_by_level(unsure)}"
        )
    return "; ".join(parts)


def _more(levels: Sequence[str]) -> str:
    number = len(levels)
    return f"{number:,} more {'item differs' if number == 1 else 'items differ'}"


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


# --- Advice for a run that differs at a level without a recognised cause --------------------------
#
# The port of a run is part of this project. A difference therefore comes from versions, a device,
# or a change in one of the halves; the level suggests which one.


@dataclass(frozen=True)
class Advice:
    """Advice for a difference at a level.

    Attributes:
        title: the usual reason for a difference there.
        action: what to do.
    """

    title: str
    action: str


_BY_LEVEL = {
    "data": Advice(
        "the halves got different inputs: order, labels, or pixels of augmented images",
        "run `parity doctor`: it shows which random stream the installed versions draw "
        "differently; if only images differ, look at 'Augmented images' in report.html",
    ),
    "structure": Advice(
        "the two networks are different",
        "compare the layer named above in keras_impl/models.py and torch_impl/models.py",
    ),
    "init": Advice(
        "the initial weights are different",
        "run `parity doctor`; if it passes, compare initialisers and order of the layers",
    ),
    "forward": Advice(
        "a layer gives different output, or a dropout mask is different",
        "look at the first layer above its limit in 'Layer by layer'; for masks, run "
        "`parity doctor`",
    ),
    "loss": Advice(
        "the loss is a different function, or a penalty is missing",
        "compare reduction, logits or probabilities, and the L2 factors of the layers",
    ),
    "metrics": Advice(
        "a metric says another number of the same outputs",
        "compare its threshold, its k, its weights, and how it is averaged over batches",
    ),
    "gradient": Advice(
        "the forward pass agrees, but its derivative differs",
        "look for operations with a special gradient: clipping, the bounds of an activation, ties "
        "in a pool",
    ),
    "optimizer": Advice(
        "the optimizer makes a different step",
        "compare epsilon and its placement, bias correction, weight decay and momenta; "
        "`parity list divergences` lists the known differences",
    ),
    "trajectory": Advice(
        "all parts agree in float64, but from a recorded state of the training the steps differ",
        "look at what changes while a training goes on: state outside of weights and optimizer, "
        "masks, the order of the batches in later epochs; --dtype float64 shows the first step",
    ),
    "schedule": Advice(
        "the learning rate is reduced, or training stops, at a different epoch",
        "compare patience, min_delta, cooldown and the epoch at which the callback is called",
    ),
    "behaviour": Advice(
        "the two histories have different verdicts",
        "look at the numbers in 'Behaviour': a verdict near a limit needs more seeds "
        "(`parity sweep`)",
    ),
}


def advice_of(result: Result) -> Advice | None:
    """Returns the advice for the level at which a run differs.

    It is None if a cause was recognised, for a pair of the user's own, and if nothing differs.
    """
    first = result.first_divergence
    if first is None or result.causes or not is_scenario(result):
        return None
    return _BY_LEVEL.get(first[0].id)


# --------------------------------------------------------------------------------------------------
#
# Sentences on a whole training: what was compared from recorded states, and what rounding did.


def items_of(level: Level) -> tuple[Item, ...]:
    """Returns the items of the whole training; of a check, those of its few steps.

    What belongs to no epoch is of the probes, whose steps are not those of the training.

    Args:
        level: of which some items are of a step.
    """
    return tuple(item for item in level.items if item.epoch is not None) or level.items


def whole_training_texts(result: Result) -> list[str]:
    """Returns how a run was judged, and why both halves may have parted; empty for a check."""
    if result.drift is None:
        return []
    return [*_compared(result), *_parted(result), *_behaviour(result)]


def _compared(result: Result) -> list[str]:
    found = result.anchors
    if found is None or not found["steps"]:
        return []
    text = (
        f"Compared from {count(len(found['steps']), 'recorded state')} over "
        f"{found['num_trained']:,} steps: {found['num_steps']} steps later in float64, an array "
        f"differs by at most {number(max(found['difference']))} of its largest value"
    )
    if found["rounding"]:
        text += (
            f"; float32 rounds its steps at most {max(found['rounding']):.2g} times as much as "
            "Keras's"
        )
    return [f"{text}."]


def _parted(result: Result) -> list[str]:
    assert result.drift is not None
    parted, is_float32 = result.drift["parted"], result.spec.get("dtype") == "float32"
    if parted is None or result.anchors is None:
        return []
    text = f"Left alone, the two runs part from step {parted:,} on"
    if result.verdict == PASS:
        text += f", since a {'float32' if is_float32 else 'long'} training makes rounding grow"
    return [f"{text}; at the end a weight differs by {number(result.drift['difference'][-1])}."]


def _behaviour(result: Result) -> list[str]:
    level = next((each for each in result.levels if each.id == "behaviour"), None)
    verdicts = {half: found.get("verdict") for half, found in result.behaviour.items()}
    if level is None or level.status != PASS or len(set(verdicts.values())) < 2:
        return []
    limits = [
        f"{item.name} {number(item.keras)} and {number(item.torch)}, which may differ by "
        f"{number(item.allowed)} by chance"
        for item in level.items
    ]
    text = " and ".join(f"{verdict} ({half})" for half, verdict in verdicts.items())
    return [
        f"The verdicts on the fit differ, {text}, by numbers near a limit: {'; '.join(limits)}."
    ]
