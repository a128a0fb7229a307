"""Optimizers of both halves belong together if they move the same weights."""

from types import SimpleNamespace

import pytest

from parity.ladder.comparers.optimizer import optimizer_items
from parity.ladder.custom_steps import FACT, is_compared, optimizers_of, pairs, weights_text
from parity.ladder.items import PASS


def half(*calls, train_step=True):
    applied = [{"optimizer": name, "weights": weights.split()} for name, weights in calls]
    known = {weight: {} for call in applied for weight in call["weights"]}
    facts = {FACT: {"applied": applied}, "given": {"train_step": train_step}, "weights": known}
    return SimpleNamespace(facts=facts)


KERAS = half(("d", "a b"), ("d", "a b"), ("g", "c"))


def named(keras, port):
    return [tuple(each and each.name for each in pair) for pair in pairs(keras, port)]


def test_an_optimizer_counts_its_calls_and_has_all_their_weights():
    found = optimizers_of(KERAS)
    assert [(each.name, each.num_steps, sorted(each.weights)) for each in found] == [
        ("d", 2, ["a", "b"]),
        ("g", 1, ["c"]),
    ]


def test_optimizers_are_paired_by_their_weights_whatever_their_order():
    assert named(KERAS, half((0, "c"), (1, "a b"))) == [("d", "1"), ("g", "0")]
    assert named(KERAS, half((0, "a"), (1, "x"))) == [("d", "0"), ("g", None), (None, "1")]


def test_a_port_without_a_step_is_not_compared():
    assert is_compared(KERAS, half())
    assert not is_compared(KERAS, half(train_step=False))
    assert not is_compared(SimpleNamespace(facts={}), half())


MOVES = "d: weights that it moves"


@pytest.mark.parametrize(
    ("port", "told"),
    [
        (KERAS, []),
        (
            half((0, "a b c"), (1, "c")),
            [("d: steps in one train_step", "2", "1"), (MOVES, "2 weights", "also c")],
        ),
        (
            half((0, "a"), (0, "a"), (1, "c"), (2, "b")),
            [
                (MOVES, "2 weights", "not b"),
                ("another optimizer of the port: steps in one train_step", "0", "1"),
            ],
        ),
    ],
)
def test_equal_steps_pass_and_every_difference_is_told(port, told):
    failing = [item for item in optimizer_items(KERAS, port) if item.status != PASS]
    assert [(item.name, str(item.keras), str(item.torch)) for item in failing] == told


def test_many_weights_are_told_by_the_first():
    assert weights_text(["a", "b"]) == "a, b"
    assert weights_text(list("abcde")) == "a, b, c and 2 more"
