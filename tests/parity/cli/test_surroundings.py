"""Each command in bad surroundings: no traceback, no wrong verdict, no half of a file.

A command is started as a user starts it. How it ends in good surroundings is known; in others it
ends in the same way, or says with 2 or 3 that it could not do what it was to do.
"""

import json
import os
import re
import subprocess
import sys

import pytest
from called import calling
from forked_calls import forked_calls, surround
from rows import each_row
from short_histories import GOOD_FIT, OVERFIT

from parity.cli.main import COMMANDS

BROKEN = ("--keras-python", "{here}/broken", "--torch-python", "{here}/broken")
PAIR = ("--keras", "{here}/nets.py:build", "--torch", "{here}/nets.py:build")
JSON, OUT = ("--json", "{here}/made/a.json"), ("--out", "{here}/made/out")
SMALL = ("--train-size", "20", "--val-size", "10", "--epochs", "1")

# Name: its words, and its exit code in good surroundings. A half that is broken gives 3, in a sweep
# 2: its versions are asked first.
CALLS = {
    "list": (("list", *JSON), 0),
    "explain": (("explain", "F2", *JSON), 0),
    "completion": (("completion", "bash"), 0),
    "help": (("--help",), 0),
    "diagnose": (("diagnose", "{here}/good.json", *JSON, *OUT), 0),
    "diagnose-bad": (("diagnose", "{here}/bad.json", *JSON, *OUT), 1),
    "diagnose-plot": (("diagnose", "{here}/good.json", "--plot", "{here}/made/a.svg"), 0),
    "report": (("report", "{here}/told", *JSON, *OUT), 1),
    "sweep-histories": (
        ("sweep", "--histories", "{here}/good*.json", "{here}/bad*.json", *JSON, *OUT),
        3,
    ),
    "sweep": (("sweep", "leak", "--seeds", "0:1", *SMALL, *BROKEN, *JSON, *OUT), 2),
    "run": (("run", "dropout", *SMALL, *BROKEN, *JSON, *OUT), 3),
    "check": (("check", *PAIR, *BROKEN, *JSON, *OUT), 3),
    "record": (("record", "{here}/made/a.parity", *PAIR[:2], *BROKEN), 3),
    "port": (("port", PAIR[1], "--out", "{here}/made/net", *BROKEN, *JSON), 3),
    "convert": (
        ("convert", "{here}/good.json", *PAIR[2:], "--out", "{here}/made/a.safetensors"),
        2,
    ),
    "bench": (("bench", "dropout", "--rounds", "3", *BROKEN, *JSON, *OUT), 3),
    "doctor": (("doctor", *BROKEN, *JSON), 3),
}


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
SURROUNDINGS = {
    "good": {},
    "stdout-closed": {"stdout": "closed"},
    "stdout-full": {"stdout": "full"},
    "stdout-gone": {"stdout": "gone"},
    "stderr-closed": {"stderr": "closed"},
    "stderr-full": {"stderr": "full"},
    "both-closed": {"stdout": "closed", "stderr": "closed"},
    "no-home": {"environment": {"HOME": None, "XDG_CACHE_HOME": None, "TERM": None}},
    "no-folder": {"is_removed": True},
    "disk-full": {"is_full": True},
}
# Without the entry of an editable install, which is no path.
PATHS = os.pathsep.join(filter(os.path.isabs, sys.path))
# Of what Python does before the command begins and after it, a quick command is enough, and one
# that writes what ASCII has not.
STARTED = {name: ("list", SURROUNDINGS[name]) for name in ("stdout-closed", "both-closed")}
STARTED["ascii"] = ("diagnose-bad", {"environment": ASCII})
# Where every command does something of its own; in the others some of them are enough.
OF_ALL = ("good", "stdout-full", "disk-full")
SOME = ("list", "diagnose-bad", "report", "run")


@pytest.fixture(scope="module")
def forked():
    with forked_calls() as call:
        yield call


def folder_in(tmp_path):
    """A folder with histories, a report to be made, a broken interpreter and an empty folder."""
    for name, columns in (("good", GOOD_FIT), ("bad", OVERFIT)):
        for path in (f"{name}.json", f"{name}2.json"):
            (tmp_path / path).write_text(json.dumps(columns))
    (tmp_path / "nets.py").write_text("def build():\n    return None\n")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho something broke >&2; exit 1\n")
    broken.chmod(0o755)
    for name in ("made", "told", "left", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "told" / "diagnosis.json").write_text(_diagnosis())
    return tmp_path


