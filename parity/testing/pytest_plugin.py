"""What the pytest plugin does where it is used; `keras_torch_parity` has its hooks and options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keras_torch_parity import given as options_of
from parity.errors import InputError, ParityError
from parity.programs.tool_table import ToolTable, read_tool_table
from parity.runs.check_halves import allowed_by_user
from parity.testing.assertion import Settings, assert_parity, assert_program

if TYPE_CHECKING:
    from parity.ladder.result import Result


# --- `pytest --parity`: every program of the project's table as a test, without a test file -------


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


def items_of_programs(session: pytest.Session, check: Callable[[str], Any]) -> list[pytest.Item]:
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


# --------------------------------------------------------------------------------------------------
#
# What the pytest plugin does where it is used; `keras_torch_parity` has its hooks and options.


def check_options(config: pytest.Config) -> None:
    """Rejects options that cannot be used, before any test.

    Raises:
        pytest.UsageError: one of them cannot.
    """
    given = options_of(config)
    if {"against", "record"} <= set(given):
        raise pytest.UsageError("--parity-against and --parity-record exclude each other")
    if "against" in given and not Path(given["against"]).exists():
        raise pytest.UsageError(
            f"--parity-against {given['against']}: expected a bundle, or a folder with bundles, "
            "from parity record or --parity-record"
        )
    if given.keys() & {"tolerance", "accept"}:
        try:
            allowed_by_user(config.rootpath, given.get("tolerance"), given.get("accept"))
        except InputError as error:
            raise pytest.UsageError(f"--parity-{error}") from None
    is_worker = hasattr(config, "workerinput")  # of xdist; others may already have written there
    if "out" in given and not is_worker and _is_in_use(Path(given["out"])):
        raise pytest.UsageError(
            f"--parity-out {given['out']}: expected an empty folder or one that does not exist"
        )


def program_items(session: pytest.Session) -> list[pytest.Item]:
    """Returns a test for each program of the project."""
    return items_of_programs(session, _check_program)


def _check_program(name: str) -> None:
    __tracebackhide__ = True
    assert_program(name)


def check_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Result]:
    """Returns what the fixture `parity_check` is, for the test of a request.

    Args:
        request: of the test.
        tmp_path: folder for traces and logs if the command line names none.
    """
    __tracebackhide__ = True
    defaults: dict[str, Any] = {}
    for mark in request.node.iter_markers("parity"):  # the closest first
        if mark.args:
            pytest.fail(f"parity{mark.args!r}: expected keyword arguments", pytrace=False)
        defaults = {**mark.kwargs, **defaults}
    _check_names(defaults)
    has_folder = "out" in options_of(request.config)
    number = 0

    def check(**arguments: Any) -> Result:
        __tracebackhide__ = True
        nonlocal number
        number += 1
        _check_names(arguments)
        given = {**defaults, **arguments}
        if not has_folder:
            given.setdefault("out", tmp_path / f"parity-{number}")
        if arguments.keys() & {"keras", "against"}:  # one replaces the other
            given = {**given, "keras": None, "against": None, **arguments}
        result: Result = assert_parity(**given)
        return result

    return check


def settings_of(item: pytest.Item) -> Settings:
    """Returns the options as settings of `parity.testing.assertion`; they count a test's checks."""
    given = options_of(item.config)
    folder = given.pop("out", None)
    values = {name.replace("-", "_"): value for name, value in given.items()}
    for name in ("against", "record"):
        if name in values:
            values[name] = Path(values[name])
    counts = {"folders": 0, "told": 0}

    def out() -> Path | None:
        if folder is None:
            return None
        counts["folders"] += 1
        name = re.sub(r"[^\w.\[\]-]+", "_", item.nodeid)[-200:]
        return Path(folder) / f"{name}-{counts['folders']}"

    def tell(properties: dict[str, Any]) -> None:
        counts["told"] += 1
        prefix = "parity" if counts["told"] == 1 else f"parity.{counts['told']}"
        item.user_properties.extend(
            (f"{prefix}.{name}", value) for name, value in properties.items()
        )

    return Settings(
        folder=item.path.parent, root=item.config.rootpath, out=out, tell=tell, **values
    )


def _check_names(given: dict[str, Any]) -> None:
    __tracebackhide__ = True
    known = list(inspect.signature(assert_parity).parameters)
    if unknown := [name for name in given if name not in known]:
        pytest.fail(f"unknown {unknown}: expected some of {', '.join(known)}", pytrace=False)


def _is_in_use(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
