"""Which weight of a written module a path of Keras's means."""

import pytest

from parity.ports.weights import matched


def test_weights_of_one_name_are_those_of_the_models_in_their_order():
    names = ["d/kernel", "head/kernel", "d#2/kernel", "d#2/bias", "d/bias"]
    targets = ["one/d/kernel", "one/d/bias", "two/d/kernel", "two/d/bias", "head/kernel"]
    assert matched(names, targets) == {
        "d/kernel": "one/d/kernel",
        "d#2/kernel": "two/d/kernel",
        "d/bias": "one/d/bias",
        "d#2/bias": "two/d/bias",
        "head/kernel": "head/kernel",
    }
    with pytest.raises(ValueError, match="'d/kernel' means any of"):
        matched(["d/kernel"], targets)
