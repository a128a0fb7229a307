"""What is wrong inside of attention is named by its numbers; torch computes the port's."""

import numpy as np
import one_layer
import pytest
import torch

from parity.divergences.attention import RULES, exchanged, softmax_axis

HEADS, SIZE, STEPS = 2, 3, 5
CONFIG = {
    "attention": "mha",
    "part": "softmax",
    "num_heads": HEADS,
    "num_groups": HEADS,
    "scale": float(np.float32(SIZE**-0.5)),
    "model_dim": 8,
}
Q, K = (np.random.default_rng(n).normal(size=(4, STEPS, HEADS * SIZE)) for n in (0, 1))


def split(x):
    return torch.tensor(x).view(4, STEPS, HEADS, SIZE).transpose(1, 2)


def scores(q=None, k=None):
    q, k = split(Q) if q is None else q, split(K) if k is None else k
    return q @ k.mT


def weights(values, mask=None, dim=-1):
    if mask is not None:
        values = values.masked_fill(~mask, float("-inf"))
    return values.softmax(dim).numpy()


CAUSAL = torch.ones(STEPS, STEPS, dtype=torch.bool).tril()
FACTOR = SIZE**-0.5


def found(ours, mask=None):
    theirs = weights(scores() * FACTOR, mask)
    evidence = one_layer.at_layer("attention", CONFIG, Q, theirs, ours)
    evidence.keras["forward/eval/here/input/1"] = K
    return evidence


def named(rule, evidence):
    match = rule(evidence)
    return None if match is None else match.detail


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (1.0, "not at all"),
        (8**-0.5, "features of the model"),
        (1 / 3, "by 1 / key_dim"),
        (0.2, "by 0.2"),
    ],
)
@pytest.mark.parametrize("mask", [None, CAUSAL], ids=["whole", "causal"])
def test_another_factor_is_fitted(factor, text, mask):
    evidence = found(weights(scores() * factor, mask), mask)
    assert text in named(RULES["A34"], evidence)
    assert RULES["A35"](evidence) is None
    assert RULES["A36"](evidence) is None


OTHER_MASKS = {
    "has no mask": (None, CAUSAL),
    "shows the next step": (torch.ones(STEPS, STEPS, dtype=torch.bool).tril(1), CAUSAL),
    "is inverted": (~CAUSAL, CAUSAL),
    "later steps alone": (torch.ones(STEPS, STEPS, dtype=torch.bool).triu(), CAUSAL),
    "only the port has": (CAUSAL, None),
}


@pytest.mark.parametrize("text", OTHER_MASKS)
def test_another_mask_is_named(text):
    ours, theirs = OTHER_MASKS[text]
    evidence = found(weights(scores() * FACTOR, ours), theirs)
    assert text in named(RULES["A35"], evidence)
    assert RULES["A34"](evidence) is None


@pytest.mark.parametrize(("dim", "text"), [(1, "the heads"), (2, "the queries")])
def test_another_axis_is_named(dim, text):
    assert text in named(softmax_axis, found(weights(scores() * FACTOR, dim=dim)))


def test_heads_in_another_order_are_named():
    strided = [torch.tensor(x).view(4, STEPS, SIZE, HEADS).permute(0, 3, 1, 2) for x in (Q, K)]
    assert "(size, heads)" in named(RULES["A36"], found(weights(scores(*strided) * FACTOR)))
    viewed = [torch.tensor(x).view(4, HEADS, STEPS, SIZE) for x in (Q, K)]
    told = named(RULES["A36"], found(weights(scores(*viewed) * FACTOR)))
    assert "without a transpose" in told


@pytest.mark.parametrize("mask", [None, CAUSAL], ids=["whole", "causal"])
def test_the_right_weights_and_unknown_ones_have_no_name(mask):
    draw = torch.randn(4, HEADS, STEPS, STEPS, generator=torch.Generator().manual_seed(0))
    for ours in (weights(scores() * FACTOR, mask), weights(draw.double(), mask)):
        evidence = found(ours, mask)
        assert all(rule(evidence) is None for rule in (*RULES.values(), softmax_axis, exchanged))
