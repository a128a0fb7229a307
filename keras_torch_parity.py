"""The pytest plugin: parity as a test.

    def test_the_port(parity_check):
        parity_check(keras="keras_model.py:build", torch="torch_model.py:build")

Or with a marker, whose arguments are defaults of the fixture, for one test, a class or a module:

    @pytest.mark.parity(keras="keras_model.py:build")
    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_port(parity_check, seed):
        parity_check(torch="torch_model.py:build", seed=seed)

`parity.assert_parity` in a test uses the same options; arguments in the test override them. Every
test that uses the fixture is marked, so that `-m "not parity"` leaves out slow tests. With
`--parity`, the programs of the project's table are tests, too.

pytest loads this file at every start, also in projects that have nothing to do with parity, or that
have a module `parity` of their own. So it has a name that nobody else has, imports only pytest, and
imports the package `parity` (`parity.testing.pytest_plugin`) when that is needed.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity.ladder.result import Result

OURS = Path(__file__).resolve().parent / "parity" / "__init__.py"
# Arguments of the marker by which a mark of that name is one of ours.
SUBJECTS = ("keras", "torch", "against", "program")

# Returns the settings of the test that runs, which `assert_parity` asks for.
settings: Callable[[], Any] | None = None


def _separated(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _tolerance(text: str) -> dict[str, float]:
    parts = [part.rpartition("=") for part in text.split(",")]
    try:
        return {level.strip(): float(number) for level, _, number in parts}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a number, such as 1e-6, or LEVEL=NUMBER, such as forward=1e-9"
        ) from None


# Option -> (parser, placeholder, help); the value is None if the option is not given.
OPTIONS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "against": (
        os.path.abspath,
        "PATH",
        "Check against a bundle, or those in and below a folder, without Keras models and "
        "TensorFlow.",
    ),
    "record": (os.path.abspath, "DIR", "Write the bundle of every Keras model to DIR."),
    "out": (os.path.abspath, "DIR", "Keep bundles, traces and logs in DIR, one folder per check."),
    "seed": (
        int,
        "N",
        "Seed for weights, inputs and masks in tests that name none.  [default: 0]",
    ),
    "steps": (
        int,
        "N",
        "Number of training steps to compare in tests that name none.  [default: 6]",
    ),
    "levels": (
        _separated,
        "A,B,C",
        "Levels that decide the verdict in tests that name none, such as forward,loss.  "
        "[default: all]",
    ),
    "tolerance": (
        _tolerance,
        "NUMBER",
        "Allow this relative difference, or LEVEL=NUMBER,..., in tests that name none.  "
        "[default: what rounding explains]",
    ),
    "accept": (
        _separated,
        "ID,ID",
        "Divergences that are known: they are told and decide nothing, in tests that name none.",
    ),
    "keras-python": (str, "PYTHON", "Interpreter of the Keras half.  [default: this one]"),
    "torch-python": (str, "PYTHON", "Interpreter of the torch half.  [default: this one]"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("parity", "parity of a PyTorch port with its Keras original")
    group.addoption(
        "--parity",
        action="store_true",
        help="Collect every program of [tool.parity.programs] as a test, parity::NAME.",
    )
    for name, (parse, metavar, text) in OPTIONS.items():
        group.addoption(f"--parity-{name}", type=parse, metavar=metavar, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker, and rejects options that cannot be used."""
    config.addinivalue_line(
        "markers",
        "parity(keras, torch, data, against, levels, seed, steps, dtype, batch_size, device, "
        "tolerance, accept, program, level, seeds): compares a port with its Keras original; the "
        "arguments are defaults of the fixture parity_check",
    )
    asked = [f"--parity-{name}" for name in given(config)]
    asked += ["--parity"] if config.getoption("--parity") else []
    if asked:
        _ours(asked[0], pytest.UsageError).check_options(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Shows the given options."""
    shown = [f"{name} {_shown(value)}" for name, value in given(config).items()]
    return [f"parity: {', '.join(shown)}"] if shown else []


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={number:g}".lstrip("=") for key, number in value.items())
    return ",".join(value) if isinstance(value, list) else str(value)


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Adds the programs of the project, and marks every test that uses the fixture."""
    if session.config.getoption("--parity"):
        items += _ours("--parity", pytest.UsageError).program_items(session)
    for item in items:
        uses_fixture = "parity_check" in getattr(item, "fixturenames", ())
        if uses_fixture and item.get_closest_marker("parity") is None:
            item.add_marker("parity")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Lets `assert_parity` know of the test that runs, and of its options."""
    global settings
    # Made once, as they count the checks of the test.
    before, settings = settings, functools.cache(lambda: _ours("", _failed).settings_of(item))
    try:
        return (yield)
    finally:
        settings = before


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Rejects a mark without effect: a test that checks nothing must not pass."""
    is_used = "parity_check" in getattr(item, "fixturenames", ())
    marks = [mark for mark in item.own_markers if mark.name == "parity"]
    if not is_used and any(set(SUBJECTS) & mark.kwargs.keys() for mark in marks):
        pytest.fail(
            f"{item.name} has the mark parity(...), which gives arguments to the fixture "
            "parity_check, but does not use the fixture; expected a test such as\n"
            f"def {item.name.partition('[')[0]}(parity_check):\n    parity_check()",
            pytrace=False,
        )


@pytest.fixture
def parity_check(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Result]:
    """Returns `parity.assert_parity`, with the arguments of the marker as defaults.

    Traces and logs stay in `tmp_path`, or in the folder of --parity-out.
    """
    __tracebackhide__ = True
    found: Callable[..., Result] = _ours("parity_check", _failed).check_of(request, tmp_path)
    return found


def pytest_exception_interact(
    call: pytest.CallInfo[Any], report: pytest.CollectReport | pytest.TestReport
) -> None:
    """Says below an import of `parity` that failed which module it has found, and what to do."""
    error = None if call.excinfo is None else call.excinfo.value
    for each in (error, getattr(error, "__cause__", None)):
        if isinstance(each, ImportError) and (each.name or "").partition(".")[0] == "parity":
            if (other := other_parity()) is not None:
                report.sections.append(("parity", _taken("assert_parity", other)))
            return


def given(config: pytest.Config) -> dict[str, Any]:
    """Returns the options that the command line has."""
    values = {name: config.getoption(f"--parity-{name}") for name in OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def other_parity() -> Path | None:
    """Returns the module `parity` of somebody else that an import may find, or None.

    It is searched on the whole path: if ours was imported first, the other one cannot be.
    """
    loaded = getattr(sys.modules.get("parity"), "__file__", None)
    if loaded is not None and not _is_ours(loaded):
        return Path(loaded)
    for folder in sys.path:
        for name in ("parity/__init__.py", "parity.py"):  # in a folder, the package comes first
            path = Path(folder or os.curdir, name)
            if path.is_file():
                if not _is_ours(path):
                    return path.resolve()
                break
    return None


def _is_ours(path: Path | str) -> bool:
    return Path(path).resolve() == OURS


def _ours(needs: str, error: Callable[[str], BaseException]) -> Any:
    """Imports the rest of the plugin.

    Args:
        needs: what needs it, for the message.
        error: made of the message if `parity` is somebody else's.
    """
    if "parity" not in sys.modules:
        spec = importlib.util.find_spec("parity")
        is_ours = spec is None or spec.origin is None or _is_ours(spec.origin)
    else:
        is_ours = _is_ours(getattr(sys.modules["parity"], "__file__", None) or OURS)
    if not is_ours and (other := other_parity()) is not None:
        raise error(_taken(needs, other))
    from parity.testing import pytest_plugin

    return pytest_plugin


def _failed(message: str) -> BaseException:
    return pytest.fail.Exception(message, pytrace=False)


def _taken(needs: str, other: Path) -> str:
    return (
        f"{needs} needs the package parity of keras-torch-parity, and here the name means {other}: "
        "rename that module, or keep its folder off sys.path (`pytest` in the place of "
        "`python -m pytest`, `--import-mode=importlib`)"
    )
