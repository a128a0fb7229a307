"""What a port that draws its own random numbers has drawn, number by number."""

import numpy as np
import pytest
from traces import BIAS, KERNEL, Parts, weights_after

from parity.ladder.comparers.training import masks, order, weights
from parity.ladder.items import FAIL, PASS, SKIPPED

NODES = [
    {"name": "dense", "kind": "dense"},
    {"name": "dropout", "kind": "dropout"},
    {"name": "dropout#2", "kind": "dropout"},  # the second call of the same layer
    {"name": "noise", "kind": "unknown:Noise"},
]
STATES = {"dropout": [7, 0], "noise": [8, 0]}


@pytest.fixture
def halves(tmp_path):
    """What Keras wrote before its training, and the training of the port with a change."""

    def make(change=None):
        keras = Parts(facts={"nodes": NODES, "masks": STATES})
        torch = Parts()
        keras.arrays["order"] = np.array([2, 0, 1])
        torch.arrays["seeded/order"] = np.array([2, 0, 1])
        torch.arrays["seeded/masks/dropout"] = np.array([7, 0])
        for name, value in weights_after(0).items():
            keras.arrays[f"start/{name}"] = value
            torch.arrays[f"seeded/init/{name}"] = value.copy()
        if change is not None:
            change(torch.arrays)
        return keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")

    return make


def failed(outcome):
    return [(item.name, item.index, item.step) for item in outcome.items if item.status == FAIL]


@pytest.mark.parametrize("compare", [order, weights, masks])
def test_the_same_draws_pass(halves, compare):
    outcome = compare(*halves())
    assert outcome.status == PASS
    assert all(item.allowed == 0 and item.num_compared for item in outcome.items)


def test_two_samples_in_another_order_are_named_by_their_place(halves):
    def swapped(arrays):
        arrays["seeded/order"] = np.array([2, 1, 0])

    outcome = order(*halves(swapped))
    assert failed(outcome) == [("order of the samples", (1,), 0)]
    assert (outcome.items[0].keras, outcome.items[0].torch) == (0, 1)


def test_a_port_that_does_not_shuffle_gets_the_batches_of_keras(halves):
    outcome = order(*halves(lambda arrays: arrays.pop("seeded/order")))
    assert (outcome.status, outcome.applies) == (SKIPPED, True)
    assert outcome.tolerance_source == "the port gets the batches that Keras was fed"


@pytest.mark.parametrize(("name", "index"), [(KERNEL, (1, 0)), (BIAS, (2,))])
def test_a_weight_may_not_differ_in_its_last_bit(halves, name, index):
    def change(arrays):
        weight = arrays[f"seeded/init/{name}"]
        weight[index] = np.nextafter(weight[index], 9)

    assert failed(weights(*halves(change))) == [(name, index, 0)]


def test_a_weight_without_a_place_in_the_port_is_left_to_the_structure(halves):
    outcome = weights(*halves(lambda arrays: arrays.pop(f"seeded/init/{BIAS}")))
    assert (outcome.status, [item.name for item in outcome.items]) == (PASS, [KERNEL])


def test_no_weight_at_all_is_no_pass(halves):
    def change(arrays):
        for name in (KERNEL, BIAS):
            del arrays[f"seeded/init/{name}"]

    assert weights(*halves(change)).status == FAIL


def test_generators_are_those_of_the_dropouts_and_each_is_compared_once(halves):
    outcome = masks(*halves())
    assert [item.name for item in outcome.items] == ["generator of dropout's masks"]


@pytest.mark.parametrize("state", [[8, 0], [7, 1]], ids=["seed", "number of masks"])
def test_another_generator_is_named(halves, state):
    change = {"seeded/masks/dropout": np.array(state)}
    outcome = masks(*halves(lambda arrays: arrays.update(change)))
    assert [name for name, _, _ in failed(outcome)] == ["generator of dropout's masks"]


def test_a_dropout_that_draws_otherwise_has_no_generator_to_compare(halves):
    outcome = masks(*halves(lambda arrays: arrays.pop("seeded/masks/dropout")))
    assert outcome.status == FAIL
    assert outcome.items[0].step == 0


def test_without_dropouts_no_masks_are_drawn(halves, tmp_path):
    _, torch = halves()
    keras = Parts(facts={"nodes": NODES[:1], "masks": {"noise": [8, 0]}})
    outcome = masks(keras.write(tmp_path / "none"), torch)
    assert (outcome.status, outcome.applies) == (SKIPPED, False)


def test_an_orthogonal_weight_may_be_rounded_in_another_order(tmp_path):
    """As that of an LSTM of 4 units: 3 units in the last place were measured, of 1 each."""
    kernel, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(16, 4)))
    kernel = kernel.T.astype(np.float32)
    unit = np.float32(2.0**-23)
    rounded = kernel + 3 * unit * np.where(np.arange(16) % 2, 1, -1).astype(np.float32)
    for initializer, change, expected in (
        ({"class": "Orthogonal", "gain": 1.0}, rounded, PASS),
        ({"class": "Orthogonal", "gain": 1.0}, kernel * np.float32(1 + 1e-4), FAIL),
        ({"class": "Orthogonal", "gain": 1.0}, -kernel, FAIL),
        ({"class": "GlorotUniform"}, rounded, FAIL),
        ({"class": "GlorotUniform"}, kernel, PASS),
    ):
        facts = {"nodes": NODES, "masks": STATES, "initializers": {"lstm.kernel": initializer}}
        keras, torch = Parts(facts=facts), Parts()
        keras.arrays["start/lstm.kernel"] = kernel
        torch.arrays["seeded/init/lstm.kernel"] = change
        found = weights(keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch"))
        assert found.status == expected, (initializer, change)
