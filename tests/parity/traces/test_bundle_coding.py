"""What is stored of arrays gives the same arrays, to the bit, and is small where they follow."""

import check_pairs
import numpy as np
import pytest
from helpers import assert_same_bits

from parity.traces.bundle_coding import decode, encode
from parity.traces.predictions import Predictions


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


def test_all_arrays_come_back_to_the_bit(recorded):
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


VALUES = {
    "zeros": [0.0, -0.0, 0.0, -0.0],
    "no_numbers": [np.nan, -np.nan, np.inf, -np.inf],
    "small": [5e-324, -5e-324, 2.2e-308, -1e-310],
    "large": [1.7e308, -1.7e308, 1.0, -1.0],
    "float32": [0.5, -3.0, 1e30, float(np.float32(0.1))],
    "beyond_float32": [1e300, 1e-300, 0.1, 1.0],
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "key", ["loss/value", "weights/dense1.bias", "trajectory/2/dense1.bias", "init/dense1.bias"]
)
def test_any_number_comes_back(name, key, recorded):
    array = np.array(VALUES[name])
    recorded.arrays[key] = np.stack([array] * 5) if key.startswith("init") else array
    assert_same_bits(restored(recorded)[key], recorded.arrays[key])


@pytest.mark.parametrize("value", [1e-3, 1.0, np.nan])
def test_an_array_that_its_formula_misses_comes_back_all_the_same(value, recorded):
    key = "forward/train/dense2/output"
    recorded.arrays[key] = recorded.arrays[key] + value
    assert_same_bits(restored(recorded)[key], recorded.arrays[key])


def test_arrays_of_other_dtypes_are_as_they_are(recorded):
    recorded.arrays["forward/eval/x/input/0"] = np.arange(6, dtype=np.int32).reshape(2, 3)
    recorded.arrays["forward/eval/x/input/1"] = np.arange(6, dtype=np.float32)
    codes, _ = coded(recorded)
    found = restored(recorded)
    for number in (0, 1):
        key = f"forward/eval/x/input/{number}"
        assert codes[key]["as"] == "plain"
        assert_same_bits(found[key], recorded.arrays[key])


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f["nodes"][0].update(kind="no such kind"),
        lambda f: f["nodes"][0].update(weights=["dense2.kernel"]),
        lambda f: f["nodes"][3].update(config={"units": []}),
        lambda f: f["nodes"][2].update(sources=[0, 0, 0]),
        lambda f: f["nodes"][4].update(sources=[None]),
    ],
    ids=["kind", "weights", "config", "sources", "unknown"],
)
def test_facts_that_say_something_else_cost_bytes_and_nothing_more(change, recorded):
    change(recorded.facts)
    for key, array in restored(recorded).items():
        assert_same_bits(array, recorded.arrays[key])


def test_beyond_so_much_work_nothing_is_predicted(recorded, monkeypatch):
    shapes = {key: array.shape for key, array in recorded.arrays.items()}
    key = "forward/eval/dense1/output"
    found = Predictions(recorded.facts, shapes, recorded.arrays.__getitem__)
    np.testing.assert_allclose(found.of(key), recorded.arrays[key], rtol=1e-13)
    monkeypatch.setattr("parity.traces.predictions.MAX_WORK", 79)  # 4 samples of 5 by 4 take 80
    again = Predictions(recorded.facts, shapes, recorded.arrays.__getitem__)
    assert again.of(key) is None
