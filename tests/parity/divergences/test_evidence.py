"""Evidence is one divergence with the numbers of both halves around it."""

import check_pairs
import numpy as np
import pytest
from check_evidence import evidence_of

from parity.divergences.evidence import CLOSE as CLOSE_BY_DTYPE
from parity.divergences.evidence import Evidence, differs, is_close

CLOSE = CLOSE_BY_DTYPE["float64"]


@pytest.fixture
def evidence(tmp_path):
    """The evidence of a port of which some arrays were changed, and so its outputs."""

    def make(arrays):
        def change(port):
            for key in arrays:
                port.arrays[key] = port.arrays[key] + 1

        return evidence_of(tmp_path, port=change, went_wrong=arrays[0].startswith("forward"))

    return make


def test_a_layer_that_errs_itself_is_told_from_one_that_is_given_another_input(evidence):
    own = evidence(["forward/eval/dense2/own"])
    assert (own.node["name"], own.call["name"], own.kind) == ("dense2", "3", "dense")
    assert own.is_own is True
    assert not own.is_input
    given = evidence(["forward/train/dense2/input/0"])
    assert given.is_own is False
    assert given.is_input
    assert (given.mode, given.node["name"]) == ("train", "dense2")


def test_what_follows_from_an_earlier_layer_is_no_evidence(evidence):
    found = evidence(["forward/eval/dense1/own", "forward/eval/dense2/output"])
    assert found.item.name == "dense1, with Keras's input (eval)"
    assert [item.name for item in found.failed] == [found.item.name]


def test_what_keras_computes_itself_explains_nothing(evidence):
    found = evidence(["forward/train/dense2/input/0"])
    assert found.is_own is False
    right = found.own_output()
    np.testing.assert_array_equal(right, found.keras_output())
    assert not found.gives(right)


def test_a_value_is_recorded_where_keras_has_it_in_the_same_pass(evidence):
    found = evidence(["forward/train/dense2/input/0"])
    recorded = check_pairs.recorded().arrays
    value = recorded["forward/train/dense1/output"]
    assert found.is_recorded("dense1/output", value * (1 + 0.5 * CLOSE))
    assert not found.is_recorded("dense1/output", value * (1 + 3 * CLOSE))
    assert not found.is_recorded("dense1/output", value[:, :2])
    assert not found.is_recorded("dense2/input/0", recorded["forward/eval/dense2/input/0"])
    assert not found.is_recorded("no such layer/output", value)


def test_a_weight_is_of_the_first_layer_that_has_it(evidence):
    found = evidence(["gradient/dense1.bias"])
    assert (found.item.name, found.node["name"]) == ("dense1.bias", "dense1")
    found.keras.facts["nodes"][0]["weights"] = []
    found.keras.facts["nodes"][1]["weights"] = ["dense1.bias"]  # the nodes of a separable layer
    again = Evidence(found.keras, found.port, found.level, [found.item])
    assert again.node["name"] == "dense1.activation"


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0, 2.0], [1.0, 2.0 + CLOSE], True),
        ([1.0, 2.0], [1.0, 2.0 + 3 * CLOSE], False),
        ([1e-12, 2.0], [0.0, 2.0], True),
        ([0.0], [0.0], True),
        ([1.0], [[1.0]], False),
        ([], [], False),
        ([np.nan], [np.nan], False),
        ([1.0], [np.inf], False),
        (None, [1.0], False),
        ([1.0], None, False),
    ],
    ids=str,
)
def test_close_is_the_same_but_for_rounding(a, b, expected):
    assert is_close(a, b, CLOSE) is expected


@pytest.mark.parametrize(
    ("keras", "torch", "expected"),
    [
        (2, 2.0, False),
        ([2, 2], 2, False),
        ((2, 2), [2.0, 2.0], False),
        ([2, 1], 2, True),
        ([2, 1], [2, 1], False),
        ("same", "valid", True),
        (None, 2, False),
        (2, None, False),
        (0.5, 0.1, True),
        (True, 1, False),
    ],
    ids=str,
)
def test_settings_differ_by_value_not_by_form(keras, torch, expected):
    assert differs(keras, torch) is expected
