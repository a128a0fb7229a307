"""Which items show a divergence of their own, and which only follow from another."""

import check_pairs
import numpy as np
import pytest

from parity.divergences.groups import following, grouped
from parity.divergences.places import Places
from parity.ladder.engine import OF_PROBE, compare_levels
from parity.ladder.items import FAIL

MODES = ("eval", "train")
WEIGHTS = list(check_pairs.SHAPES)


@pytest.fixture
def groups(recorded, tmp_path):
    """The groups of a port with some changes, and what follows from them, by level."""

    def make(*changes, reference=None):
        theirs = recorded.copy()
        if reference is not None:
            reference(theirs)
        port = check_pairs.ported(theirs)
        for change in changes:
            change(port)
        sides = theirs.read(tmp_path / "keras"), port.write(tmp_path / "port")
        levels = compare_levels(OF_PROBE, *sides)
        found = grouped(levels, *sides)
        rest = list(following(levels, found))
        failing = sum(item.status == FAIL for level in levels for item in level.items)
        shown = sum(item.status == FAIL for group in found for item in group.items)
        assert shown + len(rest) == failing  # nothing that fails is lost
        told = [(group.level.id, [item.name for item in group.items]) for group in found]
        return told, {(level, item.name) for level, item in rest}

    return make


def add(key, by=1.0):
    def change(port):
        port.arrays[key] = port.arrays[key] + by

    return change


def wrong_layer(name):
    """A layer that is wrong by itself, and all that comes of it."""

    def change(port):
        for mode in MODES:
            add(f"forward/{mode}/{name}/own")(port)
            for after in [node[0] for node in check_pairs.NODES]:
                add(f"forward/{mode}/{after}/output")(port)
        check_pairs.went_wrong(port)
        for weight in WEIGHTS:
            add(f"gradient/{weight}")(port)
            add(f"trajectory/1/{weight}")(port)
        add("loss/value")(port)

    return change


def cut(*weights):
    def change(port):
        for weight in weights:
            del port.arrays[f"gradient/{weight}"]
            del port.arrays[f"forced/gradient/{weight}"]

    return change


def items(name):
    return [f"{name}, with Keras's input ({mode})" for mode in MODES]


def without_dropout(port):
    """The port lacks the dropout, and what it drops is missing on the way back."""
    port.facts["pairs"] = [pair for pair in port.facts["pairs"] if pair[0] != "dropout"]
    port.facts["nodes"] = [node for node in port.facts["nodes"] if node["name"] != "2"]
    for number, node in enumerate(port.facts["nodes"]):
        node["sources"] = [number - 1 if number else -1]
    port.facts["keras_left"].append("dropout")
    port.facts["awaited"] = [name for name in port.facts["awaited"] if name != "dropout"]


def penalty(of):
    """A loss without Keras's penalty: gradients differ by a multiple of some shape."""

    def change(port):
        for key in ("loss/own", "loss/value"):
            add(key)(port)
        for key in ("gradient/dense1.kernel", "forced/gradient/dense1.kernel"):
            port.arrays[key] = port.arrays[key] + 0.25 * of(port.arrays["weights/dense1.kernel"])

    return change


WRONG = {name: ("forward", items(name)) for name in ("dense1", "dense2", "dense2.activation")}
LOST = ("gradient", ["dense2.kernel", "dense2.bias"])
LOSS = ("loss", ["loss of Keras's outputs"])
NO_DROPOUT = (wrong_layer("dropout"), without_dropout)
TRAINED = ("trajectory", ["dense1.kernel"])
TWO_STEPS = add("trajectory/2/dense1.kernel")
# The changes of a right port, and its groups.
GROUPS = {
    "right": ([], []),
    "layers": ([wrong_layer("dense1"), wrong_layer("dense2.activation")],
               [WRONG["dense1"], WRONG["dense2.activation"]]),
    "lost gradient": ([cut("dense2.kernel", "dense2.bias")], [LOST]),
    "lost behind a wrong layer": ([wrong_layer("dense1"), cut("dense2.kernel", "dense2.bias")],
                                  [WRONG["dense1"], LOST]),
    "lost before a wrong loss": (
        [add("loss/own"), add("loss/value"), cut("dense2.kernel", "dense2.bias")], [LOSS, LOST]),
    # it comes through dense2
    "gradients of a wrong layer": (
        [wrong_layer("dense2"), add("forced/gradient/dense2.kernel"),
         add("forced/arrived/dropout")], [WRONG["dense2"]]),
    "confident outputs": ([wrong_layer("dense2"), add("loss/confident/value")],
                          [WRONG["dense2"], ("loss", ["loss of confident outputs"])]),
    "trajectory": ([TWO_STEPS], [TRAINED]),
    # Initial weights are replaced by Keras's before any step.
    "trajectory and initial weights": ([TWO_STEPS, add("init/dense1.bias")],
                                       [("init", ["dense1.bias"]), TRAINED]),
    "initial weights": ([add("init/dense1.bias"), add("init/dense2.bias")],
                        [("init", ["dense1.bias"]), ("init", ["dense2.bias"])]),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), GROUPS.values(), ids=GROUPS)
