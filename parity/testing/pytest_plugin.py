"""The pytest plugin: parity as a test.

    def test_the_port(parity_check):
        parity_check(keras="keras_model.py:build", torch="torch_model.py:build")

Or with a marker, whose arguments are defaults of the fixture, for one test, a class or a module:

    @pytest.mark.parity(keras="keras_model.py:build")
    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_port(parity_check, seed):
        parity_check(torch="torch_model.py:build", seed=seed)

`parity.assert_parity` called in a test follows the same options; what a test says itself comes
first. Every test that uses the fixture is marked, so that `-m "not parity"` leaves out what takes
long.

pytest loads this file at every start: it imports nothing but pytest before the first test runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity.ladder.result import Result

# Option -> (how it is parsed, placeholder, help); None where it is not given.
OPTIONS: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "against": (
        os.path.abspath,
        "DIR",
        "Check against the bundles in DIR; no Keras model is built, and no TensorFlow needed.",
    ),
    "record": (os.path.abspath, "DIR", "Write the bundle of every Keras model to DIR."),
    "out": (os.path.abspath, "DIR", "Keep traces and logs in DIR, a folder a check."),
    "seed": (int, "N", "Of weights, inputs and masks, where a test names none.  [default: 0]"),
    "steps": (int, "N", "Training steps that are compared, likewise.  [default: 6]"),
    "levels": (
        lambda text: [level.strip() for level in text.split(",")],
        "A,B,C",
        "Levels that count, such as forward,loss, likewise.  [default: all]",
    ),
    "keras-python": (str, "PYTHON", "Interpreter of the Keras half.  [default: this one]"),
    "torch-python": (str, "PYTHON", "Interpreter of the torch half.  [default: this one]"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("parity", "parity of a PyTorch port with its Keras original")
    for name, (parse, metavar, text) in OPTIONS.items():
        group.addoption(f"--parity-{name}", type=parse, metavar=metavar, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Says what the marker is, and refuses folders that cannot be used."""
    config.addinivalue_line(
        "markers",
        "parity(keras, torch, data, against, levels, seed, steps, batch_size, device): compares a "
        "port with its Keras original; the arguments are defaults of the fixture parity_check",
    )
    given = _given(config)
    if {"against", "record"} <= set(given):
        raise pytest.UsageError("--parity-against and --parity-record: expected one of them")
    if "against" in given and not Path(given["against"]).is_dir():
        raise pytest.UsageError(
            f"--parity-against {given['against']}: expected a folder that --parity-record wrote"
        )
    is_worker = hasattr(config, "workerinput")  # of xdist, which starts when others have written
    if "out" in given and not is_worker and _is_taken(Path(given["out"])):
        raise pytest.UsageError(
            f"--parity-out {given['out']}: expected a folder that is empty or does not exist"
        )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Shows the options in force."""
    given = _given(config)
    shown = [
        f"{name} {','.join(value) if isinstance(value, list) else value}"
        for name, value in given.items()
    ]
    return [f"parity: {', '.join(shown)}"] if shown else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that uses the fixture."""
    for item in items:
        uses_fixture = "parity_check" in getattr(item, "fixturenames", ())
        if uses_fixture and item.get_closest_marker("parity") is None:
            item.add_marker("parity")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Lets the options hold for all that a test calls."""
    from parity.testing.assertion import settings

    with settings(_settings(item)):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuses a mark that would do nothing: a test that checks nothing must not pass."""
    is_used = "parity_check" in getattr(item, "fixturenames", ())
    if not is_used and any(mark.name == "parity" and mark.kwargs for mark in item.own_markers):
        pytest.fail(
            f"{item.name} is marked with parity(...), which gives arguments to the fixture "
            "parity_check, and does not use it; expected a test such as\n"
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
            pytest.fail(f"parity{mark.args!r}: expected arguments by name", pytrace=False)
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
        if arguments.keys() & {"keras", "against"}:  # one stands for the other
            given = {**given, "keras": None, "against": None, **arguments}
        return assert_parity(**given)

    return check


def _check_names(given: dict[str, Any]) -> None:
    import inspect

    from parity.testing.assertion import assert_parity

    __tracebackhide__ = True
    known = list(inspect.signature(assert_parity).parameters)
    if unknown := [name for name in given if name not in known]:
        pytest.fail(f"unknown {unknown}: expected some of {', '.join(known)}", pytrace=False)


def _given(config: pytest.Config) -> dict[str, Any]:
    """The options that the command line has."""
    values = {name: config.getoption(f"--parity-{name}") for name in OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def _settings(item: pytest.Item) -> Any:
    """The options as `parity.testing.assertion` takes them."""
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
