"""The layers of a port in a probe: their structure, their dropouts, and their outputs."""

import numpy as np
import pytest
from ladder_probes import fact, failed, moved

from parity.ladder.items import PASS


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


STRUCTURE = {
    "activation": (fact("activation:tanh", "nodes", 1, "kind"), ["dense1.activation"]),
    "shapes": (fact({"kernel": [5, 3], "bias": [4]}, "nodes", 0, "weights"), ["dense1"]),
    "no_weights": (fact({}, "nodes", 3, "weights"), ["dense2"]),
    "no_dropout": (without("2"), ["dropout"]),
    "more_dropout": (extra("dropout", rate=0.5), ["more"]),
    "more_weights": (extra("dense", {"kernel": [2, 2]}), ["more"]),
    "problem": (fact(["dense1: kernel has no partner"], "problems"), ["weights of dense1"]),
    "not_carried": (fact(["3.more"], "not_carried"), ["parameter 3.more"]),
}


@pytest.mark.parametrize(("change", "items"), STRUCTURE.values(), ids=STRUCTURE)
def test_a_layer_without_its_like_fails(compared_probe, change, items):
    assert failed(compared_probe(change)) == ("structure", items)


def test_a_weight_that_is_not_used_fails(compared_probe):
    def change(port):
        del port.facts["weights"]["dense2.bias"]

    assert failed(compared_probe(change)) == ("structure", ["dense2.bias"])


@pytest.mark.parametrize(
    "change",
    [
        extra("dropout", rate=0.0),
        extra("reshape"),
        without("1"),
        fact({"weight": [4], "other": [5, 4]}, "nodes", 0, "weights"),
    ],
    ids=["dropout_of_nothing", "no_weights", "activation", "names"],
)
def test_what_holds_no_weights_is_judged_by_its_numbers(compared_probe, change):
    level = compared_probe(change)["structure"]
    assert level.status == PASS


def test_what_was_not_compared_is_named(compared_probe):
    assert "without partner in the port, seen by what follows only: dense1.activation" in (
        compared_probe(without("1"))["structure"].tolerance_source
    )
    assert compared_probe(extra("reshape"))["structure"].tolerance_source.endswith(
        "without partner in Keras: more"
    )


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
    "single": (drawn(4, 6, 9), False),
    "whole": (by_channel(4, 6, 9), True),
    "of_images": (by_channel(4, 6, 9).reshape(4, 2, 3, 9), True),
}


@pytest.mark.parametrize(("mask", "is_whole"), GRAINS.values(), ids=GRAINS)
def test_what_a_dropout_drops_is_told_by_its_mask(compared_probe, mask, is_whole):
    right, wrong = (fact(value, "nodes", 2, "drops_channels") for value in (is_whole, not is_whole))
    items = {item.name: item for item in compared_probe(right, masked(mask))["forward"].items}
    assert items["dropout drops"].status == PASS
    assert failed(compared_probe(wrong, masked(mask))) == ("forward", ["dropout drops"])


NOT_TOLD = {
    "features": drawn(4, 9),
    "one_place": drawn(4, 1, 9),
    "nothing_dropped": np.ones((4, 6, 9), bool),
    "everything_dropped": np.zeros((4, 6, 9), bool),
    # One of 20 channels is dropped, in both of its places: at that rate two of 40 often are.
    "by_chance": by_channel(4, 2, 5, rate=0.05),
    "scalar": True,
}


@pytest.mark.parametrize("mask", NOT_TOLD.values(), ids=NOT_TOLD)
def test_a_mask_that_either_dropout_might_have_tells_nothing(compared_probe, mask):
    for is_whole in (True, False):
        port = fact(is_whole, "nodes", 2, "drops_channels")
        level = compared_probe(port, masked(mask))["forward"]
        assert level.status == PASS
        assert "dropout drops" not in [item.name for item in level.items]


def test_the_more_channels_are_dropped_the_less_it_is_chance(compared_probe):
    """5 of 12 channels in both of two places: by chance once in (7/12)^7 (5/12)^5, 3e-4."""
    wrong = fact(False, "nodes", 2, "drops_channels")
    kept = np.arange(12).reshape(1, 1, 12) % 12 < 7
    two, four = (np.broadcast_to(kept, (1, places, 12)) for places in (2, 4))
    assert compared_probe(wrong, masked(two))["forward"].status == PASS
    assert failed(compared_probe(wrong, masked(four))) == ("forward", ["dropout drops"])


def test_forms_of_the_output_are_compared_with_what_keras_has_in_their_place(
    compared_probe, recorded
):
    linear = recorded.arrays["forward/eval/dense2/output"]

    def as_linear(port):
        for mode in ("eval", "train"):
            port.arrays[f"forward/{mode}/output"] = port.arrays[f"forward/{mode}/dense2/output"]
        port.facts["output_form"] = "linear"

    def as_log(port):
        for mode in ("eval", "train"):
            key = f"forward/{mode}/output"
            port.arrays[key] = np.log(port.arrays[key])
        port.facts["output_form"] = "log"

    for change in (as_linear, as_log):
        assert compared_probe(change)["forward"].status == PASS
        assert (
            failed(
                compared_probe(lambda port, c=change: (c(port), moved("forward/eval/output")(port)))
            )[0]
            == "forward"
        )
    assert np.abs(linear).max() > 1  # so that the forms differ
