"""All divergences of a check with their causes; what is accepted; a tolerance of the user's own."""

import check_pairs
import pytest

from parity.divergences.causes import name_causes
from parity.ladder.engine import OF_PROBE, compare_levels
from parity.ladder.items import ACCEPTED, FAIL, PASS
from parity.ladder.result import Result
from parity.report.sentences import place_text


@pytest.fixture
def named(tmp_path):
    """The result of a port with some changes."""

    def make(*changes, accept=()):
        recorded = check_pairs.recorded()
        port = check_pairs.ported(recorded)
        for change in changes:
            change(port)
        sides = recorded.read(tmp_path / "keras"), port.write(tmp_path / "port")
        levels = compare_levels(OF_PROBE, *sides)
        return name_causes(Result(PASS, {}, levels), *sides, accept)

    return make


def biases(port):
    """Both biases start elsewhere."""
    for name in ("dense1.bias", "dense2.bias"):
        port.arrays[f"init/{name}"] = port.arrays[f"init/{name}"] + 0.25


def wrong_layer(port):
    for mode in ("eval", "train"):
        port.arrays[f"forward/{mode}/dense2/own"] = port.arrays[f"forward/{mode}/dense2/own"] + 1
    check_pairs.went_wrong(port)


def test_a_right_port_has_no_divergence(named):
    result = named()
    assert (result.divergences, result.inherited, result.settings) == ((), (), ())
    assert result.first is None


def test_a_divergence_has_its_place_and_its_line(named):
    (found,) = named(wrong_layer).divergences
    assert found.place == {
        "keras": "dense2",
        "torch": "3",
        "where": "ports.py:13",
        "introduced": True,
        "module": None,
    }
    assert found.items == (
        "dense2, with Keras's input (eval)",
        "dense2, with Keras's input (train)",
    )
    assert not found.is_accepted


def test_divergences_of_one_level_and_one_cause_are_one(named):
    (found,) = named(biases).divergences
    assert found.items == ("dense1.bias", "dense2.bias")
    assert found.causes[0]["id"] == "B9"


def test_all_places_of_one_cause_are_told(named):
    found = named(biases).first
    assert (found.place["keras"], found.place["torch"]) == ("dense1", "0")
    assert [(each["keras"], each["torch"]) for each in found.place["also"]] == [("dense2", "3")]
    assert place_text(found).endswith("in the port (ports.py:10); also module `3`")


def test_causes_and_place_of_a_result_are_those_of_the_first_that_is_not_accepted(named):
    result = named(biases, wrong_layer, accept=["B9"])
    init, forward = result.divergences
    assert (init.is_accepted, forward.is_accepted) == (True, False)
    assert result.first is forward
    assert (result.causes, result.place) == (forward.causes, forward.place)
    assert result.first_divergence[0].id == "forward"


def test_only_what_is_accepted_passes_its_level(named):
    result = named(biases, wrong_layer, accept=["B9"])
    levels = {level.id: level for level in result.levels}
    assert (levels["init"].status, levels["forward"].status) == (PASS, FAIL)
    assert {item.status for item in levels["init"].items} == {PASS, ACCEPTED}


@pytest.mark.parametrize("accept", [["B1"], ["b9"], ["N1"], [""]])
def test_another_id_accepts_nothing(named, accept):
    result = named(biases, accept=accept)
    assert not result.divergences[0].is_accepted
    assert [level.status for level in result.levels].count(FAIL) == 1
