"""The script of each shell, and one press of the tab key in a real one."""

import os
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from helpers import commands
from paths import ROOT
from rows import each_row

from parity.cli.completion import SHELLS, VARIABLE
from parity.cli.main import cli


@each_row("shell", SHELLS)
def test_the_script_asks_parity_and_completes_it(shell):
    ended = CliRunner().invoke(cli, ["completion", shell])
    assert ended.exception is None
    assert f"{VARIABLE}={shell}_complete" in ended.stdout
    assert {
        "bash": "complete -o nosort -F _parity_completion parity",
        "zsh": "compdef _parity_completion parity",
        "fish": "complete --no-files --command parity",
    }[shell] in ended.stdout


def bash_version():
    bash = shutil.which("bash")
    if bash is None:
        return (0, 0)
    command = [bash, "--norc", "-c", 'echo "${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"']
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(map(int, told.split()))


@pytest.mark.skipif(bash_version() < (4, 4), reason="no bash of 4.4 or newer, which it needs")
def test_bash_completes_with_the_script(tmp_path):
    program = tmp_path / "parity"
    program.write_text(f"#!{sys.executable}\nfrom parity.cli.main import main\nmain()\n")
    program.chmod(0o755)
    pressed = """
        eval "$(parity completion bash)"
        press() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            compopt() { local IFS=" "; echo "compopt $*"; }
            _parity_completion parity
            echo "${COMPREPLY[@]}"
        }
        complete -p parity
        press parity exp
        press parity run cured_by_d
        press parity explain a14
        press parity bench --variants keras,torch-e
        press parity run --data ./
    """
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    ended = subprocess.run(
        ["bash", "--norc", "-c", pressed],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "complete -o nosort -F _parity_completion parity",
        "explain",
        "cured_by_data cured_by_dropout",
        "A14c A14b A14",
        "keras,torch-eager",
        "compopt -o default",
        "",
    ]


def test_every_option_that_names_something_is_completed():
    """A new option of a known name must not be forgotten."""
    named = (
        "scenario",
        "variant",
        "part",
        "precision",
        "level",
        "baseline",
        "data",
        "keras",
        "torch",
    )
    missing = [
        f"{name} {parameter.name}"
        for name, command in commands().items()
        for parameter in command.params
        if parameter.name.startswith(named)
        and not parameter.shell_complete(click.Context(command), "")
    ]
    assert missing == []
