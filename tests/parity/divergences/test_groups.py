"""Which items show a divergence of their own, and which only follow from another."""

import check_pairs
import numpy as np
import one_layer
import pytest

from parity.divergences.groups import following, grouped
from parity.divergences.places import Places
from parity.ladder.engine import compare_levels
from parity.ladder.items import FAIL
from parity.ladder.table import OF_PROBE

MODES = ("eval", "train")
WEIGHTS = list(check_pairs.SHAPES)


@pytest.fixture(scope="module")
def recorded():
    return check_pairs.recorded()


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


def test_a_right_port_has_no_group(groups):
    assert groups() == ([], set())


def test_one_wrong_layer_is_one_group_and_all_else_follows(groups):
    found, rest = groups(wrong_layer("dense1"))
    assert found == [("forward", items("dense1"))]
    assert ("forward", "output (eval)") in rest
    assert {level for level, _ in rest} == {"forward", "loss", "gradient", "trajectory"}


def test_two_wrong_layers_are_two_groups(groups):
    found, _ = groups(wrong_layer("dense1"), wrong_layer("dense2.activation"))
    assert found == [("forward", items("dense1")), ("forward", items("dense2.activation"))]


def test_an_output_that_no_layer_explains_is_a_group(groups):
    found, rest = groups(check_pairs.went_wrong)
    assert found == [("forward", ["output (eval)", "output (train)"])]
    assert rest == set()


def test_input_and_output_of_a_layer_are_one_group(groups):
    found, _ = groups(wrong_layer("dense2"), add("forward/train/dense2/input/0"))
    ((level, names),) = found
    assert level == "forward"
    assert sorted(names) == sorted([*items("dense2"), "input of dense2 (train)"])


def test_a_missing_gradient_is_a_group_whatever_else_differs(groups):
    for before in ([], [wrong_layer("dense1")], [add("loss/own"), add("loss/value")]):
        found, _ = groups(*before, cut("dense2.kernel", "dense2.bias"))
        assert found[-1] == ("gradient", ["dense2.kernel", "dense2.bias"])
        assert len(found) == 1 + bool(before)


def test_a_gradient_that_is_wrong_for_keras_values_is_a_group_of_its_layer(groups):
    change = [add(f"{part}gradient/dense2.kernel") for part in ("", "forced/")]
    found, rest = groups(*change)
    assert found == [("gradient", ["dense2.kernel, with Keras's values"])]
    assert rest == {("gradient", "dense2.kernel")}


def test_the_gradients_of_a_wrong_layer_follow_from_it(groups):
    found, _ = groups(
        wrong_layer("dense2"),
        add("forced/gradient/dense2.kernel"),
        add("forced/arrived/dropout"),  # it comes through dense2
    )
    assert found == [("forward", items("dense2"))]


def test_a_gradient_that_is_lost_elsewhere_does_not_follow_from_a_wrong_layer(groups):
    found, _ = groups(
        wrong_layer("dense2"), add("forced/arrived/dense1"), add("forced/gradient/dense1.kernel")
    )
    assert [level for level, _ in found] == ["forward", "gradient"]
    assert "gradient that reaches dense1" in found[1][1]


def without_dropout(port):
    """The port lacks the dropout, and what it drops is missing on the way back."""
    port.facts["pairs"] = [pair for pair in port.facts["pairs"] if pair[0] != "dropout"]
    port.facts["nodes"] = [node for node in port.facts["nodes"] if node["name"] != "2"]
    for number, node in enumerate(port.facts["nodes"]):
        node["sources"] = [number - 1 if number else -1]
    port.facts["keras_left"].append("dropout")
    port.facts["awaited"] = [name for name in port.facts["awaited"] if name != "dropout"]


@pytest.mark.parametrize(
    "key", ["forced/gradient/dense2.kernel", "forced/arrived/dense1.activation"]
)
def test_the_gradients_beside_a_missing_dropout_follow_from_it(groups, key):
    found, _ = groups(wrong_layer("dropout"), without_dropout, add(key))
    assert [level for level, _ in found] == ["forward"]


def test_a_gradient_away_from_a_missing_dropout_does_not_follow_from_it(groups):
    found, _ = groups(wrong_layer("dropout"), without_dropout, add("forced/gradient/dense1.kernel"))
    assert [level for level, _ in found] == ["forward", "gradient"]


def test_a_wrong_loss_explains_the_gradients_behind_it(groups):
    wrong = [add(f"{part}gradient/{w}") for part in ("", "forced/") for w in WEIGHTS[2:]]
    found, rest = groups(
        add("loss/own"), add("loss/value"), add("forced/arrived/dense2"), *wrong[:2]
    )
    assert found[0] == ("loss", ["loss of Keras's outputs"])
    assert ("loss", "loss") in rest


