"""`pytest --parity`: every program of the project's table as a test, without a test file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parity.errors import InputError, ParityError
from parity.programs.tool_table import ToolTable, read_tool_table


class ProgramItem(pytest.Item):
    """The check of a program.

    Attributes:
        program: its name in the table.
        table: path of the table.
    """

    def __init__(self, *, program: str, table: Path, **given: Any) -> None:
        super().__init__(f"parity::{program}", nodeid=f"parity::{program}", **given)
        self.program, self.table = program, table
        self.add_marker("parity")

    def runtest(self) -> None:
        """Checks the program."""
        from parity.testing.assertion import assert_parity

        assert_parity(program=self.program)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Returns the report, without the frames in which it was made."""
        if isinstance(excinfo.value, AssertionError | ParityError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the program stands, and its name."""
        return self.table, None, self.name


def program_items(session: pytest.Session) -> list[pytest.Item]:
    """Returns a test for each program of the project.

    Raises:
        pytest.UsageError: the table has none, or cannot be read.
    """
    try:
        table: ToolTable = read_tool_table(session.config.rootpath)
    except InputError as error:
        raise pytest.UsageError(f"--parity: {error}") from None
    if table.path is None or not table.programs:
        raise pytest.UsageError(
            "--parity: expected [tool.parity.programs] in pyproject.toml or in parity.toml, in or "
            f"above {session.config.rootpath}"
        )
    return [
        ProgramItem.from_parent(session, program=name, table=table.path) for name in table.programs
    ]
