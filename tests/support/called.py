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


def calling(monkeypatch, capsys, folder, *command):
    """Returns what calls `parity COMMAND ARGUMENTS` in a folder."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["parity", *command, *map(str, arguments)])
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code, *capsys.readouterr())

    return run
