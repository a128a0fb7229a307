"""The command line: reads options, calls the library once, prints a report, sets an exit code.

Exit codes: 0 parity holds, 1 parity does not hold, 2 wrong use or bad input, 3 a run failed, is
incomplete or undecided. The file of a command is imported when the command is needed, and heavy
modules when the command runs, so that `--help` is fast.
"""

from __future__ import annotations

import importlib
import io
import sys

import click

from parity.errors import ParityError

INTERRUPTED = "interrupted: the child processes were stopped; finished work is kept"

COMMANDS = (
    *("bench", "check", "completion", "diagnose", "doctor", "explain", "list"),
    *("record", "report", "run", "sweep"),
)
FILES = {"explain": "lists", "list": "lists"}  # the others have a file of their name


class Commands(click.Group):
    """A group that imports the file of a command when the command is needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Returns the names of all commands, for `--help` and completion."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Returns a command by its name, or None."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"parity.cli.{FILES.get(name, name)}")
        command: click.Command = getattr(module, "list_command" if name == "list" else name)
        return command


@click.group(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,  # of all commands
    },
)
@click.version_option(package_name="keras-torch-parity", prog_name="parity")
def cli() -> None:
    """Checks that a PyTorch port trains exactly as its Keras original.

    Exit codes: 0 parity holds, 1 parity does not hold, 2 wrong use or bad input, 3 a run failed, is
    incomplete or undecided.
    """


def main() -> None:
    """Entry point of the script `parity`: turns errors into one paragraph and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # bars of curves in a pipe that is ASCII only
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = _complain(INTERRUPTED, 3)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        code = _complain(INTERRUPTED, 3)
    except ParityError as error:
        code = _complain(str(error), error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, code: int) -> int:
    click.echo(f"parity: {message}", err=True)
    return code
