"""What a user sees while jobs run: bars on a terminal, lines elsewhere, nothing when quiet."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Terminal
from paths import ROOT

from parity.errors import UNFINISHED
from parity.halves.job import ChildJob, Failure, Progress
from parity.halves.progress import ProgressDisplay


@pytest.fixture(autouse=True)
def _environment(plain_terminal):
    """Rich decides by the environment what a terminal is."""


@pytest.fixture
def jobs():
    return [
        ChildJob(
            name=f"[bold]dropout[/] seed {seed} keras",
            half="keras",
            directories=(Path(f"run{seed}"),),
            log=Path(f"{seed}.log"),
        )
        for seed in (1, 2)
    ]


def show(jobs, **options):
    """Lets the first job succeed and the second fail."""
    first, second = jobs
    with ProgressDisplay(jobs, **options) as display:
        display.on_progress(first, Progress(first.directories[0], 0, 0, None, 0.0))
        display.on_progress(second, Progress(second.directories[0], 0, 0, None, 0.0))
        for step in range(1, 101):
            progress = Progress(first.directories[0], step, 100, 2.5 / step, step / 100)
            display.on_progress(first, progress)
        display.on_done(first, None)
        display.on_progress(second, Progress(second.directories[0], 9, 10, float("nan"), 0.9))
        display.on_done(second, Failure(second, f"{second.name}: it [red]broke[/]\nlog\nlog"))


def test_plain_lines(jobs):
    stream = io.StringIO()
    show(jobs, quiet=False, stream=stream)
    text = re.sub(r"in \d+\.\d s", "in T s", stream.getvalue())
    assert text.splitlines() == [
        "[bold]dropout[/] seed 1 keras: started",
        "[bold]dropout[/] seed 2 keras: started",
        "[bold]dropout[/] seed 1 keras: 25 %, step 25/100, loss 0.1",
        "[bold]dropout[/] seed 1 keras: 50 %, step 50/100, loss 0.05",
        "[bold]dropout[/] seed 1 keras: 75 %, step 75/100, loss 0.03333",
        "[bold]dropout[/] seed 1 keras: finished in T s",
        "[bold]dropout[/] seed 2 keras: 75 %, step 9/10, loss nan",
        "failed: [bold]dropout[/] seed 2 keras: it [red]broke[/]",
    ]


def test_a_job_that_never_started_is_a_line(jobs):
    stream = io.StringIO()
    name = jobs[0].name
    with ProgressDisplay(jobs, quiet=False, stream=stream) as display:
        display.on_done(jobs[0], Failure(jobs[0], f"{name}: the interpreter was not found"))
    assert stream.getvalue() == f"failed: {name}: the interpreter was not found\n"


def test_a_port_that_is_not_finished_has_not_failed(jobs):
    stream = io.StringIO()
    reason = f"{UNFINISHED}: own is to be written"
    with ProgressDisplay(jobs, quiet=False, stream=stream) as display:
        display.on_done(jobs[0], Failure(jobs[0], f"{jobs[0].name}: {reason}"))
    assert stream.getvalue() == f"waits: {jobs[0].name}: {reason}\n"


def test_a_reason_of_several_jobs_is_told_once(jobs):
    """The whole paragraph is in the report of the command."""
    stream = io.StringIO()
    with ProgressDisplay(jobs, quiet=False, stream=stream) as display:
        for job in jobs:
            display.on_done(job, Failure(job, f"{job.name}: no numpy; install it: pip ...\nlog"))
    first, second = (job.name for job in jobs)
    assert stream.getvalue().splitlines() == [
        f"failed: {first}: no numpy",
        f"failed: {second}: the same as {first}",
    ]


def test_what_a_child_tells_is_a_line(jobs):
    stream = io.StringIO()
    with ProgressDisplay(jobs[:1], quiet=False, stream=stream) as display:
        progress = Progress(jobs[0].directories[0], 10, 10, 0.5, 1.0, note="comparison is close")
        display.on_progress(jobs[0], progress)
    assert stream.getvalue().splitlines()[-1] == f"{jobs[0].name}: comparison is close"


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_quiet_prints_nothing(jobs, stream, capfd):
    stream = stream()
    show(jobs, quiet=True, stream=stream)
    assert stream.getvalue() == ""
    assert capfd.readouterr() == ("", "")


def test_standard_error_is_the_default(jobs, capsys):
    show(jobs, quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "finished in" in err


def test_bars_on_a_terminal(jobs):
    stream = Terminal()
    show(jobs, quiet=False, stream=stream)
    text = stream.getvalue()
    assert "\x1b[" in text
    assert "[bold]dropout[/] seed 1 keras" in text
    assert "2/2 done" in text
    # Of what remains, the failure is a line, and the bars are erased.
    assert "failed: [bold]dropout[/] seed 2 keras: it [red]broke[/]" in text
    assert text.endswith(("\x1b[2K", "\x1b[1A\x1b[2K"))


def test_a_single_job_needs_no_bar_for_all(jobs):
    stream = Terminal()
    with ProgressDisplay(jobs[:1], quiet=False, stream=stream) as display:
        display.on_progress(jobs[0], Progress(jobs[0].directories[0], 1, 2, 0.5, 0.5))
        display.on_done(jobs[0], None)
    assert "done" not in stream.getvalue()


def test_no_color_is_honoured(jobs, monkeypatch):
    colour = re.compile(r"\x1b\[[\d;]*3[0-8][\d;]*m")
    stream = Terminal()
    show(jobs, quiet=False, stream=stream)
    assert colour.search(stream.getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    show(jobs, quiet=False, stream=stream)
    assert not colour.search(stream.getvalue())


def test_a_dumb_terminal_gets_lines(jobs, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    show(jobs, quiet=False, stream=stream)
    assert "\x1b" not in stream.getvalue()
    assert "finished in" in stream.getvalue()


def test_an_interrupt_erases_the_bars(jobs):
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), ProgressDisplay(jobs, quiet=False, stream=stream):
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\x1b[2K")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def test_standard_output_stays_standard_output(jobs, capsys):
    with ProgressDisplay(jobs, quiet=False, stream=Terminal()):
        print("result")
    assert capsys.readouterr().out == "result\n"


def test_rich_is_not_imported_without_a_terminal():
    script = (
        "import sys; from parity.halves.progress import ProgressDisplay\n"
        "with ProgressDisplay([], quiet=False): pass\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, stderr=subprocess.PIPE)


def test_what_is_printed_while_paused_stands_below_no_bar(jobs):
    stream = Terminal()
    with ProgressDisplay(jobs, quiet=False, stream=stream) as display:
        display.on_progress(jobs[0], Progress(Path("run1"), 1, 4, 0.5, 0.25))
        with display.paused():
            before = len(stream.getvalue())
            stream.write("a result\n")
            assert stream.getvalue()[before:] == "a result\n"
        display.on_progress(jobs[0], Progress(Path("run1"), 2, 4, 0.5, 0.5))
    printed = stream.getvalue()
    # The bars had been erased (line up, line cleared) when the result came.
    assert "\x1b[2K" in printed[: printed.index("a result")]
    assert "seed 1 keras" in printed[printed.index("a result") :]


@pytest.mark.parametrize("quiet", [True, False], ids=["quiet", "piped"])
def test_lines_and_silence_need_no_pause(jobs, quiet):
    stream = io.StringIO()
    with ProgressDisplay(jobs, quiet=quiet, stream=stream) as display, display.paused():
        stream.write("a result\n")
    assert stream.getvalue() == "a result\n"
