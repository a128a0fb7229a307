"""Results as JUnit XML, which every CI system shows as tests.

In: results of any kind. Out: a document of Jenkins's schema junit-10, a testsuite for each result:

    run, check   a testcase for each level of the ladder; a level that fails lists its divergences,
                 or says that it follows from others; one for each part that could not be compared,
                 which is an error
    sweep        one for each scenario's verdicts and each comparison, and for a scenario of which a
                 run did not train; a missing run is an error
    benchmark    one for each row; a variant that trains differently is a failure, a variant that
                 could not be measured is an error
    diagnosis    one, the verdict

The document has a failure or an error if and only if some verdict is wrong. Texts are printable,
without escape codes, and paths in them have no folders.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from parity.bench.machine import facts
from parity.bench.result import OK, REFUSED, BenchResult, Row
from parity.files.log_text import log_line
from parity.ladder.items import FAIL, PASS, Level
from parity.ladder.result import ERROR, INCOMPLETE, Result
from parity.report.bench_sentences import number as short
from parity.report.bench_sentences import reason_of, times
from parity.report.bench_sentences import sentence as bench_sentence
from parity.report.fixes import fix_text
from parity.report.found import AnyResult, redact_paths
from parity.report.lines import shortened
from parity.report.sentences import (
    cause_title,
    difference,
    dtype_of,
    extent,
    found_title,
    index_text,
    is_check,
    is_inherited,
    item_place,
    sentence,
    subject,
)
from parity.report.sweep_sentences import (
    REASONS,
    SEEDS,
    collapse_text,
    margins_text,
    needed_text,
    why_undecided,
)
from parity.report.sweep_sentences import sentence as sweep_sentence
from parity.report.text.found import divergence_lines, setting_lines
from parity.report.text.result import advice_lines
from parity.report.text.result import divergence_lines as level_text
from parity.sweeps.result import SweepResult

if TYPE_CHECKING:
    from parity.behaviour.diagnosis import Diagnosis
    from parity.ladder.result import Found
    from parity.sweeps.agreement import ScenarioVerdicts
    from parity.sweeps.collapses import Collapses
    from parity.sweeps.equivalence import EquivalenceRow

MAX_TEXT, MAX_LINES = 2000, 500  # characters of a line, lines of a text


def junit_xml(results: Sequence[AnyResult]) -> str:
    """Returns the document, which ends with a line break.

    Args:
        results: results in the order of the testsuites; there may be none.
    """
    root = ET.Element("testsuites", name="parity")
    for number, result in enumerate(redact_paths(list(results))):
        suite = _Suite(root, number)
        if isinstance(result, Result):
            _add_result(suite, result)
        elif isinstance(result, SweepResult):
            _add_sweep(suite, result)
        elif isinstance(result, BenchResult):
            _add_bench(suite, result)
        else:
            _add_diagnosis(suite, result)
        suite.close()
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


class _Suite:
    """A testsuite that is being filled."""

    def __init__(self, root: ET.Element, number: int) -> None:
        self.element = ET.SubElement(root, "testsuite", id=str(number))
        self._properties = ET.SubElement(self.element, "properties")
        self._class = ""

    def name(self, kind: str, *parts: str) -> None:
        """Names the suite, and the class of its testcases."""
        name = _line(" ".join(parts))
        self.element.set("name", f"parity.{kind}.{name}")
        self._class = f"parity.{kind}.{name.replace('.', '_')}"  # a dot would begin another class

    def tell(self, found: Mapping[str, Any]) -> None:
        """Adds properties; unknown ones are left out."""
        for name, value in found.items():
            if value is not None:
                told = {"name": _line(str(name)), "value": _line(str(value))}
                ET.SubElement(self._properties, "property", told)

    def time(self, seconds: Sequence[Any]) -> None:
        """Sets the time, if it is known."""
        known = [value for value in seconds if isinstance(value, float | int)]
        if known and math.isfinite(total := sum(known)) and total >= 0:
            self.element.set("time", f"{total:.3f}")

    def case(self, name: str, group: str = "") -> ET.Element:
        """Adds a testcase that passes."""
        classname = f"{self._class}.{_line(group)}" if group else self._class
        return ET.SubElement(self.element, "testcase", name=_line(name), classname=classname)

    def judge(self, verdict: str, told: str) -> None:
        """Adds a testcase for a bad verdict, if no other testcase shows it."""
        if not any(self._count(kind) for kind in ("failure", "error")):
            _end(self.case("verdict"), "failure", verdict, told)

    def close(self) -> None:
        """Writes the counts."""
        counts = {
            "tests": self._count(""),
            "failures": self._count("failure"),
            "errors": self._count("error"),
            "skipped": self._count("skipped"),
        }
        for name, count in counts.items():
            self.element.set(name, str(count))
        if not len(self._properties):
            self.element.remove(self._properties)

    def _count(self, kind: str) -> int:
        path = f"testcase/{kind}" if kind else "testcase"
        return len(self.element.findall(path))


def _end(case: ET.Element, kind: str, type_: str, message: str, lines: Sequence[str] = ()) -> None:
    """Ends a testcase without a pass; the text repeats the message, for all viewers."""
    told = {"type": _line(type_), "message": _line(message)}
    element = ET.SubElement(case, kind, told)
    if kind != "skipped":
        element.text = "\n".join(_line(line) for line in (lines or [message])[:MAX_LINES])


def _line(text: str) -> str:
    """Returns a text in one line; characters that XML 1.0 forbids become visible text.

    A job may print the file into its log.
    """
    return log_line(shortened(text.rstrip(), MAX_TEXT))


def _add_result(suite: _Suite, result: Result) -> None:
    spec, dtype = result.spec, dtype_of(result)
    kind = "check" if is_check(result) else "run"
    suite.name(kind, subject(result), f"seed {spec.get('seed')}", dtype)
    names = ["scenario", "program", "keras", "torch", "steps", "epochs"]
    names += ["seed", "batch_size", "data", "device", "threads"]
    suite.tell({"verdict": result.verdict, "levels": extent([result])})
    suite.tell({"mode": result.mode, "dtype": dtype})
    suite.tell({name: spec.get(name) for name in names})
    seconds = []
    for half in ("keras", "torch"):
        environment = result.environment.get(half, {})
        suite.tell({f"{half}.python": environment.get("python")})
        versions = environment.get("versions")
        if isinstance(versions, Mapping):
            suite.tell({f"{half}.{name}": version for name, version in versions.items()})
        wall_s = environment.get("wall_s")
        told = wall_s.get("check") if isinstance(wall_s, Mapping) else None
        seconds.append(result.wall_s.get(half, told))
    suite.time(seconds)
    for level in result.levels:
        _add_level(suite, result, level)
    for entry in result.incomplete:
        told = f"{entry['what']} could not be compared: {entry['why']}; {entry['do']}"
        lines = [f"{name}: {entry[name]}" for name in ("what", "why", "do")]
        _end(suite.case(entry["what"], "could not be compared"), "error", INCOMPLETE, told, lines)
    if result.verdict == ERROR:
        told = "\n".join(result.errors) or sentence(result)
        _end(suite.case("run"), "error", ERROR, told.partition("\n")[0], told.splitlines())
    elif result.verdict != PASS:
        suite.judge(result.verdict, sentence(result))


def _add_level(suite: _Suite, result: Result, level: Level) -> None:
    case = suite.case(level.id)
    if level.status == PASS:
        accepted = [each for each in result.divergences if each.level == level.id]
        if accepted:
            told = "; ".join(found_title(each) for each in accepted)
            ET.SubElement(case, "system-out").text = _line(f"accepted: {told}")
        return
    if level.status != FAIL:
        _end(case, "skipped", level.status, level.tolerance_source)
        return
    item = level.first_failure
    if item is None:
        _end(case, "failure", FAIL, f"{level.id}: nothing was compared; {level.tolerance_source}")
        return
    values = f"{item_place(level.id, item)}{index_text(item)}: keras {item.keras}, "
    values += f"torch {item.torch}, {difference(item)}"
    if is_inherited(result, level):
        message = f"{level.id} differs only because of other divergences: {values}"
        _end(case, "failure", "inherited", message)
        return
    found = [each for each in result.divergences if each.level == level.id]
    lines = level_text(level, item) if not found else []
    for number, each in enumerate(found, start=1):
        lines += divergence_lines(each, number)
    is_first = result.first_divergence is not None and result.first_divergence[0] is level
    if is_first:
        lines += advice_lines(result) + setting_lines(result)
    text = ["".join(part for part, _ in line) for line in lines]
    _end(case, "failure", "divergence", _message(values, found), text)


def _message(values: str, found: Sequence[Found]) -> str:
    """Returns the first values that differ, and cause and fix of each divergence of a level."""
    named = [each for each in found if each.causes and not each.is_accepted]
    parts = [
        f"cause {cause_title(each.causes[0])}, fix: {fix_text(each.causes[0])}" for each in named
    ]
    return "; ".join([values, *parts])


def _add_sweep(suite: _Suite, result: SweepResult) -> None:
    suite.name("sweep", result.mode)
    suite.tell({"verdict": result.verdict, "mode": result.mode, "margins": margins_text(result)})
    suite.tell({"runs": result.num_runs})
    for row in result.equivalence.verdicts:
        _add_verdicts(suite, row)
    for collapses in result.equivalence.collapses:
        _add_collapses(suite, collapses)
    for comparison in result.equivalence.comparisons:
        _add_comparison(suite, comparison)
    for failure in result.failures:
        case = suite.case(f"seed {failure['seed']} {failure['half']}", failure["scenario"])
        reason = str(failure["reason"])
        _end(case, "error", "missing", reason.partition("\n")[0], reason.splitlines())
    if result.verdict != PASS:
        suite.judge(result.verdict, sweep_sentence(result))


def _add_verdicts(suite: _Suite, row: ScenarioVerdicts) -> None:
    case = suite.case("verdict", row.scenario)
    if not row.agrees:
        halves = (
            f"{half} {', '.join(f'{verdict} {count}' for verdict, count in counts.items())}"
            for half, counts in (("keras", row.keras), ("torch", row.torch))
        )
        told = f"{'; '.join(halves)}; of {row.num_seeds} seeds, {row.num_same} agree"
        _end(case, "failure", "verdicts", told)


def _add_collapses(suite: _Suite, row: Collapses) -> None:
    if not row.has_some:
        return
    case = suite.case("runs that did not train", row.scenario)
    if row.verdict != "equivalent":
        _end(case, "failure", row.verdict, f"{row.verdict}: {collapse_text(row)}")


def _add_comparison(suite: _Suite, row: EquivalenceRow) -> None:
    name = f"{row.quantity} against {row.against}" if row.against else row.quantity
    case = suite.case(name, row.scenario)
    if row.verdict == "equivalent":
        return
    found = row.equivalence
    told = (
        f"{row.verdict}: keras {row.keras:.4g}, torch {row.torch:.4g}, keras - torch in "
        f"[{found.low:.4g}, {found.high:.4g}], margin {found.margin:.4g}; {found.n} seeds"
    )
    if why := why_undecided(row):
        needs = f"needs about {needed_text(found.n_needed)}"
        told += f", {needs if why == SEEDS else REASONS[why]}"
    else:
        told += f", p {row.p_different:.1g}"
    _end(case, "failure", row.verdict, told)


def _add_bench(suite: _Suite, result: BenchResult) -> None:
    spec = result.spec
    suite.name("bench", str(spec.get("scenario")))
    suite.tell({"verdict": result.verdict, "scenario": spec.get("scenario")})
    suite.tell({"seed": spec.get("seed"), **facts(result)})
    for row in result.rows:
        _add_row(suite, row)
    if result.verdict != PASS:
        suite.judge(result.verdict, bench_sentence(result))


def _add_row(suite: _Suite, row: Row) -> None:
    case = suite.case(row.variant, f"{row.part} batch {row.batch_size} {row.precision}")
    if row.status == OK:
        if row.values:
            low, middle, high = map(short, row.quartiles())
            told = f"{middle} {row.unit} ({low} to {high})"
            if (ratio := row.ratio) is not None:
                told += f", {times(ratio.median)} x {row.baseline} "
                told += f"({times(ratio.low)} to {times(ratio.high)})"
            ET.SubElement(case, "system-out").text = _line(told)
        return
    reason = reason_of(row) or row.status
    _end(case, "failure" if row.status == REFUSED else "error", row.status, reason)


def _add_diagnosis(suite: _Suite, result: Diagnosis) -> None:
    suite.name("diagnosis", "history")
    suite.tell({"verdict": result.verdict, "epochs": result.judgement.num_epochs})
    case = suite.case("verdict")
    if result.verdict != "good_fit":
        causes = [
            f"{entry.cause.title} ({entry.confidence:.0%}); try: {'; '.join(entry.cause.remedies)}"
            for entry in result.causes
        ]
        findings = [finding.text for finding in result.findings]
        message = f"{result.verdict}: {result.judgement.because}"
        _end(case, "failure", result.verdict, message, [message, *findings, *causes])
