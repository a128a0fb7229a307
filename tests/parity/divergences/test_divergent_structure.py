"""A weight that starts at other constants is told entry by entry, if they are few."""

import check_pairs
import numpy as np
import pytest
from check_evidence import evidence_of, names

HALVES = [1.0] * 10 + [2.0] * 10  # as the bias of an LSTM: of two constants


def starts(value, num_draws=5):
    """Sets what each draw of a kernel begins with."""

    def change(parts):
        for name in check_pairs.SHAPES:
            parts.arrays[f"init/{name}"] = parts.arrays[f"init/{name}"][:num_draws]
        parts.arrays["init/dense1.kernel"] = np.tile(np.array(value), (num_draws, 1))

    return change


@pytest.mark.parametrize(
    ("keras", "torch", "detail"),
    [
        (HALVES, [0.0] * 20, "1 and 2 in Keras, 0 in the port"),
        ([0.0] * 20, [0.5] * 20, "0 in Keras, 0.5 in the port"),
        (HALVES, np.linspace(-1, 0, 20), "1 and 2 in Keras, 20 values in the port"),
    ],
    ids=["by_entry", "whole", "many"],
)
def test_other_constants_are_told(tmp_path, keras, torch, detail):
    evidence = evidence_of(tmp_path, starts(keras), starts(torch))
    assert evidence.item.name == "dense1.kernel"
    assert evidence.node["name"] == "dense1"
    found = names(evidence)
    assert next(iter(found)) == "B9"
    assert found["B9"] == detail
