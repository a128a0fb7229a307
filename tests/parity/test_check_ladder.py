"""The ladder of a user's own pair, level by level: what passes, what one changed number fails."""

import check_pairs
import numpy as np
import pytest

from parity.check_ladder import LEVELS, climb_check
from parity.errors import InputError
from parity.result import FAIL, NOT_REACHED, PASS, SKIPPED


@pytest.fixture(scope="module")
def recorded():
    return check_pairs.recorded()


@pytest.fixture
def climb(recorded, tmp_path):
    """Climbs with a change of the reference, of the port, or of both."""

    def run(port=None, reference=None, levels=()):
        theirs = recorded.copy()
        if reference is not None:
            reference(theirs)
        ours = check_pairs.ported(theirs)
        if port is not None:
            port(ours)
        with theirs.read(tmp_path / "a.parity") as bundle:
            found = climb_check(bundle, ours.write(tmp_path / "port"), levels)
        return {level.id: level for level in found}

    return run


def statuses(levels):
    return {name: level.status for name, level in levels.items()}


def failed(levels):
    """The level that failed, the names of its failed items."""
    found = [level for level in levels.values() if level.status == FAIL]
    assert len(found) == 1, statuses(levels)
    names = list(levels)
    after = names[names.index(found[0].id) + 1 :]
    assert all(levels[name].status == NOT_REACHED for name in after)
    assert all(
        level.origin == f"not compared: {found[0].id} failed"
        for level in levels.values()
        if level.status == NOT_REACHED
    )
    return found[0].id, [item.name for item in found[0].items if item.status == FAIL]


def moved(key, by=1e-9):
    """The largest entry of an array of the port moved by a share of itself."""

    def change(port):
        array = port.arrays[key] = np.array(port.arrays[key])
        place = np.unravel_index(np.abs(array).argmax(), array.shape)
        array[place] += by * abs(array[place])

    return change


def fact(value, *path):
    def change(port):
        inner = port.facts
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value

    return change


def scheduled(r):
    """A schedule of epochs that stops, and one of steps."""
    from parity.probe_inputs import SCHEDULE_STEPS

    r.facts["schedule"] = {"kind": "ExponentialDecay", "callbacks": [{"class": "EarlyStopping"}]}
    r.facts["schedule"]["not_compared"] = ["TensorBoard"]
    r.arrays["schedule/epochs"] = np.geomspace(0.1, 0.01, 12)
    r.arrays["schedule/stopped"] = np.array(11)
    r.arrays["schedule/steps"] = np.geomspace(0.1, 0.001, len(SCHEDULE_STEPS))


# --- passes --------------------------------------------------------------------------------------


def test_a_right_port_passes(climb):
    levels = climb()
    assert list(levels) == list(LEVELS)
    found = statuses(levels)
    assert {found.pop("schedule"), found.pop("behaviour")} == {SKIPPED}
    assert set(found.values()) == {PASS}
    assert all(item.num_compared for level in levels.values() for item in level.items)


def test_a_schedule_passes_and_says_what_it_leaves_out(climb):
    level = climb(reference=scheduled)["schedule"]
    assert level.status == PASS
    assert level.origin.endswith("; not compared: TensorBoard")
    assert {item.name for item in level.items} == {"learning_rate", "epoch at which training stops"}


@pytest.mark.parametrize("by", [1e-14, -5e-13], ids=["rounding", "below_the_limit"])
def test_rounding_passes(climb, by):
    for key in ("forward/train/dense1/own", "gradient/dense1.kernel", "trajectory/2/dense2.bias"):
        assert FAIL not in statuses(climb(moved(key, by))).values()


def test_what_rounding_does_in_keras_is_allowed_the_port(climb):
    def noisy(r):
        r.facts["noise"]["forward/train/dense2/output"] = 1e-10

    for change in (moved("forward/train/dense2/output"), moved("forward/train/dense2/own")):
        assert FAIL not in statuses(climb(change, noisy)).values()
        assert failed(climb(change))[0] == "forward"


