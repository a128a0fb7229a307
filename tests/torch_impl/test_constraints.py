"""Constraints give Keras's weights."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test

from torch_impl import constraints
from torch_impl.constraints import from_config

BAR = 1e-14  # a sum of squares, a root, a product; values are near 1
CASES = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.7, "axis": 1}),
    ("MaxNorm", {"max_value": 1.3, "axis": [0, 1, 2]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": [0, 2]}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 1.1, "max_value": 1.9, "rate": 0.3, "axis": [0, 1]}),
]


def values():
    array = np.random.default_rng(3).normal(size=(3, 4, 2, 5))
    array[:, 1] = 0.0  # a norm of 0
    return array


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_a_constraint_gives_keras_weights(name, settings, dtype):
    theirs, array = getattr(keras.constraints, name)(**settings), values().astype(dtype)
    expected = theirs(array).numpy()
    ours = getattr(constraints, name)(**settings)
    bar = BAR if dtype == "float64" else 1e-6
    for made in (ours, from_config(keras.constraints.serialize(theirs))):
        found = made(torch.tensor(array)).numpy()
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=bar)
    assert np.abs(expected - array).max() > 0.01


def test_every_constraint_of_keras_is_there():
    from keras.src.constraints import ALL_OBJECTS_DICT

    assert set(ALL_OBJECTS_DICT) - set(constraints.CONSTRAINTS) <= {"Constraint", "constraint"}
    for name, kind in constraints.CONSTRAINTS.items():
        assert ALL_OBJECTS_DICT[name].__name__ == kind.__name__


def test_another_name_is_an_error_and_none_is_none():
    assert from_config(None) is None
    with pytest.raises(ValueError, match=r"constraint 'Mine': expected one of \['MaxNorm', "):
        from_config({"class_name": "Mine", "config": {}})
