"""The sets of `benchmarks/foreign` are complete, and the command counts what it says."""

import ast
import importlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from each_row import each_row
from paths import ROOT

from benchmarks.accuracy.foreign import PLACES, SETS, checked, counted, line, main, told, words
from benchmarks.foreign.case import Case
from benchmarks.foreign.other_kinds.table import NETWORKS
from benchmarks.foreign.own_steps.table import WRONG
from parity.divergences.registry import REGISTRY
from parity.ladder.levels import LEVEL_IDS

NUM_PORTS = {  # right and wrong
    "images": (30, 30),
    "other_kinds": (30, 42),
    "migrated": (19, 57),
    "own_steps": (15, 42),
    "strangers": (24, 72),
    "fresh": (78, 145),
}


def cases(name, work):
    return list(importlib.import_module(f"benchmarks.foreign.{name}.table").cases(work))


def defines(factory, folder):
    """Whether the file of a factory has it, also by an import."""
    module, _, function = factory.rpartition(":")
    path = Path(module if module.endswith(".py") else f"{folder}/{module.replace('.', '/')}.py")
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        names.add(getattr(node, "name", ""))
        if isinstance(node, ast.ImportFrom):
            names |= {each.asname or each.name for each in node.names}
    return function in names


def test_every_set_is_known():
    folders = (ROOT / "benchmarks" / "foreign").iterdir()
    assert (
        {path.name for path in folders if (path / "table.py").exists()} == {*SETS} == {*NUM_PORTS}
    )


@pytest.mark.parametrize("name", SETS)
def test_every_port_of_a_set_is_there(name, tmp_path):
    """Copies with a mistake are written, which needs the texts that they change."""
    found = cases(name, tmp_path)
    right = [case for case in found if not case.mistake]
    assert (len(right), len(found) - len(right)) == NUM_PORTS[name]
    assert len({(case.keras, case.torch) for case in found}) == len(found)
    for case in found:
        assert defines(case.keras, case.folder), case.keras
        is_made = name == "own_steps" and case.port in WRONG  # by its `__getattr__`
        assert is_made or defines(case.torch, case.folder), case.torch


@pytest.mark.parametrize("name", SETS)
def test_what_is_expected_of_a_set_are_levels_and_causes(name, tmp_path):
    for case in cases(name, tmp_path):
        assert set(case.causes) <= set(REGISTRY), case
        assert case.level in {"", *LEVEL_IDS}, case
        assert case.mistake or not (case.level or case.causes), case


def test_the_causes_that_tell_a_place_alone_are_in_the_registry():
    assert set(REGISTRY) >= PLACES


def test_a_twin_has_its_config():
    folder = ROOT / "benchmarks" / "foreign" / "other_kinds" / "ports" / "configs"
    twins = {network.name for network in NETWORKS if network.port == "twin"}
    assert {path.stem for path in folder.glob("*.json")} == twins


def result(verdict, *divergences):
    """What `parity check` found: (level, cause, confidence) of each divergence."""
    found = [
        SimpleNamespace(
            level=level,
            item=SimpleNamespace(name="conv1"),
            causes=[{"id": id_, "title": "t", "detail": "d", "confidence": sure}] if id_ else [],
        )
        for level, id_, sure in divergences
    ]
    return SimpleNamespace(verdict=verdict, divergences=found, incomplete=[], errors=[])


RIGHT = Case("net", "right", "k", "t")
FORETOLD = Case("net", "wrong", "k", "t", "another epsilon", "forward", ("A13",))
OPEN = Case("net", "wrong", "k", "t", "another epsilon")


@each_row(
    ("case", "found", "expected"),
    [
        (RIGHT, result("pass"), ["right", "pass"]),
        (RIGHT, result("fail", ("forward", "A13", 1.0)), ["right"]),
        (RIGHT, "no module", ["right"]),
        (FORETOLD, result("pass"), ["wrong", "foretold"]),
        (FORETOLD, "no module", ["wrong", "foretold"]),
        (
            FORETOLD,
            result("fail", ("forward", "A13", 0.9)),
            ["wrong", "foretold", "fail", "at its level", "named"],
        ),
        (FORETOLD, result("fail", ("loss", "A13", 0.9)), ["wrong", "foretold", "fail", "named"]),
        (
            FORETOLD,
            result("fail", ("forward", "A13", 0.5)),
            ["wrong", "foretold", "fail", "at its level"],
        ),
        (
            FORETOLD,
            result("fail", ("forward", "A16", 0.9)),
            ["wrong", "foretold", "fail", "at its level"],
        ),
        (OPEN, result("fail", ("forward", "A16", 0.9)), ["wrong", "fail", "named"]),
        (OPEN, result("fail", ("forward", "N1", 0.9), ("loss", "", 0)), ["wrong", "fail"]),
    ],
)
def test_what_counts_of_a_port(case, found, expected):
    assert words(case, found) == expected


def test_lines_are_read_by_a_person():
    found = result("fail", ("forward", "A13", 0.9), ("loss", "", 0))
    assert line(FORETOLD, found).split() == [
        *("net", "wrong", "fail", "(forward", "A13)", "forward:A13", "loss:-")
    ]
    assert line(OPEN, "no module").split() == ["net", "wrong", "error", "no", "module"]
    assert list(told(FORETOLD, found)) == [
        *("mistake: another epsilon", "[forward] conv1", "  A13 t (90%): d", "[loss] conv1")
    ]
    counts = [*words(RIGHT, result("pass")), *words(FORETOLD, found)]
    assert counted(counts) == (
        "1 of 1 right ports pass; 1 of 1 wrong ones fail; 1 of 1 at the foretold level; 1 are named"
    )


def test_an_unknown_set_is_told(capsys):
    with pytest.raises(SystemExit):
        main(["imags"])
    assert "imags: expected sets of images, " in capsys.readouterr().err


def test_an_error_of_one_network_does_not_stop_the_others():
    """A factory without a function is refused before a framework starts."""
    cases = [replace(RIGHT, network=name, keras="nothing") for name in ("one", "two")]
    found = list(checked(cases))
    assert [case.network for case, _ in found] == ["one", "two"]
    assert all("nothing" in why for _, why in found)
