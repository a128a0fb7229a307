"""Every kind of page in every format, compared whole with a file that a person has read.

After a change that is meant, PARITY_WRITE_GOLDEN=1 writes the files anew, and `git diff` shows what
readers will see.
"""

import dataclasses
import os
import re
from pathlib import Path

import pytest
import result_samples as samples
from bench_results import noisy, row
from bench_results import result as bench_result
from helpers import make_data
from report_folders import MAKERS, make_check, make_several

from parity.behaviour.audit.findings import Finding
from parity.behaviour.diagnosis import diagnose
from parity.bench.comparison import compare
from parity.bench.result import FAILED, REFUSED, SECONDS
from parity.report.export.curves import to_csv
from parity.report.export.junit import junit_xml
from parity.report.export.summary import summary_markdown
from parity.report.found import redact_paths
from parity.report.html.render import render
from parity.report.pages.bench_page import bench_page, comparison_page
from parity.report.pages.diagnosis_page import diagnosis_page
from parity.report.pages.runs_page import pair_page, result_page, runs_page
from parity.report.pages.sweep_page import sweep_page
from parity.report.read import FoundRun, find
from parity.report.text.page import main_lines, page_lines
from parity.report.write import page_of

GOLDEN = Path(__file__).parent / "golden"
WRITES = bool(os.environ.get("PARITY_WRITE_GOLDEN"))


def folder_of(name):
    def page(folder):
        MAKERS[name](folder)
        return page_of(find(folder), folder)

    return page


def pair(folder):
    for make in (make_check, make_several):
        (folder / make.__name__).mkdir()
        make(folder / make.__name__)
    return pair_page(find(folder / "make_check"), find(folder / "make_several"))


def checks(_):
    """Several programs side by side: what each verdict tells."""
    found = {
        "right": samples.passing_check(),
        "wrong": samples.failing_check(),
        "open": samples.incomplete_check(),
        "broken": samples.broken_run("it broke\nin line 3"),
        "trained": samples.run(),
        "differs": samples.failing_run(),
    }
    return runs_page([FoundRun(None, result) for result in found.values()], names=[*found])


def open_sweep(_):
    verdicts = ["equivalent", "different", "inconclusive"]
    found = samples.sweep(
        "incomplete",
        verdicts=verdicts,
        agrees=False,
        missing=["killed\nlog", "hung", "hung"],
        collapsed=(2, 9, "different"),
    )
    return sweep_page(dataclasses.replace(found, notes=("two histories were read",)))


def benchmark(_):
    note = "gradient: conv1.kernel"
    found = bench_result(
        row("keras", 8000.0, 8100.0, 8200.0, warmup_s=12.1, peak_memory_mb=811.6,
            seconds_to_accuracy=31.04),
        row("torch", 12000.0, 12150.0, 13300.0, warmup_s=3.4, peak_memory_mb=640.2, parity="pass"),
        row("torch-compiled", status=FAILED, reason="the child was killed\n(out of memory)"),
        row("torch-own", 9.0, status=REFUSED, reason="it differs", parity_note=note, parity="fail"),
        row("keras", 4.5, 4.0, 5.0, part="startup", unit=SECONDS),
        row("torch", 1.5, 1.0, 1.25, part="startup", unit=SECONDS),
    )  # fmt: skip
    place = {**found.environment, "began": "2026-01-02", "background_cpu_share": 0.314}
    return bench_page(dataclasses.replace(found, environment={**place, "command": "parity bench"}))


def comparison(_):
    old, new = noisy(1), noisy(2, speed=0.7)
    lost = row("torch-own", status=FAILED, reason="killed")
    rows = ((*old.rows, lost, row("a", *[1.0] * 7)), (*new.rows, row("torch-own", *[1.0] * 7)))
    both = (dataclasses.replace(each, rows=r) for each, r in zip((old, new), rows, strict=True))
    return comparison_page(compare(*both))


def audited(_):
    data = make_data((8, 8, 1), num_classes=4, num_train=60, num_val=40)
    found = diagnose(samples.diagnosis().history, data, notes=("the last epoch did not end",))
    findings = (Finding("duplicates", "high", "12 of validation occur in training"),)
    return diagnosis_page(dataclasses.replace(found, findings=findings), "runs/history.json")


PAGES = {
    **{name: folder_of(name) for name in ("data", "gradient", "error", "several", "runs")},
    **{"sweep": folder_of("sweep_with_curves"), "open-sweep": open_sweep, "pair": pair},
    **{"failing-check": lambda _: result_page(samples.failing_check())},
    **{"accepted-check": lambda _: result_page(samples.accepted_check())},
    **{"explained-run": lambda _: result_page(samples.explained_run())},
    **{"checks": checks, "bench": benchmark, "bench-change": comparison},
    **{"diagnosis": folder_of("diagnosis"), "audited": audited},
}


def body(html):
    """What stands on the page, without its style and its script; images are no text."""
    text = html[html.index("<header") : html.index("</main>")]
    text = re.sub(r"data:image/png;base64,[^\"]*", "IMAGE", text)
    return re.sub(r"\n\s*\n+", "\n", text)


def text(lines):
    return "".join("".join(part for part, _ in line).rstrip() + "\n" for line in lines)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_as_it_did(name, tmp_path, monkeypatch):
    monkeypatch.setattr("parity.report.html.render.drawn", lambda name, *_: f"<svg>{name}</svg>")
    page = PAGES[name](tmp_path)
    short = redact_paths(page)
    lines = main_lines(page) if name in ("runs", "checks") else page_lines(page)
    told = {
        "txt": text(lines),
        "md": summary_markdown(short),
        "xml": junit_xml(short),
        "html": body(render(page)),
    }
    for suffix, found in told.items():
        path = GOLDEN / f"{name}.{suffix}"
        if WRITES:
            path.parent.mkdir(exist_ok=True)
            path.write_text(found, encoding="utf-8")
        assert found == path.read_text(encoding="utf-8"), path.name
    assert all(len(line) <= 80 and line.isprintable() for line in told["txt"].splitlines())


def test_a_benchmark_as_a_spreadsheet_reads_like_this():
    found = bench_result(
        row("keras", 8.0, 9.0, warmup_s=12.1, peak_memory_mb=811.6),
        row("=1+1", 16.0, 18.0, parity="pass", parity_note="a\nb"),
        row("torch-own", status=FAILED, reason="killed"),
    )
    head, keras, formula, failed = to_csv(found).splitlines()
    assert head.startswith("part,variant,batch_size,precision,status,unit,rounds,q1,median,q3,")
    assert keras == ("train,keras,32,fp32,ok,images/s,2,8.25,8.5,8.75,,,,,,12.1,,811.6,unchecked,,")
    assert formula.startswith("train,'=1+1,32,fp32,ok,images/s,2,16.5,17,17.5,keras,2,2,2,0.5,")
    assert formula.endswith(",pass,a b,")
    assert failed.startswith("train,torch-own,32,fp32,failed,images/s,0,,,,")
    assert failed.endswith(",unchecked,,killed")
