"""What a port that draws its own random numbers has drawn, number by number."""

from functools import partial

import numpy as np
import pytest
from trace_changes import gone, put, set_to
from traces import BIAS, KERNEL, Parts, weights_after

from parity.ladder.comparers.training import masks, order, weights
from parity.ladder.items import FAIL, PASS, SKIPPED

NODES = [
    {"name": "dense", "kind": "dense"},
    {"name": "dropout", "kind": "dropout"},
    {"name": "dropout#2", "kind": "dropout"},  # the second call of the same layer
    {"name": "noise", "kind": "unknown:Noise"},
]


def drawn():
    """What Keras wrote before its training, and a port of its own."""
    arrays = {"order": np.array([2, 0, 1]), "seeded/order": np.array([2, 0, 1])}
    arrays["seeded/masks/dropout"] = np.array([7, 0])
    for start in ("start", "seeded/init"):
        arrays |= {f"{start}/{name}": value for name, value in weights_after(0).items()}
    return Parts(arrays, {"nodes": NODES, "masks": {"dropout": [7, 0], "noise": [8, 0]}})


@pytest.fixture
def halves(written):
    return partial(written, drawn)


def last_bit(name, index):
    key = f"seeded/init/{name}"
    return set_to(key, np.nextafter(weights_after(0)[name][index], 9), index)


GENERATOR = "generator of dropout's masks"
PLACES = [f"seeded/init/{name}" for name in (KERNEL, BIAS)]
# What is compared, what the port has otherwise, what Keras, names of all items, and what fails.
CASES = {
    "order": (order, None, None, ["order of the samples"], []),
    "another order": (order, put({"seeded/order": [2, 1, 0]}), None, ["order of the samples"],
                      [("order of the samples", (1,), 0)]),
    "weights": (weights, None, None, [KERNEL, BIAS], []),
    **{
        f"last bit of {name}": (weights, last_bit(name, index), None, [KERNEL, BIAS],
                                [(name, index, 0)])
        for name, index in ((KERNEL, (1, 0)), (BIAS, (2,)))
    },
    # It is left to the structure.
    "weight without a place": (weights, gone(PLACES[1]), None, [KERNEL], []),
    "masks": (masks, None, None, [GENERATOR], []),
    "another seed": (masks, put({"seeded/masks/dropout": [8, 0]}), None, [GENERATOR],
                     [(GENERATOR, (0,), 0)]),
    "another number of masks": (masks, put({"seeded/masks/dropout": [7, 1]}), None, [GENERATOR],
                                [(GENERATOR, (1,), 0)]),
    "a dropout that draws otherwise": (masks, gone("seeded/masks/dropout"), None, [GENERATOR],
                                       [(GENERATOR, None, 0)]),
}  # fmt: skip


@pytest.mark.parametrize(("compare", "port", "keras", "names", "fails"), CASES.values(), ids=CASES)
def test_what_is_drawn_is_named_by_its_place(halves, compare, port, keras, names, fails):
    outcome = compare(*halves(port, keras))
    assert outcome.status == (FAIL if fails else PASS)
    assert [item.name for item in outcome.items] == names
    assert all(item.allowed == 0 for item in outcome.items)
    failing = [item for item in outcome.items if item.status == FAIL]
    assert [(item.name, item.index, item.step) for item in failing] == fails


def test_samples_in_another_order_are_told_by_their_numbers(halves):
    (item,) = order(*halves(put({"seeded/order": [2, 1, 0]}))).items
    assert (item.keras, item.torch) == (0, 1)


def test_no_weight_at_all_is_no_pass(halves):
    assert weights(*halves(gone(*PLACES))).status == FAIL


def test_a_port_that_does_not_shuffle_gets_the_batches_of_keras(halves):
    outcome = order(*halves(gone("seeded/order")))
    assert (outcome.status, outcome.applies) == (SKIPPED, True)
    assert outcome.tolerance_source == "the port gets the batches that Keras was fed"


def test_without_dropouts_no_masks_are_drawn(halves):
    def without(parts):
        parts.facts |= {"nodes": NODES[:1], "masks": {"noise": [8, 0]}}

    outcome = masks(*halves(None, without))
    assert (outcome.status, outcome.applies) == (SKIPPED, False)


# As a weight of an LSTM of 4 units: 3 units in the last place were measured, of 1 each.
ORTHOGONAL = np.linalg.qr(np.random.default_rng(3).normal(size=(16, 4)))[0].T.astype(np.float32)
ROUNDED = ORTHOGONAL + np.float32(3 * 2.0**-23) * np.where(np.arange(16) % 2, 1, -1).astype("f")


@pytest.mark.parametrize(
    ("initializer", "kernel", "expected"),
    [
        ({"class": "Orthogonal", "gain": 1.0}, ROUNDED, PASS),
        ({"class": "Orthogonal", "gain": 1.0}, ORTHOGONAL * np.float32(1 + 1e-4), FAIL),
        ({"class": "Orthogonal", "gain": 1.0}, -ORTHOGONAL, FAIL),
        ({"class": "GlorotUniform"}, ROUNDED, FAIL),
        ({"class": "GlorotUniform"}, ORTHOGONAL, PASS),
    ],
)
def test_an_orthogonal_weight_may_be_rounded_in_another_order(
    written, initializer, kernel, expected
):
    facts = {"nodes": NODES, "masks": {}, "initializers": {"lstm.kernel": initializer}}
    starts = {"start/lstm.kernel": ORTHOGONAL, "seeded/init/lstm.kernel": ORTHOGONAL}
    traces = written(lambda: Parts(dict(starts), facts), put({"seeded/init/lstm.kernel": kernel}))
    assert weights(*traces).status == expected
