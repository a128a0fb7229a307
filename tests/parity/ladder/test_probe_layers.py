"""The layers of a port in a probe: their structure, their dropouts, and their outputs."""

import numpy as np
import pytest
from check_pairs import went_wrong
from ladder_probes import differing, fact, failed, moved, statuses

from parity.ladder.comparers import forward
from parity.ladder.items import FAIL, PASS, STYLE


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


def both(*changes):
    def change(port):
        for each in changes:
            each(port)

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
    "not_carried": (fact(["3.more"], "not_carried"), ["3", "parameter 3.more"]),
    "not_used": (not_carried("dense2.bias"), ["dense2.bias"]),
}


@pytest.mark.parametrize(("change", "items"), STRUCTURE.values(), ids=STRUCTURE)
def test_what_cannot_be_carried_over_fails(compared_probe, change, items):
    level, found = failed(compared_probe(change))
    assert level == "structure"
    assert set(found) & set(items)
    assert set(found) <= set(items)


@pytest.mark.parametrize(("change", "items"), STRUCTURE.values(), ids=STRUCTURE)
def test_a_port_that_loads_the_weights_itself_may_hold_them_in_any_form(
    compared_probe, change, items
):
    loads = fact(True, "given", "load")
    level = compared_probe(both(change, loads))["structure"]
    assert level.status == PASS
    assert {item.role for item in level.items if not item.agrees} == {STYLE}
    # Its outputs are the proof; without them it has not shown that it is right.
    wrong = compared_probe(both(change, loads, went_wrong))
    assert wrong["structure"].status == FAIL


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
    levels = compared_probe(change)
    assert FAIL not in statuses(levels).values()
    assert failed(compared_probe(both(change, went_wrong)))[0] == "forward"


def test_a_dropout_that_only_the_port_has_fails(compared_probe):
    """Its masks are its own, so that no output can be compared with Keras's."""
    assert failed(compared_probe(extra("dropout", rate=0.5))) == ("forward", ["more"])


def test_a_dropout_that_only_keras_has_is_told_where_train_outputs_differ(compared_probe):
    levels = compared_probe(both(without("2"), moved("forward/train/output", 1.0)))
    assert failed(levels) == ("forward", ["output (train)"])
    assert differing(levels) == {"forward": ["dropout"]}


TELLING = {
    "own": ("forward/eval/dense2/own", "dense2, with Keras's input (eval)"),
    "input": ("forward/train/dense2/input/0", "input of dense2 (train)"),
    "output": ("forward/train/dropout/output", "dropout (train)"),
}


@pytest.mark.parametrize(("key", "item"), TELLING.values(), ids=TELLING)
def test_what_a_layer_computes_inside_fails_nothing_by_itself(compared_probe, key, item):
    levels = compared_probe(moved(key, 1.0))
    assert FAIL not in statuses(levels).values()
    assert differing(levels) == {"forward": [item]}
    both_wrong = compared_probe(both(moved(key, 1.0), went_wrong))
    assert failed(both_wrong) == ("forward", ["output (eval)", "output (train)"])


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


@pytest.mark.parametrize(
    ("change", "item"),
    [
        (fact(0.4, "nodes", 2, "rate"), "dropout.rate"),
        (fact({"eval": ["2"], "train": ["2"]}, "active_dropouts"), "dropout (eval)"),
        (fact({"eval": [], "train": []}, "active_dropouts"), "dropout (train)"),
    ],
    ids=["rate", "on_in_eval", "off_in_train"],
)
def test_a_dropout_of_another_rate_or_mode_fails(compared_probe, change, item):
    assert failed(compared_probe(change)) == ("forward", [item])


def masked(mask):
    """What Keras's dropout keeps in train mode, as if it had values of this shape."""
    return lambda r: r.arrays.update({"mask/train/dropout": np.array(mask)})


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
    assert failed(compared_probe(wrong, masked(mask))) == ("forward", ["dropout drops"])


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
