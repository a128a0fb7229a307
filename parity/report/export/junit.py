"""A page as JUnit XML, which every CI system shows as tests.

In: a page with its suites. Out: a document of Jenkins's schema junit-10, a testsuite for each
result. The document has a failure or an error if and only if some verdict is wrong. Texts are
printable, without escape codes.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parity.files.log_text import log_line
from parity.report.page import Case, shortened
from parity.report.text.page import divergence_lines

if TYPE_CHECKING:
    from parity.report.page import Page, Suite

MAX_TEXT, MAX_LINES = 2000, 500  # characters of a line, lines of a text
GOOD = ("pass", "good_fit")
_COUNTS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def junit_xml(page: Page) -> str:
    """Returns the document, which ends with a line break."""
    root = ET.Element("testsuites", name="parity")
    for number, suite in enumerate(page.suites):
        _add(root, number, suite)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _add(root: ET.Element, number: int, suite: Suite) -> None:
    """Adds a testsuite."""
    name = _line(suite.name)
    element = ET.SubElement(root, "testsuite", id=str(number), name=f"parity.{suite.kind}.{name}")
    known = [value for value in suite.seconds if isinstance(value, float | int)]
    if known and math.isfinite(total := sum(known)) and total >= 0:
        element.set("time", f"{total:.3f}")
    cases = list(suite.cases)
    counts = Counter(case.status for case in cases)
    if suite.verdict not in GOOD and not counts["failure"] + counts["error"]:
        cases.append(Case("verdict", "", "failure", suite.verdict, suite.sentence))
        counts["failure"] += 1
    element.set("tests", str(len(cases)))
    for key, status in _COUNTS.items():
        element.set(key, str(counts[status]))
    properties = {key: value for key, value in suite.properties.items() if value is not None}
    parent = ET.SubElement(element, "properties") if properties else element
    for key, value in properties.items():
        ET.SubElement(parent, "property", _lines(name=key, value=value))
    # A dot would begin another class.
    classname = f"parity.{suite.kind}.{name.replace('.', '_')}"
    for case in cases:
        _add_case(element, case, classname)


def _add_case(suite: ET.Element, case: Case, classname: str) -> None:
    group = f".{case.group}" if case.group else ""
    attributes = _lines(name=case.name, classname=f"{classname}{group}")
    element = ET.SubElement(suite, "testcase", attributes)
    if case.status == "passed":
        if case.message:
            ET.SubElement(element, "system-out").text = _line(case.message)
        return
    end = ET.SubElement(element, case.status, _lines(type=case.type, message=case.message))
    if case.status != "skipped":  # the text repeats the message, for all viewers
        end.text = "\n".join(_line(line) for line in _text(case)[:MAX_LINES])


def _text(case: Case) -> Sequence[str]:
    found = [line for each in case.divergences for line in divergence_lines(each)]
    lines = ["".join(part for part, _ in line) for line in found]
    return [*lines, *case.lines] or [case.message]


def _lines(**texts: Any) -> dict[str, str]:
    return {key: _line(str(text)) for key, text in texts.items()}


def _line(text: str) -> str:
    """Returns a text in one line; characters that XML 1.0 forbids become visible text.

    A job may print the file into its log.
    """
    return log_line(shortened(text.rstrip(), MAX_TEXT))
