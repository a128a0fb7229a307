"""Attention without projections is Keras's: scores, scales, masks, dropout, gradients, steps."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import BAR, Pair, as_they_are, assert_same, difference

from torch_impl.layers import AdditiveAttention, Attention

SHAPES = [(4, 6), (3, 6), (3, 6)]


def back(tensor):
    return tensor.detach().numpy()


def both(kind, **settings):
    theirs = getattr(keras.layers, kind)(**settings, dtype="float64")
    ours = Attention(**settings) if kind == "Attention" else AdditiveAttention(6, **settings)
    return theirs, ours


@one_test
@pytest.mark.parametrize("num_inputs", [2, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("use_scale", [False, True])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Attention", {"score_mode": "dot"}),
        ("Attention", {"score_mode": "concat"}),
        ("AdditiveAttention", {}),
    ],
    ids=["dot", "concat", "additive"],
)
def test_attention_is_keras_one(kind, more, use_scale, dropout, num_inputs):
    settings = {**more, "use_scale": use_scale, "dropout": dropout, "seed": 7}
    assert_same(Pair(*both(kind, **settings), SHAPES[:num_inputs], as_they_are, back))


@one_test
@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("given", ["", "q", "v", "qv", "dead"])
def test_masks_do_what_they_do_in_keras(kind, given, causal, scores):
    pair = Pair(*both(kind), SHAPES[:2], as_they_are, back)
    query, value = pair.inputs(2)
    rng = np.random.default_rng(3)
    masks = [rng.random((2, steps)) < 0.6 for steps in (4, 3)]
    masks[1][1] = given != "dead"  # a sample whose values are all masked
    mask = [
        m if name in given or given == "dead" else None for name, m in zip("qv", masks, strict=True)
    ]
    called = {"return_attention_scores": scores, "use_causal_mask": causal}
    theirs = pair.theirs([query, value], mask=mask if given else None, **called)
    turned = [None if m is None else torch.tensor(m) for m in mask] if given else None
    ours = pair.ours([torch.tensor(query), torch.tensor(value)], mask=turned, **called)
    for mine, expected in zip(*(x if scores else [x] for x in (ours, theirs)), strict=True):
        assert difference(back(mine), expected.numpy()) <= BAR


def test_other_numbers_of_inputs_and_other_modes_are_errors():
    with pytest.raises(ValueError, match="1 inputs: expected"):
        Attention()([torch.zeros(1, 2, 3)])
    with pytest.raises(ValueError, match="score_mode='sum': expected 'dot' or 'concat'"):
        Attention(score_mode="sum")
