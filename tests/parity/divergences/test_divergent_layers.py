"""What a layer is given, or drops, is named: a wire, an order, an activation, a grain."""

import check_pairs
import numpy as np
import pytest
from check_evidence import evidence_of, names

MODES = ("eval", "train")


def given(of):
    """A port whose dense2 is given something else, a function of what Keras recorded."""

    def change(port):
        for mode in MODES:
            arrays = {key.partition(f"/{mode}/")[2]: a for key, a in port.arrays.items()}
            port.arrays[f"forward/{mode}/dense2/input/0"] = of(arrays)

    return change


def test_a_layer_that_reads_another_tensor_is_told_whose(tmp_path):
    change = given(lambda arrays: arrays["dense1/output"])
    evidence = evidence_of(tmp_path, port=change, went_wrong=True)
    assert evidence.item.name == "input of dense2 (eval)"
    found = names(evidence)
    assert next(iter(found)) == "A22"
    assert found["A22"] == "dense2 gets dense1 in the port, dropout in Keras"


def two_inputs(recorded):
    """As if dense2 were given another tensor of the same shape beside its own."""
    recorded.facts["nodes"][3]["input_shapes"] *= 2
    recorded.facts["nodes"][3]["sources"] = [2, 0]
    for mode in MODES:
        other = np.random.default_rng(0).normal(size=(check_pairs.BATCH, 4))
        recorded.arrays[f"forward/{mode}/dense2/input/1"] = other


def test_inputs_in_another_order_are_told_so(tmp_path):
    change = given(lambda arrays: arrays["dense2/input/1"])
    evidence = evidence_of(tmp_path, two_inputs, change, went_wrong=True)
    found = names(evidence)
    assert next(iter(found)) == "A22"
    assert found["A22"] == "the inputs of dense2 are in a different order"


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_an_activation_that_only_the_port_has_is_named(tmp_path, name):
    function = {"tanh": np.tanh, "sigmoid": check_pairs.sigmoid}[name]
    change = given(lambda arrays: function(arrays["dense2/input/0"]))
    evidence = evidence_of(tmp_path, port=change, went_wrong=True)
    found = names(evidence)
    assert next(iter(found)) == "A16"
    assert found["A16"] == f"only the port computes {name} before dense2"
