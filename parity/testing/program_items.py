"""`pytest --parity`: every program of the project's table as a test, without a test file."""

from __future__ import annotations

from collections.abc import Callable
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
        check: asserts that the program of a name is right.
    """

    def __init__(
        self, *, program: str, table: Path, check: Callable[[str], Any], **given: Any
    ) -> None:
        super().__init__(f"parity::{program}", nodeid=f"parity::{program}", **given)
        self.program, self.table, self.check = program, table, check
        self.add_marker("parity")

    def runtest(self) -> None:
        """Checks the program."""
        self.check(self.program)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Returns the report, without the frames in which it was made."""
        if isinstance(excinfo.value, AssertionError | ParityError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the program stands, and its name."""
        return self.table, None, self.name


def program_items(session: pytest.Session, check: Callable[[str], Any]) -> list[pytest.Item]:
    """Returns a test for each program of the project.

    Args:
        session: of pytest.
        check: asserts that the program of a name is right.

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
        ProgramItem.from_parent(session, program=name, table=table.path, check=check)
        for name in table.programs
    ]
