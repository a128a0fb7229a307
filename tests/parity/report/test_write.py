"""The report as files, from the command line too; what is damaged ends in no traceback."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import bench_results
import pytest
from click.testing import CliRunner
from report_folders import (
    bench_folder,
    check_result,
    diagnosis_folder,
    error_folder,
    run_folder,
    stored_runs,
    sweep_folder,
    sweep_rows,
    write,
)

from parity.cli.main import cli
from parity.errors import InputError
from parity.report.write import write_reports
from parity.traces.folder import JUNIT, REPORT, SUMMARY


def check_folder(folder):
    write(folder / "result.json", check_result().to_json())


def bench_with(*rows, **changes):
    found = bench_results.noisy(1)
    found = replace(found, rows=(*found.rows, *rows), **changes)
    return lambda folder: bench_folder(folder, found)


def lost(status):
    return bench_results.row("torch-own", status=status, reason="why")


# What a command has left, its verdict, the exit code, the colour of the verdict, and what is told.
REPORTS = {
    "run": (run_folder, "pass", 0, "pass", ""),
    "check": (check_folder, "fail", 1, "fail", ""),
    "error": (error_folder, "error", 3, "fail", "problem: the child ended with exit code 1"),
    "sweep": (sweep_folder, "pass", 0, "pass", "margins visible: ±1.5 points of accuracy"),
    "failed sweep": (lambda f: sweep_folder(f, shift=0.08), "fail", 1, "fail", ""),
    "inconclusive sweep": (
        lambda f: sweep_folder(f, seeds=2, shift=0.015), "inconclusive", 3, "warn", ""),
    "unfinished sweep": (
        lambda f: stored_runs(f, sweep_rows(seeds=2)), "incomplete", 3, "warn",
        "problem: plan.json is missing: the visible margins judge it"),
    "bench": (bench_with(), "pass", 0, "pass", ""),
    "refused bench": (bench_with(lost("refused")), "fail", 1, "fail", ""),
    "failed bench": (bench_with(lost("failed")), "incomplete", 3, "warn", ""),
    "interrupted bench": (bench_with(is_finished=False), "incomplete", 3, "warn",
                          "problem: The benchmark was interrupted: cells may be missing"),
    "diagnosis": (diagnosis_folder, "overfit", 1, "fail", ""),
    "undecided diagnosis": (lambda f: diagnosis_folder(f, {"loss": [0.5], "accuracy": [0.9]}),
                            "undecided", 1, "warn", ""),
}  # fmt: skip


def call(*arguments):
    """The exit code and the output of `parity report`."""
    from parity.errors import ParityError

    result = CliRunner().invoke(cli, ["report", *map(str, arguments)], standalone_mode=False)
    if isinstance(result.exception, ParityError):
        return result.exception.exit_code, str(result.exception)
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.output


@pytest.fixture
def undrawn(monkeypatch):
    """Curves take most of the time of a report, and other tests draw them."""
    monkeypatch.setattr("parity.report.html.render.drawn", lambda name, *_: "<svg></svg>")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("make", "verdict", "code", "look", "why"), REPORTS.values(), ids=REPORTS)
def test_every_kind_of_result_has_its_report(make, verdict, code, look, why, tmp_path):
    """What does not pass is green in none."""
    make(tmp_path)
    ended, told = call(tmp_path)
    assert (ended, told.splitlines()[0]) == (code, f"{verdict}: {tmp_path / REPORT}")
    assert why in " ".join(told.split())
    html = (tmp_path / REPORT).read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert f'<span class="badge {look}">{verdict}</span>' in html
    assert f'<header class="{look}">' in html
    root = ET.fromstring((tmp_path / JUNIT).read_text(encoding="utf-8"))
    assert (int(root.get("failures")) + int(root.get("errors")) > 0) == (look != "pass")
    summary = (tmp_path / SUMMARY).read_text(encoding="utf-8").lower()
    assert summary.startswith(f"**{verdict}")


@pytest.mark.parametrize("name", ["run", "check", "sweep", "bench", "diagnosis"])
def test_a_report_with_its_curves_is_no_large_file(name, tmp_path):
    make, _, code, *_ = REPORTS[name]
    make(tmp_path)
    assert call(tmp_path)[0] == code
    assert (tmp_path / REPORT).stat().st_size < 6e6


def test_a_result_file_has_its_report_beside_it_or_where_it_is_asked_for(tmp_path):
    path = tmp_path / "check.json"
    write(path, check_result().to_json())
    assert call(path)[0] == 1
    assert (tmp_path / REPORT).exists()
    assert call(path, "--out", tmp_path / "new" / "place", "--quiet") == (1, "")
    assert (tmp_path / "new" / "place" / REPORT).exists()


def test_the_json_of_a_report_names_verdict_and_files(tmp_path):
    write(tmp_path / "result.json", check_result().to_json())
    assert call(tmp_path, "--quiet", "--json", tmp_path / "told.json") == (1, "")
    told = json.loads((tmp_path / "told.json").read_text())
    files = [str(tmp_path / name) for name in (REPORT, SUMMARY, JUNIT)]
    assert told == {"verdict": "fail", "files": files}


def test_results_of_two_kinds_are_not_compared(tmp_path):
    run_folder(tmp_path / "run")
    sweep_folder(tmp_path / "sweep")
    code, told = call(tmp_path / "run", tmp_path / "sweep")
    assert code == 2
    assert "only two runs or two checks can be compared" in told


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    run_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="the report cannot be written"):
        write_reports(tmp_path, out=tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["result.json", "sweep.json", "bench.json", "diagnosis.json"])
@pytest.mark.parametrize("content", ["", "{", "null", '{"schema": "parity.result/1"}', "[[[["])
def test_a_damaged_file_is_a_report_or_an_error_of_one_paragraph(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    code, told = call(tmp_path)
    assert code in (2, 3)
    if code == 2:
        assert "\n" not in told.strip()
        assert name in told


@pytest.mark.usefixtures("undrawn")
def test_every_value_of_a_result_may_be_of_a_wrong_type(tmp_path):
    """Each in turn is replaced; what comes is a report or an error, and never a traceback."""
    whole = run_folder(tmp_path).to_json()
    codes = set()
    wrong = (None, 7, "text", [], {}, [7], {"keras": 7})
    for number, key in enumerate(whole):
        write(tmp_path / "result.json", {**whole, key: wrong[number % len(wrong)]})
        codes.add(call(tmp_path)[0])
    assert 3 in codes
    assert codes <= {0, 3}  # where it can be read as it is, it has kept its verdict


@pytest.mark.long
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="only Linux tells memory so")
def test_a_large_sweep_is_reported_in_seconds(tmp_path):
    """200 jobs: under 5 seconds and 500 MB, in a process of its own."""
    from parity.programs.scenarios import BEHAVIOUR

    sweep_folder(tmp_path, scenarios=list(BEHAVIOUR)[:10], seeds=10)
    program = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from parity.report.write import write_reports\n"
        "write_reports(Path(sys.argv[1]))\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(used.ru_utime + used.ru_stime, status.split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **{"capture_output": True, "text": True, "check": True},
    )
    seconds, kilobytes = map(float, done.stdout.split())
    assert seconds < 5  # of the processor: others may be at work, too
    assert kilobytes < 500_000
