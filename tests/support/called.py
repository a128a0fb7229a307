"""Calls of the command line in this process: faster, and what it calls can be replaced."""

import sys
from dataclasses import dataclass

import pytest

from parity.cli.main import main


@dataclass
class Ended:
    """How a call has ended."""

    returncode: int
    stdout: str
    stderr: str


def assert_wrong_use(ended, *messages):
    """A call ended with exit code 2: it says why, without a traceback, and nothing else."""
    assert (ended.returncode, ended.stdout) == (2, "")
    assert [text for text in messages if text not in " ".join(ended.stderr.split())] == []
    assert "Traceback" not in ended.stderr


def calling(monkeypatch, capsys, folder, *command):
    """Returns what calls `parity COMMAND ARGUMENTS` in a folder."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["parity", *command, *map(str, arguments)])
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code, *capsys.readouterr())

    return run
