"""The layers of a port in a probe: their structure, their dropouts, and their outputs."""

import numpy as np
import pytest
from check_pairs import went_wrong
from ladder_probes import moved, told
from trace_changes import both, fact, put

from parity.ladder.comparers import forward
from parity.ladder.items import DIFFERS, FAIL, PASS, STYLE


def without(name):
    """The port without one of its calls."""

    def change(port):
        keras = next(pair[0] for pair in port.facts["pairs"] if pair[1] == name)
        port.facts["pairs"] = [pair for pair in port.facts["pairs"] if pair[1] != name]
        port.facts["nodes"] = [node for node in port.facts["nodes"] if node["name"] != name]
        port.facts["keras_left"].append(keras)

    return change


def extra(kind, weights=None, rate=None):
    def change(port):
        node = {"name": "more", "kind": kind, "where": "ports.py:99", "weights": weights or {}}
        port.facts["nodes"].append({**node, "rate": rate, "is_active": True})
        port.facts["torch_left"].append("more")

    return change


def not_carried(*weights):
    """A port in which these weights of Keras have no place."""

    def change(port):
        for weight in weights:
            del port.facts["weights"][weight]

    return change


KERNEL_LEFT = not_carried("dense1.kernel")
MORE_WEIGHTS = both(extra("dense", {"kernel": [2, 2]}), fact(["more.kernel"], "not_carried"))
STRUCTURE = {
    "shapes": (
        both(fact({"kernel": [5, 3], "bias": [4]}, "nodes", 0, "weights"), KERNEL_LEFT),
        ["dense1", "dense1.kernel"],
    ),
    "no_weights": (
        both(fact({}, "nodes", 3, "weights"), not_carried("dense2.kernel", "dense2.bias")),
        ["dense2", "dense2.kernel", "dense2.bias"],
    ),
    "no_layer": (
        both(without("3"), not_carried("dense2.kernel", "dense2.bias")),
        ["dense2", "dense2.kernel", "dense2.bias"],
    ),
    "more_weights": (MORE_WEIGHTS, ["more", "parameter more.kernel"]),
    "problem": (fact(["dense1: kernel has no partner"], "problems"), ["weights of dense1"]),
    "not_carried": (fact(["3.more"], "not_carried"), ["parameter 3.more"]),
    "not_used": (not_carried("dense2.bias"), ["dense2.bias"]),
}


@pytest.mark.parametrize(("change", "items"), STRUCTURE.values(), ids=STRUCTURE)
def test_what_cannot_be_carried_over_fails(compared_probe, change, items):
    """Not of a port that loads the weights itself: it may hold them in any form."""
    assert told(compared_probe(change))["structure"] == {FAIL: items}
    loads = both(change, fact(True, "given", "load"))
    level = compared_probe(loads)["structure"]
    assert level.status == PASS
    assert {item.role for item in level.items if not item.agrees} == {STYLE}
    # Its outputs are the proof; without them it has not shown that it is right.
    assert compared_probe(both(loads, went_wrong))["structure"].status == FAIL


WRITTEN_OTHERWISE = {
    "dropout_of_nothing": extra("dropout", rate=0.0),
    "no_weights": extra("reshape"),
    "no_activation": without("1"),
    "other_activation": fact("activation:tanh", "nodes", 1, "kind"),
    "other_kind": fact("unknown:mine", "nodes", 0, "kind"),
    "no_dropout": without("2"),
    "names": fact({"weight": [4], "other": [5, 4]}, "nodes", 0, "weights"),
}


@pytest.mark.parametrize("change", WRITTEN_OTHERWISE.values(), ids=WRITTEN_OTHERWISE)
def test_what_is_written_in_another_way_is_judged_by_its_numbers(compared_probe, change):
    assert told(compared_probe(change)) == {}
    wrong = told(compared_probe(both(change, went_wrong)))
    assert {name: level[FAIL] for name, level in wrong.items() if FAIL in level} == {
        "forward": OUTPUTS
    }