def test_what_differs_by_itself_is_a_group(groups, changes, expected):
    assert groups(*changes)[0] == expected


# The changes of a right port, the levels of its groups, and what follows from them.
FOLLOWS = {
    "layer": ([wrong_layer("dense1")], ["forward"],
              {("forward", "output (eval)"), ("trajectory", "dense1.kernel"),
               ("gradient", "dense1.kernel"), ("loss", "loss")}),
    "output that no layer explains": ([check_pairs.went_wrong], ["forward"], set()),
    "gradient of a layer": (
        [add("gradient/dense2.kernel"), add("forced/gradient/dense2.kernel")], ["gradient"],
        {("gradient", "dense2.kernel")}),
    "gradient elsewhere": (
        [wrong_layer("dense2"), add("forced/arrived/dense1"),
         add("forced/gradient/dense1.kernel")], ["forward", "gradient"], set()),
    "gradient behind a missing dropout": (
        [*NO_DROPOUT, add("forced/gradient/dense2.kernel")], ["forward"], set()),
    "gradient before a missing dropout": (
        [*NO_DROPOUT, add("forced/arrived/dense1.activation")], ["forward"], set()),
    "gradient away from a missing dropout": (
        [*NO_DROPOUT, add("forced/gradient/dense1.kernel")], ["forward", "gradient"], set()),
    "gradients of a wrong loss": (
        [add("loss/own"), add("loss/value"), add("forced/arrived/dense2"),
         add("gradient/dense2.kernel"), add("gradient/dense2.bias")], ["loss"],
        {("loss", "loss")}),
    "trajectory of a layer": ([TWO_STEPS, wrong_layer("dense1")], ["forward"],
                              {("trajectory", "dense1.kernel")}),
    "squared penalty": ([penalty(lambda w: w)], ["loss"], set()),
    "absolute penalty": ([penalty(np.sign)], ["loss"], set()),
    "no penalty": ([penalty(lambda w: w + 0.5)], ["loss", "gradient"], set()),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "levels", "follow"), FOLLOWS.values(), ids=FOLLOWS)
def test_what_comes_of_a_group_follows_from_it(groups, changes, levels, follow):
    found, rest = groups(*changes)
    assert [level for level, _ in found] == levels
    assert follow <= rest


def test_input_and_output_of_a_layer_are_one_group(groups):
    found, _ = groups(wrong_layer("dense2"), add("forward/train/dense2/input/0"))
    ((level, names),) = found
    assert level == "forward"
    assert sorted(names) == sorted([*items("dense2"), "input of dense2 (train)"])


def test_optimizer_and_schedule_are_judged_whatever_is_wrong_before(groups):
    def scheduled(r):
        r.facts["schedule"] = {"kind": "ExponentialDecay", "callbacks": [], "not_compared": []}
        r.arrays["schedule/epochs"] = np.geomspace(0.1, 0.01, 12)

    optimizer = add("optimizer/1/weights/dense1.kernel")
    changes = (wrong_layer("dense1"), optimizer, add("schedule/epochs"))
    found, _ = groups(*changes, reference=scheduled)
    assert [level for level, _ in found] == ["forward", "optimizer", "schedule"]


# --- places --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def places(recorded, tmp_path_factory):
    root = tmp_path_factory.mktemp("places")
    port = check_pairs.ported(recorded.copy()).write(root / "port")
    return Places(recorded.copy().read(root / "keras"), port)


@pytest.mark.parametrize(
    ("item", "layer"),
    [
        ("dense1", "dense1"),
        ("dense1.activation (eval)", "dense1.activation"),
        ("input of dense1.activation (train)", "dense1.activation"),
        ("dense2, with Keras's input (eval)", "dense2"),
        ("dense2.kernel", "dense2"),
        ("dense2.kernel, with Keras's values", "dense2"),
        ("dense2.bias (after a batch in train mode)", "dense2"),
        ("weights of dense1", "dense1"),
        ("gradient that reaches dropout", "dropout"),
        ("dropout.rate", "dropout"),
        ("dropout drops", "dropout"),
        ("dense10", None),
        ("loss", None),
        ("output (eval)", None),
    ],
)
def test_an_item_belongs_to_the_layer_with_the_longest_name_in_it(places, item, layer):
    assert places.layer_of(item) == layer
