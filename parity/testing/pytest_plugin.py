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

pytest loads this file at every start, so it imports only pytest before the first test runs.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity.ladder.result import Result


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
    """Registers the marker, and rejects folders that cannot be used."""
    config.addinivalue_line(
        "markers",
        "parity(keras, torch, data, against, levels, seed, steps, dtype, batch_size, device, "
        "tolerance, accept, program, level, seeds): compares a port with its Keras original; the "
        "arguments are defaults of the fixture parity_check",
    )
    given = _given(config)
    if {"against", "record"} <= set(given):
        raise pytest.UsageError("--parity-against and --parity-record exclude each other")
    if "against" in given and not Path(given["against"]).exists():
        raise pytest.UsageError(
            f"--parity-against {given['against']}: expected a bundle, or a folder with bundles, "
            "from parity record or --parity-record"
        )
    if given.keys() & {"tolerance", "accept"}:
        from parity.errors import InputError
        from parity.runs.check_options import allowed_by_user

        try:
            allowed_by_user(config.rootpath, given.get("tolerance"), given.get("accept"))
        except InputError as error:
            raise pytest.UsageError(f"--parity-{error}") from None
    is_worker = hasattr(config, "workerinput")  # of xdist; others may already have written there
    if "out" in given and not is_worker and _is_taken(Path(given["out"])):
        raise pytest.UsageError(
            f"--parity-out {given['out']}: expected an empty folder or one that does not exist"
        )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Shows the given options."""
    given = _given(config)
    shown = [f"{name} {_shown(value)}" for name, value in given.items()]
    return [f"parity: {', '.join(shown)}"] if shown else []


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={number:g}".lstrip("=") for key, number in value.items())
    return ",".join(value) if isinstance(value, list) else str(value)


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Adds the programs of the project, and marks every test that uses the fixture."""
    if session.config.getoption("--parity"):
        from parity.testing.program_items import program_items

        items += program_items(session, _check_program)
    for item in items:
        uses_fixture = "parity_check" in getattr(item, "fixturenames", ())
        if uses_fixture and item.get_closest_marker("parity") is None:
            item.add_marker("parity")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Applies the options during a test."""
    from parity.testing.assertion import settings

    with settings(_settings(item)):
        return (yield)


def _check_program(name: str) -> None:
    from parity.testing.assertion import assert_program

    __tracebackhide__ = True
    assert_program(name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Rejects a mark without effect: a test that checks nothing must not pass."""
    is_used = "parity_check" in getattr(item, "fixturenames", ())
    if not is_used and any(mark.name == "parity" and mark.kwargs for mark in item.own_markers):
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
    defaults: dict[str, Any] = {}
    for mark in request.node.iter_markers("parity"):  # the closest first
        if mark.args:
            pytest.fail(f"parity{mark.args!r}: expected keyword arguments", pytrace=False)
        defaults = {**mark.kwargs, **defaults}
    _check_names(defaults)
    has_folder = "out" in _given(request.config)
    number = 0

    def check(**arguments: Any) -> Result:
        from parity.testing.assertion import assert_parity

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


def _check_names(given: dict[str, Any]) -> None:
    import inspect

    from parity.testing.assertion import assert_parity

    __tracebackhide__ = True
    known = list(inspect.signature(assert_parity).parameters)
    if unknown := [name for name in given if name not in known]:
        pytest.fail(f"unknown {unknown}: expected some of {', '.join(known)}", pytrace=False)


def _given(config: pytest.Config) -> dict[str, Any]:
    """Returns the options that the command line has."""
    values = {name: config.getoption(f"--parity-{name}") for name in OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def _settings(item: pytest.Item) -> Any:
    """Returns the options as settings of `parity.testing.assertion`."""
    from parity.testing.assertion import Settings

    given = _given(item.config)
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


def _is_taken(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
