"""The command line: reads options, calls the library once, prints a report, sets an exit code.

Exit codes: 0 parity holds, 1 parity does not hold, 2 wrong use or bad input, 3 a run failed, is
incomplete or undecided. The file of a command is imported when the command is needed, and heavy
modules when the command runs, so that `--help` is fast.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click

from parity.cli.streams import crashed, guarded, is_gone, say
from parity.errors import ParityError

INTERRUPTED = "interrupted: the child processes were stopped; finished work is kept"

COMMANDS = (
    *("bench", "check", "completion", "convert", "diagnose", "doctor", "explain", "list"),
    *("port", "record", "report", "run", "sweep"),
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

    def invoke(self, context: click.Context) -> Any:
        """Calls a command; click itself ends with 1, which is a verdict, for a pipe's error."""
        try:
            return super().invoke(context)
        except OSError as error:
            return crashed(error)


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
    with guarded() as output:
        code = _called()
        sys.stdout.flush()
        if output.lost is not None and not is_gone(output.lost):
            reason = output.lost.strerror
            code = max(code, _complain(f"standard output cannot be written ({reason})", 3))
    sys.exit(code)


def _called() -> int:
    try:
        return int(cli.main(standalone_mode=False))
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _complain(INTERRUPTED, 3)
    except click.ClickException as error:
        error.show(shown := io.StringIO())
        say(shown.getvalue().rstrip("\n"), err=True)
        return error.exit_code
    except ParityError as error:
        return _complain(str(error), error.exit_code)
    except SystemExit as ended:  # completion has its own codes; 1 is a shell that click lacks
        return 0 if ended.code in (0, None) else 2
    except Exception as error:
        return crashed(error)


def _complain(message: str, code: int) -> int:
    say(f"parity: {message}", err=True)
    return code
