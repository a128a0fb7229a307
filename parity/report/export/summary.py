"""Results as Markdown for the summary of a CI job: the verdict first, then causes and fixes.

In: results of any kind. Out: at most `MAX_LINES` lines of GitHub's Markdown, whatever the results;
left-out parts are counted. Texts from outside stay plain text, and paths in them lose their
folders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.bench.result import BenchResult
from parity.ladder.items import FAIL, NOT_REACHED, PASS, SKIPPED, Level
from parity.ladder.result import ERROR, Result
from parity.report import sentences
from parity.report.advice import advice_of
from parity.report.export.bench_tables import to_markdown
from parity.report.export.markdown import NONE, code, escaped, table
from parity.report.fixes import fix_lines, is_code
from parity.report.found import AnyResult, redact_paths
from parity.report.left_out import left_out_texts
from parity.report.settings import setting_texts
from parity.report.sweep_sentences import (
    DIVERGED,
    MARGIN,
    SEEDS,
    collapse_text,
    margins_text,
    needed_text,
    seeds_text,
    why_undecided,
)
from parity.report.sweep_sentences import sentence as sweep_sentence
from parity.sweeps.result import SweepResult

if TYPE_CHECKING:
    from parity.behaviour.diagnosis import Diagnosis
    from parity.ladder.items import Item
    from parity.ladder.result import Found
    from parity.sweeps.agreement import ScenarioVerdicts
    from parity.sweeps.collapses import Collapses
    from parity.sweeps.equivalence import EquivalenceRow

MAX_LINES = 60
MAX_SECTIONS = 5
MAX_FAILURES = 10  # runs with a shown failure
MAX_FOUND = 20  # divergences of one check
MAX_SETTINGS = 5
MAX_TEXT = 500  # characters of one text, usually a sentence
MAX_ERROR = 12  # lines of one error
GOOD = (PASS, "good_fit")

_WORDS = {PASS: "pass", FAIL: "FAIL", SKIPPED: "skipped", NOT_REACHED: NONE}


def summary_markdown(results: Sequence[AnyResult]) -> str:
    """Returns the summary, which ends with a line break.

    Args:
        results: results in the order of the summary; runs and checks come first, in one table.
    """
    found = redact_paths(list(results))
    runs = [result for result in found if isinstance(result, Result)]
    sections = [_one_run(runs[0]) if len(runs) == 1 else _many_runs(runs)] if runs else []
    sections += [_section(result) for result in found if not isinstance(result, Result)]
    if len(sections) == 1:
        return _joined(_cut(sections[0], MAX_LINES))
    counts = Counter(result.verdict for result in found)
    lines = [f"**{_counted(counts)} of {len(found)} results**" if found else "**no results**"]
    shown = sections[:MAX_SECTIONS]
    # The first line, a line between every two sections, and one for what is left out.
    room = (MAX_LINES - 3) // max(len(shown), 1) - 1
    for section in shown:
        lines += ["", *_cut(section, room)]
    if len(sections) > len(shown):
        lines += ["", f"... and {len(sections) - len(shown)} more results"]
    return _joined(lines)


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _counted(counts: Counter[str]) -> str:
    """Returns the number of each verdict, failures first."""
    ordered = sorted(counts.items(), key=lambda pair: pair[0] in GOOD)
    return ", ".join(f"{count} {escaped(verdict)}" for verdict, count in ordered)


def _cut(lines: list[str], room: int) -> list[str]:
    """Returns as many lines as fit, and the number of those left out."""
    if len(lines) <= room:
        return lines
    kept = lines[: room - 2]
    # A table needs at least one row.
    while kept and (not kept[-1] or lines[len(kept)].startswith("| ---") or _is_rule(kept[-1])):
        kept.pop()
    return [*kept, "", f"... and {len(lines) - len(kept)} more lines"]


def _is_rule(line: str) -> bool:
    return line.startswith("| ---")


def _text(text: str) -> str:
    return escaped(text, MAX_TEXT)


def _section(result: SweepResult | BenchResult | Diagnosis) -> list[str]:
    if isinstance(result, SweepResult):
        return _sweep(result)
    return _bench(result) if isinstance(result, BenchResult) else _diagnosis(result)


def _one_run(result: Result) -> list[str]:
    told = ", ".join([sentences.subject(result), *sentences.settings(result)])
    lines = [
        f"**{result.verdict.upper()}: {_text(told)}: {_text(sentences.sentence(result))}**",
        "",
    ]
    if result.verdict == ERROR:
        return [*lines, *(f"- **error** {_error(error)}" for error in result.errors)]
    told_found = [*_first_divergence(result), *_found(result)]
    lines += [*told_found, ""] if told_found else []
    rows = [_level_row(result, level) for level in result.levels]
    lines += table(["level", "status", "differs", "allowed", "where"], rows, "llrrl")
    halves = [(half, sentences.training_texts(result, half)) for half in ("keras", "torch")]
    trained = [f"- {half}: {_text(', '.join(texts))}" for half, texts in halves if texts]
    return [*lines, "", *trained] if trained else lines


def _level_row(result: Result, level: Level) -> list[str]:
    word = sentences.special_status(result, level) or _WORDS.get(level.status, level.status)
    if level.worst is None:
        source = level.tolerance_source if level.status == SKIPPED else ""
        return [level.id, word, "", "", source]
    differs, allowed = sentences.level_numbers(result, level)
    where = sentences.compared_text(level)
    if (item := sentences.level_place(result, level)) is not None:
        where = sentences.item_name(item) + sentences.moment(item)
    return [level.id, word, differs, allowed, where]


def _first_divergence(result: Result) -> list[str]:
    """Returns what to do about a run that differs, then where, if no divergence says it."""
    first = result.first_divergence
    if first is None:
        return []
    level, item = first
    lines = []
    if (advice := advice_of(result)) is not None:
        lines += [f"- **often** {_text(advice.title)}", f"- **next** {_text(advice.action)}"]
    if result.divergences:
        return lines
    where = sentences.item_place(level.id, item) + sentences.index_text(item)
    return [*lines, f"- **first divergence** {_text(where)}: {_text(_values(item))}"]


def _values(item: Item) -> str:
    return f"keras {item.keras}, torch {item.torch}; {sentences.difference(item)}"


def _found(result: Result) -> list[str]:
    """Returns a bullet for each divergence, and for what could not be compared."""
    lines = [_bullet(found) for _, found, _ in sentences.numbered(result)[:MAX_FOUND]]
    if (more := len(result.divergences) - MAX_FOUND) > 0:
        lines.append(f"- and {more} more divergences")
    if told := sentences.inherited_text(result):
        lines.append(f"- {_text(told)}")
    lines += [
        f"- **could not be compared** {_text(entry['what'])}: {_text(entry['why'])}"
        f"<br>**do** {_text(entry['do'])}"
        for entry in result.incomplete[:MAX_FOUND]
    ]
    settings = setting_texts(result)
    lines += [f"- **setting** {_text(text)}" for text in settings[:MAX_SETTINGS]]
    if len(settings) > MAX_SETTINGS:
        lines.append(f"- and {len(settings) - MAX_SETTINGS} more different settings")
    if left := left_out_texts(result):
        lines.append(f"- **not compared** {_text('; '.join(left))}")
    return lines


def _bullet(found: Found) -> str:
    """Returns a divergence in one line: its cause and the fix, then where it is seen."""
    parts = [f"- **{'accepted' if found.is_accepted else found.level}**"]
    if found.causes:
        best = found.causes[0]
        parts[0] += f" {_text(sentences.cause_title(best))} ({sentences.confidence_text(best)})"
        parts += [_fix(best)] if best.get("fix") else []
        parts += [f"**seen** {_text(best['detail'])}"] if best["detail"] else []
    place = f"{sentences.found_place(found)}{sentences.index_text(found.item)}"
    told = f"{_text(place)}: {_text(_values(found.item))}"
    parts += [f"**values** {told}"] if found.causes else []
    parts[0] += "" if found.causes else f" {told}"
    if where := sentences.place_text(found):
        parts.append(f"**where** {_text(where)}")
    return "<br>".join(parts)


def _fix(cause: Mapping[str, Any]) -> str:
    """Returns the fix of a cause, as code where it is code, and the line of the port."""
    lines = fix_lines(cause)
    shown = code if is_code(cause) else escaped
    told = "<br>".join(shown(line, MAX_TEXT) for line in lines)
    where = f" in {code(str(cause['where']), MAX_TEXT)}" if cause.get("where") else ""
    return f"**fix**{' (tried)' if cause.get('tried') else ''}{where} {told}"


def _many_runs(results: Sequence[Result]) -> list[str]:
    counts = Counter(result.verdict for result in results)
    told = f"{_counted(counts)} of {sentences.count(len(results), 'run')}"
    lines = [f"**{told}; {sentences.extent(results)}**", ""]
    bad = [result for result in results if result.verdict != PASS]
    # The first characters of a bullet could make it another list, or a rule.
    lines += [f"- **{_text(_name(result))}** {_failure(result)}" for result in bad[:MAX_FAILURES]]
    if len(bad) > MAX_FAILURES:
        lines.append(f"- and {len(bad) - MAX_FAILURES} more that do not pass")
    lines += [""] if bad else []
    names = list(dict.fromkeys(level.id for result in results for level in result.levels))
    room = MAX_LINES - len(lines) - 4  # head and rule, and a line for what is left out
    ordered = sorted(results, key=lambda result: result.verdict == PASS)
    rows = []
    for result in ordered[:room]:
        statuses = {level.id: _WORDS.get(level.status, level.status) for level in result.levels}
        rows.append([_name(result), result.verdict, *(statuses.get(name, NONE) for name in names)])
    lines += table(["run", "verdict", *names], rows, "l" * (len(names) + 2))
    if len(ordered) > room:
        lines += ["", f"... and {len(ordered) - room} more runs"]
    return lines


def _name(result: Result) -> str:
    return f"{sentences.subject(result)}, seed {result.spec.get('seed')}"


def _failure(result: Result) -> str:
    """Returns in one line why a run does not pass."""
    if result.verdict == ERROR:
        return _text("\n".join(result.errors).partition("\n")[0])
    first = result.first_divergence
    if first is None:
        return _text(sentences.sentence(result))
    level, item = first
    told = _text(f"{sentences.item_place(level.id, item)}: {sentences.difference(item)}")
    if result.causes:
        best = result.causes[0]
        told = f"**cause** {_text(sentences.cause_title(best))}; {_fix(best)}; {told}"
    more = len(sentences.found_texts(result)) - 1
    return f"{told}; and {more} more" if more > 0 else told


def _error(error: str) -> str:
    """Returns the lines of an error."""
    lines = error.splitlines() or [""]
    told = [_text(line) for line in lines[:MAX_ERROR]]
    told += [f"... and {len(lines) - MAX_ERROR} more lines"] if len(lines) > MAX_ERROR else []
    return "<br>".join(told)


def _sweep(result: SweepResult) -> list[str]:
    lines = [f"**{_text(sweep_sentence(result))}**", ""]
    missing, verdicts = result.failures, result.equivalence.verdicts
    collapses = result.equivalence.collapses
    seeds = [row for row in result.seeds if not row.are_enough]
    for failure in missing[:MAX_FAILURES]:
        reason = str(failure["reason"]).strip().partition("\n")[0]
        where = f"{failure['scenario']}, seed {failure['seed']}, {failure['half']}"
        lines.append(f"- **missing** {_text(where)}: {_text(reason)}")
    if len(missing) > MAX_FAILURES:
        lines.append(f"- and {len(missing) - MAX_FAILURES} more that are missing")
    for title, told in (
        ("margins", [margins_text(result)]),
        ("seeds", [f"{row.scenario} {seeds_text(row)}" for row in seeds]),
        ("runs that did not train", [row for row in map(_collapsed, collapses) if row]),
    ):
        lines += [f"- **{title}** {_text('; '.join(told))}"] if told else []
    lines += [""] if lines[-1] else []
    rows = sorted(verdicts, key=lambda row: row.agrees)
    head = ["scenario", "expected", "keras", "torch", "same verdict"]
    lines += table(head, [*map(_verdict_row, rows)], "lllll")
    compared = result.equivalence.comparisons
    if open_ := [row for row in compared if row.verdict != "equivalent"]:
        head = ["scenario", "quantity", "verdict", "keras", "torch", "margin", "seeds", "needed"]
        rank = sorted(open_, key=lambda row: row.verdict != "different")
        lines += ["", *table(head, [*map(_comparison_row, rank)], "lllrrrrr")]
    return lines


def _collapsed(row: Collapses) -> str:
    return f"{row.scenario} {collapse_text(row)} ({row.verdict})" if row.has_some else ""


def _verdict_row(row: ScenarioVerdicts) -> list[str]:
    told = [
        f"{row.most(counts)} {counts[row.most(counts)]}/{sum(counts.values())}"
        for counts in (row.keras, row.torch)
    ]
    return [
        row.scenario,
        row.expected or NONE,
        *told,
        "yes" if row.agrees else "NO" if row.verdict == "different" else "?",
    ]


def _comparison_row(row: EquivalenceRow) -> list[str]:
    found = row.equivalence
    told = {SEEDS: needed_text(found.n_needed), MARGIN: "near the margin", DIVERGED: "diverged"}
    needed = told.get(why_undecided(row), NONE)
    means = [f"{value:.4g}" for value in (row.keras, row.torch, found.margin)]
    return [row.scenario, row.quantity, row.verdict, *means, str(found.n), needed]


def _bench(result: BenchResult) -> list[str]:
    """Returns the tables of the benchmark; the last line is the verdict."""
    *lines, verdict = to_markdown(result).splitlines()
    return [verdict, "", *lines[:-1]]


def _diagnosis(result: Diagnosis) -> list[str]:
    lines = [f"**{result.verdict.replace('_', ' ')}: {_text(result.judgement.because)}**", ""]
    for entry in result.causes:
        told = f"{_text(entry.cause.title)} ({entry.confidence:.0%})"
        lines.append(f"- **cause** {told}; **try** {_text('; '.join(entry.cause.remedies))}")
        lines += [f"  - seen: {_text('; '.join(entry.signs))}"] if entry.signs else []
    lines += [f"- **note** {_text(note)}" for note in result.notes]
    lines += [f"- **data, {row.severity}** {_text(row.text)}" for row in result.findings]
    return lines if len(lines) > 2 else lines[:1]