# --- one changed number --------------------------------------------------------------------------

CHANGED = {
    "data": ("forward/eval/dense1/input/0", "data", ["input of dense1"]),
    "weight": ("weights/dense2.bias", "structure", ["dense2.bias (as carried over)"]),
    "eval_output": ("forward/eval/dense2/output", "forward", ["dense2 (eval)"]),
    "eval_own": (
        "forward/eval/dense2/own",
        "forward",
        ["dense2, fed with Keras's input (eval)"],
    ),
    "train_input": ("forward/train/dense2/input/0", "forward", ["input of dense2 (train)"]),
    "train_dropout": ("forward/train/dropout/output", "forward", ["dropout (train)"]),
    "model_output": ("forward/train/output", "forward", ["output (train)"]),
    "confident": ("loss/confident/value", "loss", ["loss of confident outputs"]),
    "confident_gradient": ("loss/confident/gradient", "loss", ["its gradient"]),
    "loss": ("loss/value", "loss", ["loss"]),
    "gradient": ("gradient/dense1.bias", "gradient", ["dense1.bias"]),
    "optimizer": ("optimizer/2/weights/dense2.kernel", "optimizer", ["dense2.kernel"]),
    "trajectory": ("trajectory/2/dense1.kernel", "trajectory", ["dense1.kernel"]),
    "trajectory_loss": ("trajectory/loss/2", "trajectory", ["loss"]),
}


@pytest.mark.parametrize(("key", "level", "items"), CHANGED.values(), ids=CHANGED)
def test_one_changed_number_fails_at_its_level_and_nowhere_else(climb, key, level, items):
    assert failed(climb(moved(key))) == (level, items)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("forward/eval/dense2/output", np.nan),
        ("loss/value", np.inf),
        ("gradient/dense2.bias", np.nan),
        ("trajectory/1/dense2.bias", -np.inf),
    ],
    ids=["output", "loss", "gradient", "trajectory"],
)
def test_what_is_no_number_fails(climb, key, value):
    def change(port):
        port.arrays[key] = np.full_like(port.arrays[key], value)

    assert failed(climb(change))[0] == {"forward": "forward"}.get(
        key.split("/")[0], key.split("/")[0]
    )


@pytest.mark.parametrize(
    "key",
    ["forward/eval/dense2/output", "gradient/dense2.kernel", "optimizer/1/weights/dense2.kernel"],
)
@pytest.mark.parametrize(
    "change", [np.transpose, lambda a: a.astype(np.float32)], ids=["shape", "dtype"]
)
def test_arrays_are_compared_as_they_are(climb, key, change):
    def other(port):
        port.arrays[key] = change(port.arrays[key])

    level, _ = failed(climb(other))
    assert level == key.split("/")[0]


@pytest.mark.parametrize(
    ("key", "place", "item"),
    [
        ("schedule/steps", 29, ("learning_rate", "step", 29)),
        ("schedule/epochs", 3, ("learning_rate", "epoch", 3)),
        ("schedule/stopped", (), ("epoch at which training stops", "epoch", None)),
    ],
    ids=["step", "epoch", "stop"],
)
def test_a_changed_rate_fails_at_its_step_or_epoch(climb, key, place, item):
    def change(port):
        port.arrays[key] = np.array(port.arrays[key])
        port.arrays[key][place] += port.arrays[key][place] * 1e-6 if place != () else 1

    level = climb(change, scheduled)["schedule"]
    name, unit, number = item
    assert (level.status, level.first_failure.name) == (FAIL, name)
    assert getattr(level.first_failure, unit) == number
    assert [i.name for i in level.items if i.status == FAIL] == [name]


def test_a_learning_rate_may_have_the_rounding_of_float32(climb):
    def change(port, by):
        port.arrays["optimizer/learning_rate"] = port.arrays["optimizer/learning_rate"] * (1 + by)

    assert statuses(climb(lambda port: change(port, 1e-7)))["optimizer"] == PASS
    level, items = failed(climb(lambda port: change(port, 2e-7)))
    assert (level, set(items)) == ("optimizer", {"learning_rate"})


