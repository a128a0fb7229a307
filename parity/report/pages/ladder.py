"""The ladder of a result on a page, and differences layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.data.probe_inputs import MAX_STEP_ENTRIES
from parity.divergences.names import OF_DEFAULTS, full_name
from parity.divergences.places import RAISES
from parity.errors import ParityError, RunError
from parity.ladder.compare import absolute_difference
from parity.ladder.items import ACCEPTED, DIFFERS, LEVELS, LOG_P, Item, Level
from parity.ladder.items import FAIL as FAILS
from parity.ladder.items import PASS as PASSES
from parity.ladder.result import ERROR, INCOMPLETE, Found, Result
from parity.report import page, sentences
from parity.report.found import redact_paths
from parity.report.page import (
    FAIL,
    PASS,
    QUIET,
    WARN,
    Block,
    Case,
    Cause,
    Cell,
    Divergence,
    Divergences,
    Fact,
    Folded,
    Note,
    Rung,
    Suite,
    Table,
    listed,
)
from parity.report.pages.svg import figure, share
from parity.report.sentences import (
    advice_of,
    allowance,
    amount,
    fix_lines,
    fix_text,
    is_code,
    is_inherited,
    item_name,
    left_out_texts,
    moment,
    setting_texts,
)
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

if TYPE_CHECKING:
    from parity.report.read import FoundRun


# --- The ladder of a result on a page, its divergences, and what could not be compared ------------


LOOKS = {"pass": PASS, "fail": FAIL, "skipped": WARN, "not_reached": QUIET}
WORDS = {"pass": "pass", "fail": "FAIL", "skipped": "skipped", "not_reached": "not reached"}
_PROPERTIES = (
    *("scenario", "program", "keras", "torch", "steps", "epochs"),
    *("seed", "batch_size", "data", "device", "threads"),
)


def look_of(result: Result, level: Level) -> tuple[str, str]:
    """Returns the look of a level and its status in words."""
    if special := sentences.special_status(result, level):
        return WARN, special
    if level.status == "skipped" and not level.applies:
        return QUIET, "none"
    return LOOKS[level.status], WORDS[level.status]


def rung_of(result: Result, level: Level) -> Rung:
    """Returns the row of a level."""
    look, word = look_of(result, level)
    source = level.tolerance_source
    if level.worst is None:
        why = sentences.without_numbers(level)
        return Rung(level.id, look, word, compared=why, source=source)
    differs, allowed = sentences.level_numbers(result, level)
    item = sentences.level_place(result, level)
    name, moment = (sentences.item_name(item), sentences.moment(item)) if item else ("", "")
    compared = sentences.compared_text(level)
    return Rung(level.id, look, word, differs, allowed, name, moment, compared, source)


def divergences_of(result: Result, name: str = "") -> Divergences | None:
    """Returns all places where the two halves differ; of an older run, the first one.

    Args:
        result: of a run or a check.
        name: of the result, where the page has several.
    """
    found = [_divergence(each, *numbers) for each, *numbers in _numbered(result)]
    if not found:
        return None
    follows: dict[str, set[str]] = {}
    for id_, names in result.inherited:
        follows.setdefault(id_, set()).update(names)
    advice = advice_of(result)
    facts = () if advice is None else (Fact("often", advice.title), Fact("next", advice.action))
    num_accepted = sum(each.is_accepted for each in found)
    return Divergences(
        title=_title(len(found) - num_accepted, num_accepted) + (f" of {name}" if name else ""),
        found=tuple(found),
        advice=facts,
        follows=tuple(Fact(id_, listed(sorted(each))) for id_, each in follows.items()),
        summary=sentences.inherited_text(result),
    )


def _numbered(result: Result) -> Iterator[tuple[Found, int, int]]:
    """Yields each divergence with its number, those that are accepted last.

    Divergences may explain the same values together: the last entry is the number of an earlier
    one that the same values show, or 0.
    """
    found = [*result.unaccepted, *result.accepted]
    if not found and (first := result.first_divergence) is not None:  # of an earlier version
        found = [Found(first[0].id, first[1])]
    known: dict[tuple[str, Item], int] = {}
    for number, each in enumerate(found, start=1):
        earlier = known.setdefault((each.level, each.item), number)
        yield each, number, earlier if earlier < number else 0


def _title(num_open: int, num_accepted: int) -> str:
    parts = [sentences.count(num_open, "divergence")] if num_open else []
    if num_accepted:
        parts.append(f"{num_accepted} accepted" if parts else f"{num_accepted} accepted divergence")
    text = ", ".join(parts)
    return text if num_open or num_accepted == 1 else f"{text}s"


def _divergence(found: Found, number: int, same_as: int) -> Divergence:
    item = found.item
    causes = tuple(map(_cause, sentences.likely_causes(found.causes)))
    is_known = bool(causes) or item.name.endswith(RAISES) or not found.items
    known_note = sentences.A_DEFAULT if causes and causes[0].id in OF_DEFAULTS else ""
    return Divergence(
        number=number,
        level=found.level,
        item=sentences.item_name(item),
        moment=sentences.moment(item),
        index=str(list(item.index)) if item.index else "",
        keras=_value(item.keras),
        torch=_value(item.torch),
        difference=sentences.difference(item),
        is_text=item.unit == "count" and item.num_compared == 1 and isinstance(item.keras, str),
        others=tuple(name for name in dict.fromkeys(found.items) if name != item.name),
        where=sentences.place_text(found),
        causes=causes,
        is_accepted=found.is_accepted,
        same_as=same_as,
        note=known_note if is_known else sentences.UNKNOWN,
    )


def _value(given: Any) -> str:
    return repr(given) if isinstance(given, float) else str(given)


def _cause(cause: Mapping[str, Any]) -> Cause:
    rows = (("Keras", "keras"), ("torch", "torch"), ("source", "source"))
    return Cause(
        id=str(cause["id"]),
        slug=full_name(str(cause["id"])).partition(" ")[2],
        title=str(cause["title"]),
        confidence=sentences.confidence_text(cause),
        seen=str(cause.get("detail") or ""),
        fix=tuple(fix_lines(cause)),
        is_code=is_code(cause),
        is_tried=bool(cause.get("tried")),
        where=str(cause.get("where") or ""),
        formulas=tuple(Fact(name, str(cause[key])) for name, key in rows if cause.get(key)),
    )


def opens_of(result: Result) -> tuple[Note, ...]:
    """Returns what could not be compared, with what to do."""
    return tuple(
        Note("could not be compared", each["what"], _reasons(each), WARN)
        for each in result.incomplete
    )


def _reasons(each: Mapping[str, str]) -> tuple[Fact, ...]:
    return Fact("why", each["why"]), Fact("do", each["do"], is_main=True)


def notes_of(result: Result) -> tuple[Note, ...]:
    """Returns settings that differ, and what was left out."""
    settings = [Note("setting", text) for text in setting_texts(result)]
    return (*settings, *(Note("not compared", text) for text in left_out_texts(result)))


def suite_of(result: Result) -> Suite:
    """Returns a test for each level, and for each part that could not be compared."""
    spec, dtype = result.spec, sentences.dtype_of(result)
    properties: dict[str, Any] = {"verdict": result.verdict, "levels": sentences.extent([result])}
    properties |= {"mode": result.mode, "dtype": dtype}
    properties |= {name: spec.get(name) for name in _PROPERTIES if name in spec}
    seconds = []
    for half in ("keras", "torch"):
        environment = result.environment.get(half, {})
        properties[f"{half}.python"] = environment.get("python")
        versions = environment.get("versions")
        for name, version in versions.items() if isinstance(versions, Mapping) else ():
            properties[f"{half}.{redact_paths(str(name))}"] = version
        wall_s = environment.get("wall_s")
        measured = wall_s.get("check") if isinstance(wall_s, Mapping) else None
        seconds.append(result.wall_s.get(half, measured))
    return Suite(
        kind="check" if sentences.is_check(result) else "run",
        name=f"{sentences.subject(result)} seed {spec.get('seed')} {dtype}",
        verdict=result.verdict,
        sentence=sentences.sentence(result),
        cases=tuple(_cases(result)),
        properties=properties,
        seconds=tuple(seconds),
    )


def _cases(result: Result) -> Iterator[Case]:
    found = divergences_of(result)
    for level in result.levels:
        yield _case(
            result, level, [each for each in found.found if each.level == level.id] if found else []
        )
    for entry in result.incomplete:
        message = f"{entry['what']} could not be compared: {entry['why']}; {entry['do']}"
        lines = tuple(f"{name}: {entry[name]}" for name in ("what", "why", "do"))
        yield Case(entry["what"], "could not be compared", "error", INCOMPLETE, message, lines)
    if result.verdict == ERROR:
        text = "\n".join(result.errors) or sentences.sentence(result)
        first, lines = text.partition("\n")[0], tuple(text.splitlines())
        yield Case("run", "", "error", ERROR, first, lines)


def _case(result: Result, level: Level, found: Sequence[Divergence]) -> Case:
    if level.status == PASSES:
        reason = "; ".join((each.causes[0].name if each.causes else each.place) for each in found)
        return Case(level.id, message=f"accepted: {reason}" if reason else "")
    if level.status != FAILS:
        return Case(level.id, "", "skipped", level.status, level.tolerance_source)
    item = level.first_failure
    if item is None:
        reason = f"{level.id}: nothing was compared; {level.tolerance_source}"
        return Case(level.id, "", "failure", FAILS, reason)
    values = failure_text(level.id, item)
    if sentences.is_inherited(result, level):
        reason = f"{level.id} differs only because of other divergences: {values}"
        return Case(level.id, "", "failure", "inherited", reason)
    named = [each for each in result.unaccepted if each.level == level.id and each.causes]
    parts = [
        f"cause {sentences.cause_title(each.causes[0])}, fix: {fix_text(each.causes[0])}"
        for each in named
    ]
    first, lines = result.first_divergence, []
    if first is not None and first[0] is level:
        if (advice := advice_of(result)) is not None:
            lines = [f"often {advice.title}", f"next {advice.action}"]
        lines += [f"setting: {text}" for text in setting_texts(result)]
    message = "; ".join([values, *parts])
    return Case(level.id, "", "failure", "divergence", message, tuple(lines), tuple(found))


def failure_text(level: str, item: Item) -> str:
    """Returns the place of a difference and both values in one line."""
    place = sentences.item_place(level, item) + sentences.index_text(item)
    return f"{place}: keras {item.keras}, torch {item.torch}, {sentences.difference(item)}"


# --------------------------------------------------------------------------------------------------
#
# Differences layer by layer: outputs, gradients, optimizer state, and weights over the steps.


TITLES = {row.id: row.title for row in LEVELS}
OPEN = ("forward", "gradient")
# An item that only tells where a difference begins does not fail its level, nor one that the user
# accepts.
_LOOKS = {FAILS: page.FAIL, DIFFERS: page.WARN, ACCEPTED: page.WARN}
_RANK = {FAILS: 0, DIFFERS: 1, ACCEPTED: 1}
MAX_ROWS = 120
MANY = 40  # rows of a table that is shown whole
WEIGHTS = "training/weights"  # in a trace: after each recorded step
MAX_STEPS = 12  # columns of the matrix of weights
MAX_WEIGHTS = 80  # rows of it


def layer_blocks(result: Result) -> list[Block]:
    """Returns a table for every level with items; those that fail by themselves are first, open."""
    levels = [level for level in result.levels if level.items]
    failed = [each for each in levels if each.status == FAILS and not is_inherited(result, each)]
    levels.sort(key=lambda level: (level not in failed, level.id not in OPEN))
    blocks: list[Block] = []
    for level in levels:
        table = _table(level)
        if level in failed or level.id in OPEN:
            blocks += _open(table)
        else:
            blocks.append(Folded(f"{TITLES[level.id]} ({level.id})", (table,)))
    return blocks


def _open(table: Table) -> list[Block]:
    """Returns a table; of a long one, what is within its limit is folded."""
    if len(table.rows) <= MANY:
        return [table]
    above = tuple(row for row in table.rows if row[0].look)
    within = tuple(row for row in table.rows if not row[0].look)
    title = table.caption.partition(":")[0]
    blocks: list[Block] = [replace(table, rows=above)] if above else []
    if within:
        rest = replace(table, caption=f"{title}, within the limit", rows=within)
        blocks.append(Folded(f"{title}: {len(within)} items within their limit", (rest,)))
    return blocks


def _table(level: Level) -> Table:
    items = list(level.items)
    if len(items) > MAX_ROWS:  # failed items, then those closest to their limit
        kept = sorted(items, key=lambda item: (_RANK.get(item.status, 2), -item.ratio))[:MAX_ROWS]
        items = [item for item in items if any(item is one for one in kept)]
    left = len(level.items) - len(items)
    return Table(
        caption=f"{TITLES[level.id]} ({level.id}): {level.tolerance_source}",
        head=("item", "differs", "allowed", "unit", "compared", "Keras there", "PyTorch there"),
        rows=tuple(_row(item) for item in items),
        numeric=frozenset({1, 2, 4}),
        notes=(f"{left:,} items further from their limit are left out",) if left else (),
    )


def _row(item: Item) -> tuple[Cell, ...]:
    look = _LOOKS.get(item.status, "")
    differs, is_p = item.worst != 0, item.unit == LOG_P
    return (
        Cell(item_name(item) + moment(item), look),
        Cell(
            figure(item.worst) if not is_p else amount(item),
            look,
            share=share(item.worst, item.allowed),
        ),
        Cell(allowance(item)),
        Cell("p" if is_p else item.unit),
        Cell(f"{item.num_compared:,}"),
        Cell(_layer_value(item.keras) if differs else ""),
        Cell(_layer_value(item.torch) if differs else ""),
    )


def _layer_value(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else "" if value is None else str(value)


def trajectory_table(found: FoundRun) -> list[Table]:
    """Returns the greatest difference of every weight at some of the recorded steps."""
    if found.keras is None or found.torch is None:
        return []
    keras, torch = found.keras, found.torch
    try:
        steps = _spread(sorted({*keras.numbers(WEIGHTS)} & {*torch.numbers(WEIGHTS)}))
        names = _in_order(found, torch.below(f"{WEIGHTS}/{steps[0]}")) if steps else []
        keys = [[f"{WEIGHTS}/{step}/{name}" for step in steps] for name in names[:MAX_WEIGHTS]]
        apart = np.array([[_greatest(keras[key], torch[key]) for key in row] for row in keys])
    except RunError:  # the ladder tells of it
        return []
    if not apart.size:
        return []
    positive = apart[(apart > 0) & np.isfinite(apart)]
    low, high = (positive.min(), positive.max()) if positive.size else (1.0, 1.0)
    rows = tuple(
        (Cell(name), *(Cell(figure(value), share=_shade(value, low, high)) for value in row))
        for name, row in zip(names, apart, strict=False)
    )
    return [
        Table(
            caption=f"Greatest difference of each weight by step of the training, of at most "
            f"{MAX_STEP_ENTRIES:,} of its values; darker is greater (log scale)",
            head=("weight", *(f"{step:,}" for step in steps)),
            rows=rows,
            numeric=frozenset(range(1, len(steps) + 1)),
            is_shaded=True,
        )
    ]


def _in_order(found: FoundRun, names: Sequence[str]) -> list[str]:
    """Returns names of weights in the order of the layers, which the probes tell."""
    order: Sequence[str] = ()
    if found.folder is not None:
        with suppress(ParityError):
            order = list(Trace(RunFolder(found.folder).half("keras").path).facts["weights"])
    place = {name: number for number, name in enumerate(order)}
    return sorted(names, key=lambda name: place.get(name, len(place)))


def _spread(steps: Sequence[int]) -> list[int]:
    """At most MAX_STEPS of the steps, the first and the last among them."""
    if len(steps) <= MAX_STEPS:
        return list(steps)
    return [steps[round(n * (len(steps) - 1) / (MAX_STEPS - 1))] for n in range(MAX_STEPS)]


def _greatest(keras: np.ndarray, torch: np.ndarray) -> float:
    if keras.shape != torch.shape:
        return math.inf
    return float(absolute_difference(keras, torch).max(initial=0.0))


def _shade(value: float, low: float, high: float) -> float:
    if value == 0:
        return 0.0
    if not math.isfinite(value) or high <= low:
        return 1.0
    return 0.1 + 0.9 * math.log(value / low) / math.log(high / low)