def test_a_loss_that_only_follows_is_no_group(groups):
    found, rest = groups(wrong_layer("dense2"))
    assert "loss" not in [level for level, _ in found]
    assert ("loss", "loss") in rest


def test_a_wrong_loss_beside_a_wrong_layer_is_a_group(groups):
    found, _ = groups(wrong_layer("dense2"), add("loss/confident/value"))
    assert found[-1] == ("loss", ["loss of confident outputs"])


def test_optimizer_and_schedule_are_judged_whatever_is_wrong_before(groups):
    def scheduled(r):
        r.facts["schedule"] = {"kind": "ExponentialDecay", "callbacks": [], "not_compared": []}
        r.arrays["schedule/epochs"] = np.geomspace(0.1, 0.01, 12)

    found, _ = groups(
        wrong_layer("dense1"),
        add("optimizer/1/weights/dense1.kernel"),
        add("schedule/epochs"),
        reference=scheduled,
    )
    assert [level for level, _ in found] == ["forward", "optimizer", "schedule"]


def test_a_trajectory_is_a_group_only_if_nothing_explains_it(groups):
    alone, _ = groups(add("trajectory/2/dense1.kernel"))
    assert alone == [("trajectory", ["dense1.kernel"])]
    found, rest = groups(add("trajectory/2/dense1.kernel"), wrong_layer("dense1"))
    assert [level for level, _ in found] == ["forward"]
    assert ("trajectory", "dense1.kernel") in rest
    # Initial weights are replaced by Keras's before any step.
    found, _ = groups(add("trajectory/2/dense1.kernel"), add("init/dense1.bias"))
    assert [level for level, _ in found] == ["init", "trajectory"]


def test_initial_weights_are_a_group_each(groups):
    found, _ = groups(add("init/dense1.bias"), add("init/dense2.bias"))
    assert found == [("init", ["dense1.bias"]), ("init", ["dense2.bias"])]


def test_moving_statistics_are_groups_beside_their_layer(groups):
    def statistics(r):
        r.arrays["state/dense1.bias"] = np.ones(4)

    found, _ = groups(
        wrong_layer("dense1"),
        add("state/dense1.bias"),
        add("forced/state/dense1.bias"),
        reference=statistics,
    )
    assert found == [
        ("forward", items("dense1")),
        ("forward", ["dense1.bias (after a batch in train mode)"]),
    ]


# --- penalties -----------------------------------------------------------------------------------


def penalty(of):
    """A loss without Keras's penalty: gradients differ by a multiple of some shape."""

    def change(port):
        add("loss/own")(port)
        add("loss/value")(port)
        for part in ("", "forced/"):
            key = f"{part}gradient/dense1.kernel"
            port.arrays[key] = port.arrays[key] + 0.25 * of(port.arrays["weights/dense1.kernel"])

    return change


@pytest.mark.parametrize("of", [lambda w: w, np.sign], ids=["l2", "l1"])
def test_a_gradient_that_differs_by_a_penalty_of_the_loss_follows_from_the_loss(groups, of):
    found, _ = groups(penalty(of))
    assert [level for level, _ in found] == ["loss"]


def test_a_gradient_that_differs_by_anything_else_does_not(groups):
    found, _ = groups(penalty(lambda w: w + 0.5))
    assert [level for level, _ in found] == ["loss", "gradient"]


# --- places --------------------------------------------------------------------------------------


def with_inner_dropout():
    """Places of an LSTM without a partner that drops its input; a dense layer is behind it."""
    nodes = [
        one_layer.node("before", "dense", [-1]),
        one_layer.node("memory.dropout", "dropout", [0]),
        one_layer.node("memory", "lstm", [1]),
        one_layer.node("after", "dense", [2]),
    ]
    calls = [one_layer.call("a", "dense", [-1]), one_layer.call("b", "dense", [0])]
    keras, port = one_layer.facts(nodes, calls)
    port["pairs"] = [["before", "a"], ["after", "b"]]
    return Places(one_layer.Arrays(keras, {}), one_layer.Arrays(port, {}))


def test_a_dropout_in_a_recurrent_layer_changes_what_comes_behind_that_layer():
    places = with_inner_dropout()
    for item in ("memory.dropout", "memory.dropout.rate", "memory.dropout drops"):
        assert places.around(item) == "memory"
        assert places.behind(item) == {"after"}
    assert places.around("memory") is None
    assert places.before("memory.dropout") == {"before"}
    assert places.before("after") == {"before"}


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


def test_the_next_judged_layers_are_found_past_those_that_are_not(places):
    assert list(places.next_to("dense1", {"dropout", "dense2"})) == ["dropout"]
    assert list(places.next_to("dense1", {"dense2.activation"})) == ["dense2.activation"]
    assert list(places.next_to("dense2", {"dense1"})) == [None]
    assert list(places.next_to("dense2.activation", set())) == [None]