OUTPUTS = ["output (eval)", "output (train)"]
TELLING = {
    "dense2, with Keras's input (eval)": "forward/eval/dense2/own",
    "input of dense2 (train)": "forward/train/dense2/input/0",
    "dropout (train)": "forward/train/dropout/output",
}
# What the port has otherwise, and what is told of the level "forward".
FORWARD = {
    # Masks of its own: no output can be compared with Keras's.
    "dropout of the port": (extra("dropout", rate=0.5), {FAIL: ["more"]}),
    "dropout of Keras": (both(without("2"), moved("forward/train/output", 1.0)),
                         {FAIL: ["output (train)"], DIFFERS: ["dropout"]}),
    # What a layer computes inside fails nothing by itself.
    **{name: (moved(key, 1.0), {DIFFERS: [name]}) for name, key in TELLING.items()},
    **{
        f"{name} and outputs": (both(moved(key, 1.0), went_wrong), {FAIL: OUTPUTS, DIFFERS: [name]})
        for name, key in TELLING.items()
    },
    "other rate": (fact(0.4, "nodes", 2, "rate"), {FAIL: ["dropout.rate"]}),
    "on in eval": (fact({"eval": ["2"], "train": ["2"]}, "active_dropouts"),
                   {FAIL: ["dropout (eval)"]}),
    "off in train": (fact({"eval": [], "train": []}, "active_dropouts"),
                     {FAIL: ["dropout (train)"]}),
}  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), FORWARD.values(), ids=FORWARD)
def test_what_is_told_of_the_layers(compared_probe, change, expected):
    assert told(compared_probe(change)) == {"forward": expected}


def test_the_first_failure_of_a_level_is_where_the_difference_begins(compared_probe):
    change = both(moved("forward/eval/dense2/own", 1.0), went_wrong)
    first = compared_probe(change)["forward"].first_failure
    assert first.name == "dense2, with Keras's input (eval)"


def test_a_layer_of_another_style_is_told_as_such(compared_probe):
    change = both(
        moved("forward/eval/dense1.activation/own", 1.0),
        moved("forward/eval/dropout/input/0", 1.0),
        fact(["dense1.activation", "dropout"], "style"),
    )
    level = compared_probe(change)["forward"]
    assert level.status == PASS
    assert {item.role for item in level.items if not item.agrees} == {STYLE}


def masked(mask):
    """What Keras's dropout keeps in train mode, as if it had values of this shape."""
    return put({"mask/train/dropout": mask})


def drawn(*shape, rate=0.5):
    return np.random.default_rng(0).random(shape) >= rate


def by_channel(samples, places, channels, rate=0.5):
    whole = drawn(samples, 1, channels, rate=rate)
    return np.broadcast_to(whole, (samples, places, channels))


GRAINS = {
    "single": (drawn(4, 6, 9), []),
    "whole": (by_channel(4, 6, 9), [1]),
    "of_images": (by_channel(4, 6, 9).reshape(4, 2, 3, 9), [1, 2]),
}


@pytest.mark.parametrize(("mask", "axes"), GRAINS.values(), ids=GRAINS)
def test_what_a_dropout_drops_is_told_by_its_mask(compared_probe, mask, axes):
    right = fact({"dropout": axes}, "dropped_axes")
    items = {item.name: item for item in compared_probe(right, masked(mask))["forward"].items}
    assert items["dropout drops"].status == PASS
    wrong = fact({"dropout": [] if axes else [1]}, "dropped_axes")
    assert told(compared_probe(wrong, masked(mask))) == {"forward": {FAIL: ["dropout drops"]}}


NOT_TOLD = {
    "features": drawn(4, 9),
    "nothing_dropped": np.ones((4, 6, 9), bool),
    # One of 20 channels is dropped, in both of its places: at that rate two of 40 often are.
    "by_chance": by_channel(4, 2, 5, rate=0.05),
    "scalar": True,
}


@pytest.mark.parametrize("mask", NOT_TOLD.values(), ids=NOT_TOLD)
def test_a_mask_that_either_dropout_might_have_tells_nothing(compared_probe, mask):
    for axes in ([1], []):
        level = compared_probe(fact({"dropout": axes}, "dropped_axes"), masked(mask))["forward"]
        assert level.status == PASS
        assert "dropout drops" not in [item.name for item in level.items]


@pytest.mark.parametrize(
    ("axes", "is_recurrent", "said"),
    [
        ([], False, "single values"),
        ([1], False, "whole channels"),
        ([2], False, "whole steps"),
        ([1, 2], False, "whole samples"),
        ([0], False, "the same along axes 0"),
        ([1], True, "the same in all steps"),
        ([], True, "others in each step"),
    ],
)
def test_what_a_dropout_drops_together_has_a_name(axes, is_recurrent, said):
    assert forward._grain_text(axes, 3, is_recurrent=is_recurrent) == said