def test_the_first_failure_in_time_is_told(climb):
    def change(port):
        for step in (12, 7, 2):
            moved(f"optimizer/{step}/weights/dense1.kernel")(port)

    assert climb(change)["optimizer"].first_failure.step == 2


# --- structure -----------------------------------------------------------------------------------


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
def test_a_layer_without_its_like_fails(climb, change, items):
    assert failed(climb(change)) == ("structure", items)


def test_a_weight_that_is_not_used_fails(climb):
    def change(port):
        del port.facts["weights"]["dense2.bias"]

    assert failed(climb(change)) == ("structure", ["dense2.bias"])


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
def test_what_holds_no_weights_is_judged_by_its_numbers(climb, change):
    level = climb(change)["structure"]
    assert level.status == PASS


def test_what_was_not_compared_is_named(climb):
    assert "without partner in the port, seen by what follows only: dense1.activation" in (
        climb(without("1"))["structure"].origin
    )
    assert climb(extra("reshape"))["structure"].origin.endswith("without partner in Keras: more")


# --- dropout -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "item"),
    [
        (fact(0.4, "nodes", 2, "rate"), "dropout.rate"),
        (fact({"eval": ["2"], "train": ["2"]}, "active_dropouts"), "dropout (eval)"),
        (fact({"eval": [], "train": []}, "active_dropouts"), "dropout (train)"),
    ],
    ids=["rate", "on_in_eval", "off_in_train"],
)
def test_a_dropout_of_another_rate_or_mode_fails(climb, change, item):
    assert failed(climb(change)) == ("forward", [item])


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
def test_what_a_dropout_drops_is_told_by_its_mask(climb, mask, is_whole):
    right, wrong = (fact(value, "nodes", 2, "drops_channels") for value in (is_whole, not is_whole))
    items = {item.name: item for item in climb(right, masked(mask))["forward"].items}
    assert items["dropout drops"].status == PASS
    assert failed(climb(wrong, masked(mask))) == ("forward", ["dropout drops"])


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
def test_a_mask_that_either_dropout_might_have_tells_nothing(climb, mask):
    for is_whole in (True, False):
        port = fact(is_whole, "nodes", 2, "drops_channels")
        level = climb(port, masked(mask))["forward"]
        assert level.status == PASS
        assert "dropout drops" not in [item.name for item in level.items]


def test_the_more_channels_are_dropped_the_less_it_is_chance(climb):
    """5 of 12 channels in both of two places: by chance once in (7/12)^7 (5/12)^5, 3e-4."""
    wrong = fact(False, "nodes", 2, "drops_channels")
    kept = np.arange(12).reshape(1, 1, 12) % 12 < 7
    two, four = (np.broadcast_to(kept, (1, places, 12)) for places in (2, 4))
    assert climb(wrong, masked(two))["forward"].status == PASS
    assert failed(climb(wrong, masked(four))) == ("forward", ["dropout drops"])


# --- data ----------------------------------------------------------------------------------------


def test_how_the_port_is_fed_is_told(climb):
    level = climb(fact("fed with channels first", "fed"))["data"]
    assert "as it reaches the first layer (fed with channels first);" in level.origin


# --- initial weights -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("init/dense1.bias", lambda a: a + 1e-3),
        ("init/dense1.kernel", lambda a: a * 3),
        ("init/dense1.kernel", lambda a: a * 0.05),
        ("init/dense1.kernel", lambda a: a[:, :-1]),
        ("init/dense1.kernel", lambda a: a * 0),
        ("init/dense1.kernel", lambda a: a * np.nan),
    ],
    ids=["constant", "wide", "narrow", "shape", "zeros", "nan"],
)
def test_other_initial_weights_fail(climb, key, change):
    def other(port):
        port.arrays[key] = change(port.arrays[key])

    assert failed(climb(other)) == ("init", [key.partition("/")[2]])