def _diagnosis():
    from parity.behaviour.diagnosis import diagnose

    return json.dumps(diagnose(OVERFIT).to_json())


def call_of(here, words, around):
    """The words of a call, and its surroundings."""
    environment = {"TMPDIR": str(here / "tmp"), "PARITY_DATA_DIR": str(here)}
    environment |= around.get("environment", {})
    told = {**around, "folder": str(here / "left"), "environment": environment}
    if words[0] == "diagnose" and around and around.keys() <= {"stdout", "stderr"}:
        words = [word for word in words if word not in OUT]  # `report` writes a page there
    return [word.format(here=here) for word in words], told


def started(words, folder, environment, **around):
    """Calls `parity` in a process that is started anew."""
    found = os.environ | {"PYTHONPATH": PATHS} | environment
    process = subprocess.run(
        [sys.executable, "-m", "parity", *words],
        capture_output=True,
        cwd=folder,
        env={name: value for name, value in found.items() if value is not None},
        preexec_fn=lambda: surround(**around),
        timeout=120,
        check=False,
    )
    texts = [stream.decode("utf-8", "replace") for stream in (process.stdout, process.stderr)]
    return process.returncode, *texts


def test_every_command_is_called():
    assert {words[0] for words, _ in CALLS.values()} >= set(COMMANDS)


def check(here, words, usual, around, code, stdout, stderr):
    """Checks how a call has ended, and what it has left."""
    assert code in {usual, 2, 3}, stderr
    assert "Traceback" not in stdout + stderr
    makes_files = any("{here}/made" in word for word in words)
    if around.get("stdout") in ("closed", "full") or (around.get("is_full") and makes_files):
        assert code in {2, 3}, "what could not be told has no verdict"
        assert stderr or "stderr" in around
    elif around.get("is_removed"):
        assert code == usual or "the current folder has been removed" in stderr
    else:
        assert code == usual, stderr
    assert [path for path in here.rglob(".parity-*") if path.is_file()] == []
    for path in (here / "made").rglob("*.json"):
        assert json.loads(path.read_text()), f"{path} is whole"
    assert list((here / "tmp").glob("parity-*.log")) == [], "all of this was foreseen"


NEEDS_FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")


@NEEDS_FULL
@each_row(
    ("call", "surroundings"),
    [(call, name) for name in SURROUNDINGS for call in (CALLS if name in OF_ALL else SOME)],
)
def test_a_command_ends_as_it_should_or_says_that_it_could_not(
    call, surroundings, tmp_path, forked
):
    here = folder_in(tmp_path)
    words, usual = CALLS[call]
    around = SURROUNDINGS[surroundings]
    given, told = call_of(here, words, around)
    check(here, words, usual, around, *forked(*given, **told))


@NEEDS_FULL
@each_row("surroundings", STARTED)
def test_a_started_process_ends_as_a_fork_does(surroundings, tmp_path):
    here = folder_in(tmp_path)
    call, around = STARTED[surroundings]
    words, usual = CALLS[call]
    given, told = call_of(here, words, around)
    check(here, words, usual, around, *started(given, **told))


def test_an_error_that_nobody_foresaw_has_code_3_and_a_log(tmp_path, monkeypatch, capsys):
    """A seeded fault: a command that raises what is none of our errors."""

    def broken(*arguments, **settings):
        raise KeyError("::error::x")

    monkeypatch.setattr("parity.cli.lists.user_programs", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = calling(monkeypatch, capsys, tmp_path)("list")
    assert (ended.returncode, ended.stdout) == (3, "")
    (log,) = tmp_path.glob("parity-*.log")
    line = broken.__code__.co_firstlineno + 1
    assert ended.stderr == (
        "parity: an unexpected error ended the command, which has no verdict: "
        f"KeyError: '::error::x' (test_surroundings.py:{line}); the log is {log}\n"
    )
    assert re.search(r"\$ parity list\n.*Traceback.*KeyError", log.read_text(), re.DOTALL)
