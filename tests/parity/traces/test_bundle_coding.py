"""What is stored of arrays gives the same arrays, to the bit, and is small where they follow."""

import check_pairs
import numpy as np
import pytest
from helpers import assert_same_bits
from rows import each_row
from trace_changes import added, both, fact, put

from parity.traces.bundle_coding import Predictions, decode, encode


def coded(recorded):
    arrays = recorded.arrays
    return encode(recorded.facts, {key: a.shape for key, a in arrays.items()}, arrays.__getitem__)


def restored(recorded):
    codes, stored = coded(recorded)
    found = {}
    for key, array in decode(recorded.facts, codes, stored.__getitem__, found.__getitem__):
        found[key] = array
    assert set(found) == set(recorded.arrays)
    return found


@pytest.fixture
def recorded():
    return check_pairs.recorded()


def number(key, *values):
    return put({key: [values] * 5 if key.startswith("init") else values})


VALUES = {
    "zeros": [0.0, -0.0, 0.0, -0.0],
    "no_numbers": [np.nan, -np.nan, np.inf, -np.inf],
    "small": [5e-324, -5e-324, 2.2e-308, -1e-310],
    "large": [1.7e308, -1.7e308, 1.0, -1.0],
    "float32": [0.5, -3.0, 1e30, float(np.float32(0.1))],
    "beyond_float32": [1e300, 1e-300, 0.1, 1.0],
}


CHANGES = [
    both(),
    *(
        number(key, *values)
        for values in VALUES.values()
        for key in (
            "loss/value",
            "weights/dense1.bias",
            "trajectory/2/dense1.bias",
            "init/dense1.bias",
        )
    ),
    *(added("forward/train/dense2/output", value) for value in (1e-3, 1.0, np.nan)),
    # Facts that say something else cost bytes and nothing more.
    fact("no such kind", "nodes", 0, "kind"),
    fact(["dense2.kernel"], "nodes", 0, "weights"),
    fact({"units": []}, "nodes", 3, "config"),
    fact([0, 0, 0], "nodes", 2, "sources"),
    fact([None], "nodes", 4, "sources"),
]


@each_row("change", CHANGES)
def test_all_arrays_come_back_to_the_bit(change):
    recorded = check_pairs.recorded()
    change(recorded)
    for key, array in restored(recorded).items():
        assert_same_bits(array, recorded.arrays[key])


def test_outputs_and_gradients_are_stored_as_what_their_prediction_misses(recorded):
    codes, stored = coded(recorded)
    how = {key: code["as"] for key, code in codes.items()}
    for name in ("dense1", "dense1.activation", "dropout", "dense2", "dense2.activation"):
        assert how[f"forward/eval/{name}/input/0"] == "same"
        for mode in ("eval", "train"):
            assert how[f"forward/{mode}/{name}/output"] in ("ulps", "same")
    assert codes["forward/train/dense1/output"]["of"] == "forward/eval/dense1/output"
    assert "forward/train/dense1/output" not in stored
    misses = stored["forward/train/dense2/output"]
    assert misses.shape[1] == 12
    assert misses.shape[0] <= 2  # bytes of each entry, of eight
    assert how["weights/dense1.kernel"] == "bytes"
    assert how["trajectory/2/dense1.kernel"] == "ulps"


def test_beyond_so_much_work_nothing_is_predicted(recorded, monkeypatch):
    shapes = {key: array.shape for key, array in recorded.arrays.items()}
    key = "forward/eval/dense1/output"
    found = Predictions(recorded.facts, shapes, recorded.arrays.__getitem__)
    np.testing.assert_allclose(found.of(key), recorded.arrays[key], rtol=1e-13)
    monkeypatch.setattr("parity.traces.bundle_coding.MAX_WORK", 79)  # 4 samples of 5 by 4 take 80
    again = Predictions(recorded.facts, shapes, recorded.arrays.__getitem__)
    assert again.of(key) is None
