"""What optimizers get tells how it was clipped; other gradients are taken for no clipping."""

import numpy as np
import pytest
from own_halves import HalfByHand, own_evidence

from parity.divergences.custom_training import clipped_otherwise, clipped_together

DRAW = np.random.default_rng(0)
RAW = [{name: DRAW.normal(size=size) for name, size in (("a", 12), ("b", 7))} for _ in range(2)]
SHAPES = {"a": (12,), "b": (7,)}


def half(change):
    """A half whose optimizer gets the raw gradients of two steps, changed."""
    arrays = {}
    for part, raw in zip(("gradient", "second_gradient"), RAW, strict=True):
        arrays |= {f"{part}/{name}": array for name, array in change(raw).items()}
    call = {"optimizer": "adam", "weights": list(SHAPES)}
    return HalfByHand(arrays, SHAPES, applied=[call])


def clipped(raw, how, limit):
    if how == "value":
        return {name: array.clip(-limit, limit) for name, array in raw.items()}
    norms = {name: np.linalg.norm(array) for name, array in raw.items()}
    norms |= dict.fromkeys(raw, np.linalg.norm([*norms.values()])) if how == "global" else {}
    return {name: array * min(1.0, limit / norms[name]) for name, array in raw.items()}


def by(how, limit):
    return half(lambda raw: clipped(raw, how, limit))


def found(keras, port):
    evidence = own_evidence("gradient", keras, port)
    return [
        (identity, match.detail)
        for identity, rule in (("E1", clipped_together), ("E8", clipped_otherwise))
        if (match := rule(evidence)) is not None
    ]


PLAIN = half(lambda raw: raw)


@pytest.mark.parametrize(
    ("keras", "port", "identity", "told"),
    [
        (by("norm", 0.5), PLAIN, "E8", "each gradient has a norm of at most 0.5 in Keras, and not"),
        (by("global", 1.0), PLAIN, "E8", "together have a norm of at most 1 in Keras, and not"),
        (by("value", 0.25), PLAIN, "E8", "no gradient has a value above 0.25 in Keras, and not"),
        (PLAIN, by("value", 0.25), "E8", "above 0.25 in the port, and not in Keras"),
        (by("norm", 0.2), by("global", 0.2), "E1", "in the port all gradients together"),
        (by("global", 0.2), by("norm", 0.2), "E8", "each gradient has a norm of at most 0.2 in th"),
        (by("global", 0.3), by("value", 0.25), "E8", "in the port no gradient has a value above"),
        (by("global", 0.5), by("global", 2.0), "E8", "in the port all gradients together have"),
    ],
)
def test_a_clipping_is_told_by_what_it_leaves(keras, port, identity, told):
    ((name, detail),) = found(keras, port)
    assert name == identity
    assert told in detail


@pytest.mark.parametrize(
    "port",
    [
        half(lambda raw: {name: 2 * array for name, array in raw.items()}),
        half(lambda raw: {name: array + 0.01 for name, array in raw.items()}),
        half(lambda raw: {name: -array for name, array in raw.items()}),
        half(lambda raw: raw),
    ],
    ids=["twice", "moved", "turned", "the same"],
)
def test_gradients_that_are_not_clipped_are_not_taken_for_it(port):
    assert found(PLAIN, port) == []
    assert found(port, PLAIN) == []


def test_clipped_gradients_of_something_else_are_not_named():
    other = half(lambda raw: clipped({n: a + 0.3 for n, a in raw.items()}, "norm", 0.5))
    assert found(by("norm", 0.5), other) == []
    assert found(by("norm", 0.5), by("norm", 0.5)) == []


def test_a_gradient_of_which_a_part_is_known_has_no_norm():
    keras = by("global", 1.0)
    keras.facts["weights"]["a"]["shape"] = [24]
    assert found(keras, PLAIN) == []
