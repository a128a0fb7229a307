"""Whole checks of ports with several faults: every one is listed, and nothing else."""

from dataclasses import replace

import pytest
from paths import ROOT, SUPPORT
from schemas import assert_valid

from parity.divergences.causes import name_causes
from parity.halves.job import ChildOptions
from parity.ladder.engine import OF_PROBE, compare_levels, judged_within
from parity.ladder.items import FAIL, PASS
from parity.ladder.result import Result, verdict_of
from parity.ladder.result_file import result_from
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
from parity.traces.bundle import pack
from parity.traces.trace import Trace

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

EXAMPLE = ROOT / "examples" / "migration"
LIVE = (
    ("right", SUPPORT, "several_faults.py:keras_net", "several_faults.py:right"),
    ("naive", EXAMPLE, "keras_model.py:build", "torch_model_naive.py:build"),
)
# Port -> level and ID of each divergence.
FOUND = {
    "right": [],
    "relu_behind_pool": [],
    "padding": ["forward A5"],
    "padding_and_relu_behind_pool": ["forward A5"],
    "padding_and_detached": ["forward A5", "gradient E9"],
    "frozen_without_optimizer": ["gradient E6"],
    "padding_and_frozen": ["forward A5", "gradient E6"],
    "five_at_once": ["init B2", "forward A5", "gradient E9", "optimizer F14", "schedule G13"],
    # The eight places of the example; four of them are two or three differences each.
    "naive": [
        *("init B1", "init B2", "forward C1", "forward A5", "forward C2", "forward C3", "loss C9"),
        *("optimizer F2", "optimizer F1", "optimizer C11", "schedule G1", "schedule G3"),
    ],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of both halves, by port."""
    folder = tmp_path_factory.mktemp("at_once")
    options = CheckOptions(out=folder / "live", children=ChildOptions(workers=1))
    specs = [CheckSpec(keras=k, torch=t, folder=str(f)) for _, f, k, t in LIVE]
    check_all(specs, options)
    found = {row[0]: folder / "live" / f"{number:03d}" for number, row in enumerate(LIVE)}
    pack(found["right"] / "keras", folder / "keras.parity")
    names = [name for name in FOUND if name not in found]
    specs = [
        CheckSpec(
            torch=f"several_faults.py:{name}",
            against=str(folder / "keras.parity"),
            folder=str(SUPPORT),
        )
        for name in names
    ]
    check_all(specs, replace(options, out=folder / "ports"))
    return found | {name: folder / "ports" / f"{number:03d}" for number, name in enumerate(names)}


@pytest.fixture(scope="module")
def judged(folders):
    """Compares both halves of a port anew: accepts IDs, or has another tolerance."""

    def judge(name, accept=(), tolerance=None):
        sides = Trace(folders[name] / "keras"), Trace(folders[name] / "torch")
        levels = compare_levels(OF_PROBE, *sides)
        if tolerance is not None:
            levels = tuple(judged_within(level, {"": tolerance}) for level in levels)
        result = name_causes(Result(PASS, {"torch": name}, levels), *sides, accept)
        return replace(result, verdict=verdict_of(result.levels))

    return judge


@pytest.mark.parametrize("name", FOUND)
def test_all_faults_are_listed_and_nothing_else(folders, name):
    result = result_from_folder(folders[name])
    found = [f"{each.level} {each.causes[0]['id']}" for each in result.divergences]
    assert found == FOUND[name]
    assert result.verdict == (FAIL if found else PASS)
    assert {each.level for each in result.divergences} <= {
        level.id for level in result.levels if level.status == FAIL
    }


def result_from_folder(folder):
    import json

    value = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert_valid(value)
    return result_from(value, "result.json")


@pytest.mark.parametrize("name", FOUND)
def test_what_follows_is_all_that_fails_besides(judged, name):
    result = judged(name)
    shown = {(found.level, item) for found in result.divergences for item in found.items}
    inherited = {(level, item) for level, items in result.inherited for item in items}
    failing = {
        (level.id, item.name)
        for level in result.levels
        for item in level.items
        if item.status == FAIL
    }
    assert failing <= shown | inherited
    assert inherited <= failing


# --- accepted ------------------------------------------------------------------------------------


def test_what_is_accepted_fails_nothing_and_neither_does_what_follows_from_it(judged):
    result = judged("padding", accept=["A5"])
    assert result.verdict == PASS
    (found,) = result.divergences
    assert found.is_accepted
    assert result.first is result.first_divergence is None
    assert result.inherited
    assert_valid({**result.to_json(), "spec": CheckSpec("k:f", "t:f").to_dict()})


# --- a tolerance of the user's own ---------------------------------------------------------------


def test_a_wide_tolerance_accepts_numbers_and_not_what_is_compared_bit_for_bit(judged):
    assert judged("padding", tolerance=10.0).verdict == PASS
    result = judged("padding_and_frozen", tolerance=10.0)
    assert [each.causes[0]["id"] for each in result.divergences] == ["E6"]


def test_a_tolerance_below_rounding_fails_a_right_port(judged):
    assert judged("right", tolerance=1e-12).verdict == FAIL  # Keras keeps the rate in float32
    assert judged("right", tolerance=1e-6).verdict == PASS
