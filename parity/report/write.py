"""Writes the report of a command's results: report.html, summary.md, junit.xml.

    folder or result file -> found -> page -> HTML

Every command with `--out` calls `write_reports` at its end, and `parity report` at any time. Both
read the same files, so the report can be written again from these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from parity.behaviour.diagnosis import Diagnosis
from parity.bench.result import BenchResult
from parity.errors import InputError, ParityError, unwritten
from parity.files.atomic import write_bytes
from parity.report.export.junit import junit_xml
from parity.report.export.summary import summary_markdown
from parity.report.found import redact_paths, seed_histories
from parity.report.page import WARN, Note, Page
from parity.report.pages.bench_page import bench_page
from parity.report.pages.diagnosis_page import diagnosis_page
from parity.report.pages.run_page import run_page
from parity.report.pages.runs_page import pair_page, runs_page
from parity.report.pages.sweep_page import sweep_page
from parity.report.read import Found, FoundRun, FoundRuns, find
from parity.report.text.page import closing_lines, note_lines
from parity.traces.folder import EVENTS, JUNIT, REPORT, SUMMARY

if TYPE_CHECKING:
    from parity.report.found import AnyResult
    from parity.report.page import Line


@dataclass(frozen=True)
class Written:
    """A written report.

    Attributes:
        verdict: verdict of the result, as on its page.
        files: the files, report.html first.
        lines: for the terminal: what is missing or damaged, other remarks, and the verdict.
    """

    verdict: str
    files: tuple[Path, ...]
    lines: tuple[Line, ...] = ()


def attempt_reports(
    folder: Path, known: Mapping[Path, AnyResult], complain: Callable[[str], None]
) -> None:
    """Writes the report at the end of a command; if that fails, the results are not lost.

    Args:
        folder: folder of the command's results.
        known: the results, by the folders of their files.
        complain: called with the reason if there is no report.
    """
    try:
        write_reports(folder, known=known)
    except (ParityError, ImportError) as error:
        complain(f"parity: no report was written: {error}")


def write_reports(
    path: Path,
    *,
    out: Path | None = None,
    before: Path | None = None,
    events: bool = False,
    known: Mapping[Path, AnyResult] | None = None,
) -> Written:
    """Writes the report of a folder, or of a result file.

    Args:
        path: folder of `--out` or file of `--json`.
        out: folder for the report; None = the folder of `path`.
        before: an earlier result of the same kind, to compare with.
        events: whether to write TensorBoard's event files too.
        known: results that need not be read from their files, by folder.

    Returns:
        The verdict of the results, and the files.

    Raises:
        InputError: there are no results, or the report cannot be written.
    """
    found = find(path, known)
    folder = out or (path if path.is_dir() else path.parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page = page_of(found, folder) if before is None else _beside(find(before), found)
        short = redact_paths(page)
        texts = {REPORT: _html(page), SUMMARY: summary_markdown(short), JUNIT: junit_xml(short)}
        for name, text in texts.items():
            # A name with half a character in it is shown as what it is.
            write_bytes(folder / name, text.encode("utf-8", "backslashreplace"))
        files = [folder / name for name in texts]
        if events:
            files += _write_events(found, folder / EVENTS)
    except OSError as error:
        what = f"{folder}: the report"
        raise unwritten(what, error, "name another folder with --out") from error
    problems = [Note("problem", problem, look=WARN) for problem in page.problems]
    lines = [*note_lines([*problems, *page.notes]), *closing_lines(page)]
    return Written(page.verdict, tuple(files), tuple(lines))


def page_of(found: Found, folder: Path | None = None) -> Page:
    """Returns the page of the results.

    Args:
        found: the results.
        folder: in which the page will be.
    """
    if isinstance(found, FoundRun):
        return run_page(found)
    if isinstance(found, FoundRuns):
        beside = folder if found.folder == folder else None
        return runs_page(found.runs, found.problems, beside)
    result = found.result
    if isinstance(result, BenchResult):
        return bench_page(result, found.problems)
    if isinstance(result, Diagnosis):
        return diagnosis_page(result)
    histories = seed_histories(found.folder, result.rows) if found.folder is not None else {}
    return sweep_page(result, found.problems, histories)


def _beside(before: Found, after: Found) -> Page:
    match before, after:
        case FoundRun(), FoundRun() if before.is_check == after.is_check:
            return pair_page(before, after)
    raise InputError(
        "only two runs or two checks can be compared; name the folders of two runs "
        "(`parity bench --compare OLD.json` compares benchmarks)"
    )


def _write_events(found: Found, folder: Path) -> list[Path]:
    from parity.report.export.curves import write_events

    files = []
    runs = found.runs if isinstance(found, FoundRuns) else (found,)
    for run in runs:
        if not isinstance(run, FoundRun):
            raise InputError(f"{folder.parent}: only runs and checks have curves for TensorBoard")
        name = run.folder.name if run.folder is not None and len(runs) > 1 else ""
        files += write_events(run.result, folder / name)
    return files


def _html(page: Page) -> str:
    from parity.report.html.render import render

    return render(page)
