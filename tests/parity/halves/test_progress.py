"""What a user sees while jobs run: bars on a terminal, lines elsewhere, nothing when quiet."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Terminal
from paths import ROOT
from rows import each_row

from parity.errors import UNFINISHED
from parity.halves.job import ChildJob, Failure, Progress
from parity.halves.progress import ProgressDisplay

JOBS = [
    ChildJob(
        name=f"[bold]dropout[/] seed {seed} keras",
        half="keras",
        directories=(Path(f"run{seed}"),),
        log=Path(f"{seed}.log"),
    )
    for seed in (1, 2)
]
FIRST, SECOND = JOBS
COLOUR = re.compile(r"\x1b\[[\d;]*3[0-8][\d;]*m")


@pytest.fixture(autouse=True)
def _environment(plain_terminal):
    """Rich decides by the environment what a terminal is."""


def show(stream, *events, jobs=JOBS, quiet=False):
    """What is printed of events: (job, progress) or (job, reason of a failure or None)."""
    with ProgressDisplay(jobs, quiet=quiet, stream=stream) as display:
        for job, event in events:
            if isinstance(event, Progress):
                display.on_progress(job, event)
            else:
                display.on_done(job, event and Failure(job, f"{job.name}: {event}"))
    return stream.getvalue()


def at(step, num, loss, fraction, **more):
    return Progress(FIRST.directories[0], step, num, loss, fraction, **more)


# The first job succeeds and the second fails.
STORY = [
    *((job, at(0, 0, None, 0.0)) for job in JOBS),
    *((FIRST, at(step, 100, 2.5 / step, step / 100)) for step in range(1, 101)),
    (FIRST, None),
    (SECOND, at(9, 10, float("nan"), 0.9)),
    (SECOND, "it [red]broke[/]\nlog\nlog"),
]
PLAIN = """\
[bold]dropout[/] seed 1 keras: started
[bold]dropout[/] seed 2 keras: started
[bold]dropout[/] seed 1 keras: 25 %, step 25/100, loss 0.1
[bold]dropout[/] seed 1 keras: 50 %, step 50/100, loss 0.05
[bold]dropout[/] seed 1 keras: 75 %, step 75/100, loss 0.03333
[bold]dropout[/] seed 1 keras: finished in T s
[bold]dropout[/] seed 2 keras: 75 %, step 9/10, loss nan
failed: [bold]dropout[/] seed 2 keras: it [red]broke[/]
"""
MISSING = "no numpy; install it: pip ...\nlog"


@each_row(
    "events, expected",
    [
        (STORY, PLAIN),
        (
            [(FIRST, "the interpreter was not found")],
            f"failed: {FIRST.name}: the interpreter was not found\n",
        ),
        (
            [(FIRST, f"{UNFINISHED}: own is to be written")],
            f"waits: {FIRST.name}: {UNFINISHED}: own is to be written\n",
        ),
        (  # a reason of several is told once; the whole paragraph is in the report
            [(job, MISSING) for job in JOBS],
            f"failed: {FIRST.name}: no numpy\nfailed: {SECOND.name}: the same as {FIRST.name}\n",
        ),
    ],
    ids=["story", "never_started", "unfinished", "same_reason"],
)
def test_each_event_is_a_line(events, expected):
    assert re.sub(r"in \d+\.\d s", "in T s", show(io.StringIO(), *events)) == expected


def test_quiet_prints_nothing_and_standard_error_is_the_default(capfd):
    assert show(io.StringIO(), *STORY, quiet=True) == show(Terminal(), *STORY, quiet=True) == ""
    assert capfd.readouterr() == ("", "")
    with ProgressDisplay(JOBS, quiet=False) as display:
        display.on_done(FIRST, None)
    out, err = capfd.readouterr()
    assert (out, "finished in" in err) == ("", True)


def test_bars_on_a_terminal(monkeypatch, capsys):
    text = show(Terminal(), *STORY)
    assert "\x1b[" in text
    assert "[bold]dropout[/] seed 1 keras" in text
    assert "2/2 done" in text
    # Of what remains, the failure is a line, and the bars are erased.
    assert "failed: [bold]dropout[/] seed 2 keras: it [red]broke[/]" in text
    assert text.endswith(("\x1b[2K", "\x1b[1A\x1b[2K"))
    assert "done" not in show(Terminal(), (FIRST, at(1, 2, 0.5, 0.5)), (FIRST, None), jobs=[FIRST])
    assert COLOUR.search(text)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(show(Terminal(), *STORY))
    monkeypatch.setenv("TERM", "dumb")
    text = show(Terminal(), *STORY)
    assert "\x1b" not in text
    assert "finished in" in text
    with ProgressDisplay(JOBS, quiet=False, stream=Terminal()):
        print("result")
    assert capsys.readouterr().out == "result\n"


def test_an_interrupt_erases_the_bars():
    stream = Terminal()
    with pytest.raises(KeyboardInterrupt), ProgressDisplay(JOBS, quiet=False, stream=stream):
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\x1b[2K")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def test_rich_is_not_imported_without_a_terminal():
    script = (
        "import sys; from parity.halves.progress import ProgressDisplay\n"
        "with ProgressDisplay([], quiet=False): pass\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, stderr=subprocess.PIPE)


def test_what_is_printed_while_paused_stands_below_no_bar():
    for stream in (Terminal(), io.StringIO()):
        with ProgressDisplay(JOBS, quiet=False, stream=stream) as display:
            display.on_progress(FIRST, at(1, 4, 0.5, 0.25))
            with display.paused():
                before = len(stream.getvalue())
                stream.write("a result\n")
                assert stream.getvalue()[before:] == "a result\n"
            display.on_progress(FIRST, at(2, 4, 0.5, 0.5))
        first, _, then = stream.getvalue().partition("a result")
        # The bars had been erased (line up, line cleared) when the result came.
        assert ("\x1b[2K" in first) == isinstance(stream, Terminal)
        assert "seed 1 keras" in then
