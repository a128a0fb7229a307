"""What could not be compared: no fault of the port, and no pass either."""

from types import MappingProxyType

import numpy as np
import pytest

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


def of_unknown_kind(r):
    r.facts["nodes"][3]["kind"] = "unknown:Gate"


def not_carried(port):
    for name in ("dense2.kernel", "dense2.bias"):
        del port.facts["weights"][name]


def verdict(keras, port):
    levels = compare_levels(OF_PROBE, keras, port)
    return verdict_of(levels, incomplete_of(keras, port))


def test_nothing_is_open_in_a_right_port(traces):
    sides = traces()
    assert incomplete_of(*sides) == not_compared_of(*sides) == ()
    assert verdict(*sides) == "pass"


def test_an_unknown_layer_whose_weights_have_no_place_leaves_the_verdict_open(traces):
    sides = traces(not_carried, of_unknown_kind)
    (entry,) = incomplete_of(*sides)
    assert entry["what"] == "dense2"
    assert "no place for dense2.kernel, dense2.bias" in entry["why"]
    assert "`load`" in entry["do"]
    assert unknown_weights(*sides, is_right=True) == {"dense2.kernel", "dense2.bias"}
    assert verdict(*sides) == "incomplete"


def other_output(port):
    port.arrays["forward/eval/output"] = 1 + port.arrays["forward/eval/output"]


@pytest.mark.parametrize("left", [[], ["gate.weight"]])
def test_weights_of_an_unknown_layer_are_missing_in_a_wrong_port_with_no_parameter_left(
    traces, left
):
    def change(port):
        not_carried(port)
        other_output(port)
        port.facts["not_carried"] = left

    sides = traces(change, of_unknown_kind)
    structure = compare_levels(OF_PROBE, *sides)[1]
    unused = [item.name for item in structure.items if item.torch == "not used"]
    assert unused == ([] if left else ["dense2.kernel", "dense2.bias"])
    assert len(incomplete_of(*sides)) == len(left)
    assert verdict(*sides) == "fail"


def test_a_known_layer_whose_weights_have_no_place_is_a_fault(traces):
    sides = traces(not_carried)
    assert incomplete_of(*sides) == ()
    assert verdict(*sides) == "fail"


def test_what_either_half_tells_is_told_once(traces):
    def reference(r):
        r.facts["incomplete"] = [TOLD]
        r.facts["not_compared"] = [LEFT]

    def port(p):
        p.facts["incomplete"] = [TOLD, {**TOLD, "what": "other"}]
        p.facts["not_compared"] = [LEFT]

    sides = traces(port, reference)
    assert [entry["what"] for entry in incomplete_of(*sides)] == ["noise", "other"]
    assert not_compared_of(*sides) == (LEFT,)
    assert verdict(*sides) == "incomplete"


def test_layers_that_could_not_be_judged_by_themselves_are_told_so(traces):
    sides = traces(lambda p: p.facts["raised"].update(layers="RuntimeError: shapes (net.py:7)"))
    (entry,) = not_compared_of(*sides)
    assert entry["what"] == "each layer by itself"
    assert entry["why"].endswith("RuntimeError: shapes (net.py:7)")
    assert verdict(*sides) == "pass"


def test_parameters_of_a_part_that_is_told_are_no_fault(traces):
    def change(port):
        port.facts["not_carried"] = ["noise.scale", "noisy.scale", "noise"]
        port.facts["incomplete"] = [TOLD]

    keras, port = traces(change)
    assert unknown_parameters(port) == {"noise.scale", "noise"}
    structure = compare_levels(OF_PROBE, keras, port)[1]
    failing = [item.name for item in structure.items if item.status == FAIL]
    assert failing == ["parameter noisy.scale"]


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
