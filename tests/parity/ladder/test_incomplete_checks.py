"""What could not be compared: no fault of the port, and no pass either."""

from types import MappingProxyType

import numpy as np
import pytest
from trace_changes import added, both, fact

from parity.ladder.engine import OF_PROBE, compare_levels
from parity.ladder.incomplete import (
    incomplete_of,
    incomplete_training,
    not_compared_of,
)
from parity.ladder.items import FAIL
from parity.ladder.recorded import unknown_parameters, unknown_weights
from parity.ladder.result import verdict_of

TOLD = {"what": "noise", "why": "it draws at random", "do": "replay it"}
LEFT = {"what": "dense1.bias", "why": "its gradient is zero"}
UNPLACED = ["dense2.kernel", "dense2.bias"]
UNKNOWN_KIND = fact("unknown:Gate", "nodes", 3, "kind")


def not_carried(port):
    for name in UNPLACED:
        del port.facts["weights"][name]


def wrong_without(*left):
    """A wrong port with these parameters left."""
    other = added("forward/eval/output", 1)
    return both(not_carried, other, fact(list(left), "not_carried"))


RAISED = "RuntimeError: shapes (net.py:7)"
# What the port has otherwise, what Keras, the verdict, what is open, what is not compared, and
# what fails of the structure.
CASES = {
    "right": (None, None, "pass", [], [], []),
    "unknown layer": (not_carried, UNKNOWN_KIND, "incomplete", ["dense2"], [], []),
    # Weights of an unknown layer are missing in a wrong port with no parameter left.
    "wrong": (wrong_without(), UNKNOWN_KIND, "fail", [], [], UNPLACED),
    "wrong with a parameter left": (wrong_without("gate.weight"), UNKNOWN_KIND, "fail", ["dense2"],
                                    [], ["parameter gate.weight"]),
    "known layer": (not_carried, None, "fail", [], [], UNPLACED),
    # What either half tells is told once.
    "told": (both(fact([TOLD, {**TOLD, "what": "other"}], "incomplete"),
                  fact([LEFT], "not_compared")),
             both(fact([TOLD], "incomplete"), fact([LEFT], "not_compared")),
             "incomplete", ["noise", "other"], ["dense1.bias"], []),
    "layers": (fact(RAISED, "raised", "layers"), None, "pass", [], ["each layer by itself"], []),
    # Parameters of a part that is told are no fault.
    "parameters": (both(fact(["noise.scale", "noisy.scale", "noise"], "not_carried"),
                        fact([TOLD], "incomplete")),
                   None, "fail", ["noise"], [], ["parameter noisy.scale"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("port", "reference", "verdict", "is_open", "left", "fails"), CASES.values(), ids=CASES
)
def test_what_is_open_is_told_with_the_verdict(
    traces, port, reference, verdict, is_open, left, fails
):
    sides = traces(port, reference)
    incomplete, levels = incomplete_of(*sides), compare_levels(OF_PROBE, *sides)
    assert [entry["what"] for entry in incomplete] == is_open
    assert [entry["what"] for entry in not_compared_of(*sides)] == left
    assert [item.name for item in levels[1].items if item.status == FAIL] == fails
    assert verdict_of(levels, incomplete) == verdict


def test_an_unknown_layer_whose_weights_have_no_place_is_told_with_them(traces):
    sides = traces(not_carried, UNKNOWN_KIND)
    (entry,) = incomplete_of(*sides)
    assert "no place for dense2.kernel, dense2.bias" in entry["why"]
    assert "`load`" in entry["do"]
    assert unknown_weights(*sides, is_right=True) == set(UNPLACED)


def test_what_is_not_compared_is_told_with_its_reason(traces):
    halves = traces(fact([LEFT], "not_compared"), fact([LEFT], "not_compared"))
    assert not_compared_of(*halves) == (LEFT,)
    (entry,) = not_compared_of(*traces(fact(RAISED, "raised", "layers")))
    assert entry["why"].endswith(RAISED)


def test_parameters_of_a_part_that_is_told_are_unknown(traces):
    _, port = traces(CASES["parameters"][0])
    assert unknown_parameters(port) == {"noise.scale", "noise"}


class Training(dict):
    """The arrays of a training by name."""

    facts = MappingProxyType({})


@pytest.mark.parametrize(
    ("keras", "torch", "is_open"),
    [
        ([np.nan, np.nan], [np.nan, np.nan], True),
        ([np.inf, np.nan], [np.nan, np.nan], True),
        ([0.7, np.nan], [0.7, np.nan], False),  # both diverge after a step that agrees
        ([0.7, 0.6], [np.nan, np.nan], False),  # a fault of the port
        ([0.7, 0.6], [0.7, 0.6], False),
    ],
)
def test_two_trainings_that_begin_with_nan_are_not_the_same_training(keras, torch, is_open):
    sides = [Training({"training/loss": np.array(losses)}) for losses in (keras, torch)]
    found = incomplete_training(*sides)
    assert bool(found) == is_open
    if is_open:
        assert "look for such numbers in the data" in found[0]["do"]
