"""Inputs are drawn by what they are: signed numbers, tokens of their tables, padding, booleans."""

import functools

import numpy as np
from rows import each_row

from parity.data.samples import ModelInput, Tokens, packed, structure_problem

WORDS = Tokens(0, 4999, "any")


def text(tokens, shape=(9,)):
    return ModelInput("text", shape, "tokens", tokens=(tokens,))


@each_row(
    "given",
    [
        ModelInput("x", (9,)),
        ModelInput("x", (9,), is_whole=True),
        ModelInput("x", (9,), "image", is_whole=True),
        ModelInput("x", (9,), "booleans"),
        text(WORDS),
    ],
    ids=["real", "whole", "image", "booleans", "tokens"],
)
def test_a_seed_and_a_purpose_repeat_and_others_differ(given):
    np.testing.assert_array_equal(given.drawn(3, "probe", 4), given.drawn(3, "probe", 4))
    for seed, purpose in ((4, "probe"), (3, "step1")):
        assert not np.array_equal(given.drawn(3, "probe", 4), given.drawn(seed, purpose, 4))


@each_row(
    ("settings", "low", "high"),
    [
        ({"is_whole": True}, -128, 127),
        ({"kind": "image", "is_whole": True}, 0, 255),
        ({"kind": "image"}, 0, 255),
        ({"is_whole": True, "limits": (-3, 5)}, -3, 5),
    ],
    ids=["whole", "pixels", "real_pixels", "limits"],
)
def test_whole_numbers_are_real_ones_for_both_halves(settings, low, high):
    found = ModelInput("x", (40, 5), **settings).drawn(0, "probe", 40)
    np.testing.assert_array_equal(found, np.round(found))
    assert (found.dtype, found.min(), found.max()) == (np.float64, low, high)


def test_the_last_sample_has_a_run_of_the_first_token_however_many_there_are():
    found = text(Tokens(0, 10**6), (20,)).drawn(0, "probe", 3)
    assert np.flatnonzero(found[-1] == 0).tolist() == [10, 11, 12, 13]
    assert text(Tokens(7, 10**6), ()).drawn(0, "probe", 3)[-1] == 7


@each_row("padding", ["post", "any"])
@each_row("seed", range(5))
def test_padding_is_drawn_in_all_forms(padding, seed):
    pads = text(Tokens(0, 10**6, padding), (12,)).drawn(seed, "probe", 4) == 0
    counts = pads.sum(1)
    assert counts[:2].tolist() == [0, 11]  # none, and nearly all
    assert ((counts > 0) & (counts < 12))[1:].all()
    at_the_end = [row.tolist() == sorted(row) for row in pads]
    if padding == "post":
        assert all(at_the_end)
    else:  # at the beginning, and again in the middle
        assert at_the_end[2]
        assert np.flatnonzero(pads[3]).tolist() == [0, 1, 6, 7]


def test_columns_of_tokens_are_among_numbers():
    tokens = (Tokens(0, 4, axis=1, at=(0,)), Tokens(1, 3, axis=1, at=(2, 3)))
    real, whole = (
        ModelInput("table", (6, 5), is_whole=is_whole, tokens=tokens).drawn(0, "probe", 40)
        for is_whole in (False, True)
    )
    assert (real.dtype, whole.dtype) == (np.float64, np.int64)
    assert (set(real[..., 0].ravel()), set(real[..., 2:4].ravel())) == (set(range(5)), {1, 2, 3})
    for column, least in ((real[..., 1], 240), (real[..., 4], 240), (whole[..., 1], 1)):
        assert column.min() < 0
        assert len(np.unique(column)) >= least


STRUCTURE = {"b": [1, {"c": 0}], "a": 2}
DEEP = functools.reduce(lambda inner, _: [inner], range(5000), 0)


def test_inputs_are_packed_as_the_model_takes_them():
    assert packed(STRUCTURE, ["x", "y", "z"]) == {"b": ["y", {"c": "x"}], "a": "z"}
    assert packed(0, ["x"]) == "x"
    assert structure_problem(STRUCTURE, 3) == structure_problem(0, 1) == ""


def test_every_row_of_a_sample_is_a_sequence():
    pads = text(WORDS, (5, 6)).drawn(0, "probe", 4) == 0
    assert pads.any((0, 2)).all()  # wherever it is in a sample
    assert not pads.all(-1).any()
    assert (~pads.any(-1)).any()


def test_steps_that_a_layer_masks_are_filled_up():
    found = ModelInput("x", (12, 3), filler=-1.0, padding="post").drawn(0, "probe", 4)
    is_filled = (found == -1).all(-1)
    assert is_filled.sum(1)[:2].tolist() == [0, 11]
    assert (np.diff(is_filled.astype(int), axis=1) >= 0).all()
    assert ((found == -1).any(-1) & ~is_filled).sum(1).tolist() == [1, 0, 0, 0]


@each_row(
    ("structure", "told"),
    [
        ([0, 0], "expected each input from 0 to 1 once"),
        ([0], "once"),
        ([0, 2], "once"),
        ([0, -1], "once"),
        ([False, True], "once"),
        ([0, "1"], "once"),
        ({"a": 0, "b": None}, "once"),
        ([], "once"),
        (None, "once"),
        (DEEP, "more than 20 levels"),
    ],
    ids=["twice", "less", "more", "negative", "bool", "text", "none", "empty", "null", "deep"],
)
def test_a_structure_from_anyone_is_looked_at(structure, told):
    assert told in structure_problem(structure, 2)
