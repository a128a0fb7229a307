"""A port gets its inputs by name, in a row, or in one, whatever its arguments are."""

from rows import each_row

from parity.halves.torch.port.feeding import Feeding, positional

PAIR = {"inputs": [{"name": "age"}, {"name": "user"}], "input_structure": {"age": 0, "user": 1}}
LIST = {"inputs": PAIR["inputs"], "input_structure": [0, 1]}
NEST = {
    "inputs": [{"name": "left/0"}, {"name": "left/1"}, {"name": "right"}],
    "input_structure": {"left": [0, 1], "right": 2},
}
ONE = {"inputs": [{"name": "x"}], "input_structure": 0}
OLD = {"inputs": PAIR["inputs"]}


@each_row(
    "facts, feed, expected",
    [
        (PAIR, lambda user, age: (user, age), ("B", "A")),
        (PAIR, lambda *, user, age: (user, age), ("B", "A")),
        (PAIR, lambda x: x, {"age": "A", "user": "B"}),
        (PAIR, lambda first, second: (first, second), ("A", "B")),
        (PAIR, lambda *x: x, ("A", "B")),
        (LIST, lambda user, age: (user, age), ("B", "A")),
        (LIST, lambda x: x, ["A", "B"]),
        (OLD, lambda x: x, ["A", "B"]),
        (OLD, lambda x, y: (x, y), ("A", "B")),
        (ONE, lambda x: x, "A"),
        (ONE, lambda images, scale=2: (images, scale), ("A", 2)),
        ({}, lambda x: x, "A"),
    ],
)
def test_a_feed_gets_what_its_arguments_say(facts, feed, expected):
    arrays = ["A", "B"][: max(1, len(facts.get("inputs", ())))]
    assert Feeding(facts).call(feed, arrays) == expected


# A forward is only asked for its arguments, and never called.
@each_row(
    "facts, forward, first, number",
    [
        (ONE, lambda x: None, ("A",), 1),
        (PAIR, lambda x: None, ({"age": "A", "user": "B"},), 2),
        (PAIR, lambda user, age: None, ("B", "A"), 3),
        (PAIR, lambda first, second, scale=1: None, ("A", "B"), 2),
        (PAIR, lambda *inputs: None, ({"age": "A", "user": "B"},), 2),
        (LIST, lambda user, age: None, ("A", "B"), 3),
        (LIST, lambda x: None, (["A", "B"],), 2),
        (LIST, lambda *inputs: None, ("A", "B"), 2),
        (NEST, lambda x: None, ({"left": ["A", "B"], "right": "C"},), 3),
        (NEST, lambda right, left: None, ("C", ["A", "B"]), 4),
        (NEST, lambda first, second, scale=1: None, (["A", "B"], "C"), 3),
        ({}, lambda x: None, ("A",), 1),
    ],
)
def test_a_module_gets_what_its_arguments_say(facts, forward, first, number):
    forms = Feeding(facts).forms(forward)
    arrays = ["A", "B", "C"][: max(1, len(facts.get("inputs", ())))]
    assert forms[0](arrays) == first
    assert len(forms) <= number


def test_a_function_that_does_not_tell_its_arguments_takes_any():
    assert positional(dict.fromkeys) == (["iterable", "value"], False)
    assert positional(min)[1]