# --- what the port raises ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "level"),
    [
        ("forward/eval", "forward"),
        ("forward/train", "forward"),
        ("loss", "loss"),
        ("gradient", "gradient"),
        ("optimizer", "optimizer"),
        ("trajectory", "trajectory"),
        ("schedule", "schedule"),
    ],
)
def test_what_the_port_raises_is_a_failure_with_its_words(climb, stage, level):
    levels = climb(fact({stage: "KeyError: 'x' (net.py:7)"}, "raised"), scheduled)
    assert failed(levels) == (level, [f"{stage} raises"])
    item = levels[level].first_failure
    assert (item.keras, item.torch) == ("nothing", "KeyError: 'x' (net.py:7)")


# --- skipped -------------------------------------------------------------------------------------


def set_fact(name, value):
    return lambda r: r.facts.update({name: value})


SKIPPED_LEVELS = {
    "no_loss_in_keras": (None, set_fact("loss", None), {
        "loss": "the Keras model has no single loss",
        "gradient": "the Keras model has no single loss",
        "trajectory": "the Keras model is not compiled",
    }),
    "no_optimizer_in_keras": (None, set_fact("optimizer", None), {
        "optimizer": "the Keras model has no optimizer",
        "trajectory": "the Keras model is not compiled",
    }),
    "no_loss": (fact(False, "given", "loss"), None, {"loss": "the port gives no loss"}),
    "unknown_loss": (fact("give the port a loss", "no_loss"), None, {
        "gradient": "give the port a loss",
        "trajectory": "give the port a loss",
    }),
    "no_optimizer": (fact(False, "given", "optimizer"), scheduled, {
        "optimizer": "the port gives no optimizer",
        "trajectory": "the port gives no optimizer",
        "schedule": "the port gives no optimizer",
    }),
    "load": (fact(True, "given", "load"), None, {"init": "the port loads Keras's weights"}),
}  # fmt: skip


@pytest.mark.parametrize(("port", "reference", "skipped"), SKIPPED_LEVELS.values(),
                         ids=SKIPPED_LEVELS)  # fmt: skip
def test_a_level_that_cannot_be_compared_is_skipped_with_its_reason(
    climb, port, reference, skipped
):
    levels = climb(port, reference)
    always = {"behaviour"} if reference is scheduled else {"behaviour", "schedule"}
    assert {n for n, level in levels.items() if level.status == SKIPPED} == {*skipped, *always}
    assert {name: levels[name].origin for name in skipped} == skipped
    assert FAIL not in statuses(levels).values()


def test_only_levels_that_were_asked_for_count(climb):
    wrong = moved("forward/eval/dense1/output", 1.0)
    levels = climb(wrong, levels=("structure", "loss"))
    assert FAIL not in statuses(levels).values()
    assert [n for n, level in levels.items() if level.status == PASS] == ["structure", "loss"]
    assert levels["forward"].origin == "not asked for"
    found = statuses(climb(wrong, levels=("forward", "gradient")))
    assert (found["forward"], found["loss"], found["gradient"]) == (FAIL, SKIPPED, NOT_REACHED)


def test_forms_of_the_output_are_compared_with_what_keras_has_in_their_place(climb, recorded):
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
        assert climb(change)["forward"].status == PASS
        assert (
            failed(climb(lambda port, c=change: (c(port), moved("forward/eval/output")(port))))[0]
            == "forward"
        )
    assert np.abs(linear).max() > 1  # so that the forms differ


def test_a_bundle_that_lacks_what_the_port_has_is_an_input_error(climb):
    def lack(r):
        del r.arrays["optimizer/7/weights/dense1.bias"]

    def put(port):
        port.arrays["optimizer/7/weights/dense1.bias"] = np.zeros(4)

    with pytest.raises(InputError, match="it has no array 'optimizer/7/weights/dense1"):
        climb(put, lack)
