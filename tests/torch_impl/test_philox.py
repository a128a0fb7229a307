"""Random numbers are those of Random123's Philox and of TensorFlow, bit for bit."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from helpers import assert_same_bits

from torch_impl import native
from torch_impl.philox import (
    philox4x32,
    stateless_keep,
    stateless_uniform,
)

DTYPES = (torch.float32, torch.float64)
SEED_PAIRS = (
    (0, 0),
    (1, 0),
    (0, 1),
    (42, 7),
    (-1, -1),
    (-3, 5),
    (2**31 - 1, 2**31),
    (2**31 + 5, 2**32),
    (2**32 - 1, 2**33 + 1),
    (-(2**40), 2**50),
    (2**63 - 1, -(2**63)),
)
SHAPES = ((), (1,), (0,), (3, 0, 2), (4,), (5,), (7, 3), (2, 3, 5, 7), (1, 1, 1, 1), (1021,))

# The lines "philox4x32 10" of tests/kat_vectors in DEShaw Random123
# (https://github.com/DEShawResearch/random123): counter, key, result.
KNOWN_ANSWERS = {
    "zeros": (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    "ones": (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    "pi": (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
}


def words(text):
    return [int(word, 16) for word in text.split()]


def tensorflow_uniform(shape, seed, dtype):
    return tf.random.stateless_uniform(
        shape, seed=tf.constant(seed, tf.int64), dtype=str(dtype).removeprefix("torch.")
    ).numpy()


@one_test
@pytest.mark.parametrize("answer", KNOWN_ANSWERS.values(), ids=KNOWN_ANSWERS)
@pytest.mark.parametrize("kind", ["ints", "tensors", "mixed"])
def test_philox_gives_the_known_answers_of_random123(kind, answer):
    counter, key, expected = (words(text) for text in answer)
    if kind != "ints":
        counter = [torch.tensor([word, word]) for word in counter]
    if kind == "mixed":  # as the callers use it: one word counts, the others stand still
        counter[1:] = [int(word[0]) for word in counter[1:]]
    result = [word & 0xFFFFFFFF for word in philox4x32(counter, tuple(key))]
    for word, known in zip(result, expected, strict=True):
        assert (word == known) if kind == "ints" else (word == known).all()


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("seed", SEED_PAIRS, ids=str)
def test_uniform_numbers_are_those_of_tensorflow(seed, shape, dtype):
    ours = stateless_uniform(shape, seed=seed, dtype=dtype)
    assert_same_bits(ours.numpy(), tensorflow_uniform(shape, seed, dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("number", [0, 1, 63, 64, 65, 16_384, 16_400, 20_001])
def test_without_a_compiler_the_numbers_and_the_masks_are_the_same(number, dtype, monkeypatch):
    draws = [
        partial(stateless_uniform, (number,), seed=(8, -9), dtype=dtype),
        partial(stateless_keep, (number,), 0.3, seed=(8, -9), dtype=dtype),
    ]
    compiled = [draw() for draw in draws]
    monkeypatch.setattr(native, "library", lambda source: None)
    for draw, found in zip(draws, compiled, strict=True):
        assert_same_bits(draw().numpy(), found.numpy())


RATES = {
    "zero": 0.0,
    "a_quarter": 0.25,
    "a_half": 0.5,
    "not_a_multiple": 0.1,
    "a_third": 1 / 3,
    "one_step_of_float32": 2.0**-23,
    "half_a_step_of_float32": 2.0**-24,
    "tiny": 1e-30,
    "one_step_below_one": 1 - 2.0**-23,
    "rounds_to_one_in_float32": 1 - 1e-12,
    "near_one": 0.9999,
    "just_above_a_multiple": 0.5 + 2.0**-30,
    "just_below_a_multiple": 0.5 - 2.0**-30,
}


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
def test_the_mask_is_where_tensorflows_numbers_are_at_least_the_rate(rate, dtype):
    seed = (17, 3)
    theirs = tensorflow_uniform((4, 5, 6, 7), seed, dtype) >= tf.constant(
        rate, str(dtype).removeprefix("torch.")
    )
    ours = stateless_keep((4, 5, 6, 7), rate, seed=seed, dtype=dtype)
    assert ours.dtype == torch.bool
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@one_test
@pytest.mark.parametrize(
    ("dtype", "spacing"), [(torch.float32, 2.0**-23), (torch.float64, 2.0**-52)]
)
def test_a_rate_between_two_numbers_drops_the_lower_one(dtype, spacing):
    values = stateless_uniform((50,), seed=(5, 5), dtype=dtype)
    lower = values[values < 0.25].max().item()  # below 1/4 the dtype is finer than the numbers
    keep = stateless_keep((50,), lower + spacing / 4, seed=(5, 5), dtype=dtype)
    assert torch.equal(keep, values > lower)


@one_test
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64], ids=str)
@pytest.mark.parametrize(
    "draw", [stateless_uniform, partial(stateless_keep, rate=0.5)], ids=["uniform", "keep"]
)
def test_other_dtypes_are_an_error_that_names_the_dtype(draw, dtype):
    with pytest.raises(ValueError, match=f"dtype={dtype}: expected torch.float32 or torch.float64"):
        draw((2,), seed=(1, 2), dtype=dtype)
