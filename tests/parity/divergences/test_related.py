"""Relations of all values have a name; what else is known is told with the place."""

import numpy as np
import one_layer
import pytest

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(4, 6, 8))


def named(ours, theirs=X):
    return one_layer.names(one_layer.behind("unknown", {}, X[..., :1], theirs, theirs, ours))


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (X * np.array([2, 3, 1, 5, 2, 2])[:, None], "A40"),
        (X[..., [4, 5, 6, 7, 0, 1, 2, 3]], "A41"),
        (np.concatenate([np.zeros((4, 1, 8)), X[:, :-1]], axis=1), "A42"),
        (0.3 * X + 1, "A27"),
    ],
)
def test_a_relation_of_all_values_is_a_cause(ours, name):
    assert list(named(ours)) == [name]


def test_what_is_known_of_another_difference_stands_with_its_place():
    ours = X.copy()
    ours[1] = DRAW.normal(size=X.shape[1:])
    assert named(ours)["N1"].endswith("up to next; 1 of 4 samples differ")


def test_equal_values_have_no_cause():
    assert not {"A27", "A40", "A41", "A42"} & set(named(X + 1e-13))
