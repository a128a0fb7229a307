"""The list of settings of a pair: what differs is told, unless the values of the layer agree."""

import check_pairs
import pytest

from parity.divergences.settings import differing_settings
from parity.ladder.engine import OF_PROBE, compare_levels


@pytest.fixture
def listed(tmp_path):
    """Changes both halves, and returns (ID, name, Keras's, the port's, layers) of each row."""

    def of(keras=None, port=None, are_compared=True):
        recorded = check_pairs.recorded()
        if keras is not None:
            keras(recorded)
        parts = check_pairs.ported(recorded)
        if port is not None:
            port(parts)
        theirs, ours = recorded.read(tmp_path / "keras"), parts.write(tmp_path / "port")
        levels = compare_levels(OF_PROBE, theirs, ours) if are_compared else ()
        rows = differing_settings(theirs, ours, levels)
        return [(row.id, row.name, row.keras, row.torch, row.layers) for row in rows]

    return of


def test_a_right_pair_has_no_different_settings(listed):
    assert listed() == []
    assert listed(are_compared=False) == []


def norms(*numbers):
    """Layers are normalisations by name, with weights of the same shapes."""

    def change(recorded):
        for number in numbers:
            recorded.facts["nodes"][number] |= {"kind": "batch_norm", "config": {"epsilon": 1e-3}}

    return change


def other_epsilon(port):
    other = {"class": "torch.nn.BatchNorm2d", "eps": 1e-5}
    port.facts["settings"] |= {"0": other, "3": other}


def wrong(port):
    other_epsilon(port)
    port.arrays["forward/eval/dense1/own"] = port.arrays["forward/eval/dense1/own"] + 1


def not_in_both_modes(port):
    other_epsilon(port)
    del port.arrays["forward/train/dense1/own"]
    del port.arrays["forward/train/dense1/output"]
    port.arrays["loss/value"] = port.arrays["loss/value"] + 1


@pytest.mark.parametrize(
    ("layers", "port", "are_compared", "places"),
    [
        ([0], other_epsilon, False, (("dense1", "0"),)),
        ([0], other_epsilon, True, None),
        ([0], wrong, True, (("dense1", "0"),)),
        ([0], not_in_both_modes, True, (("dense1", "0"),)),
        ([0, 3], other_epsilon, False, (("dense1", "0"), ("dense2", "3"))),
    ],
    ids=["not_compared", "equal", "wrong", "one_mode", "several_layers"],
)
def test_settings_are_told_unless_the_values_agree(listed, layers, port, are_compared, places):
    row = ("C1", "epsilon", 1e-3, 1e-5, places)
    assert listed(norms(*layers), port, are_compared) == ([row] if places else [])


def without_dropout(port):
    port.facts["pairs"] = [pair for pair in port.facts["pairs"] if pair[0] != "dropout"]
    port.facts["nodes"] = [node for node in port.facts["nodes"] if node["name"] != "2"]
    port.facts["keras_left"] = ["dropout"]


def without_keras_dropout(port):
    port.facts["pairs"] = [pair for pair in port.facts["pairs"] if pair[0] != "dropout"]
    port.facts["torch_left"] = ["2"]


def other_activation(port):
    port.facts["pairs"] = [pair for pair in port.facts["pairs"] if pair[1] != "1"]
    port.facts["nodes"][1]["kind"] = "activation:tanh"
    port.facts["keras_left"], port.facts["torch_left"] = ["dense1.activation"], ["1"]


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (without_dropout, ("A17", "Dropout", 0.5, "none", (("dropout", "the port"),))),
        (without_keras_dropout, ("A17", "Dropout", "none", 0.5, (("Keras", "2"),))),
        (other_activation, ("A16", "activation", "relu", "tanh", (("dense1.activation", "1"),))),
    ],
    ids=["dropout_of_keras", "dropout_of_the_port", "activation"],
)
def test_a_layer_without_a_partner_is_told(listed, change, row):
    assert listed(port=change, are_compared=False) == [row]


def test_the_optimizer_is_told_by_both_classes_unless_its_level_passes(listed):
    def other(port):
        port.facts["optimizer"] = {
            "class": "torch.optim.sgd.SGD",
            "base": "SGD",
            "groups": [{"lr": 0.5, "momentum": 0.0}],
        }

    assert listed(port=other, are_compared=False) == [
        ("F6", "learning_rate", 0.25, 0.5, (("SGD", "SGD"),))
    ]
    assert listed(port=other) == []


def test_facts_of_unexpected_types_raise_nothing(listed):
    def hostile(recorded):
        recorded.facts["nodes"][0] |= {
            "kind": "conv",
            "config": {"padding": "same", "kernel_size": ["a"], "strides": {}},
        }
        recorded.facts["optimizer"] = {"class": "Adam", "config": {"learning_rate": [1]}}
        recorded.facts["loss"] = {"name": "huber", "config": {"config": 3}, "class_weight": None}

    def port(parts):
        parts.facts["settings"]["0"] = {"padding": 1, "kernel_size": 3, "stride": 1}

    names = [name for _, name, *_ in listed(hostile, port, are_compared=False)]
    assert "padding" not in names
