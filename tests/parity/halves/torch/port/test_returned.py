"""What a module returns, with other things in the places of its outputs."""

from collections import OrderedDict, namedtuple

import torch
from rows import each_row

from parity.halves.torch.port.outputs import with_parts

A, B, C = (torch.full((2,), float(n)) for n in range(3))
Pair = namedtuple("Pair", "first second")


@each_row(
    "returned, names, given, expected",
    [
        (A, (), {"": "x"}, "x"),
        ((A, B), (), {"": "x"}, ("x", B)),  # one output, and something beside it
        ((A, B), ("a", "b"), {"a": 1, "b": 2}, (1, 2)),
        ([A, (B, C)], ("a", "b", "c"), {"a": 1, "b": 2, "c": 3}, [1, (2, 3)]),
        (Pair(A, B), ("a", "b"), {"a": 1, "b": 2}, Pair(1, 2)),
        ({"b": B, "a": A, "more": C}, ("a", "b"), {"a": 1, "b": 2}, {"b": 2, "a": 1, "more": C}),
        ({"z": {"b": B}, "a": A}, ("z/b", "a"), {"z/b": 1, "a": 2}, {"z": {"b": 1}, "a": 2}),
        (OrderedDict(a=A), ("a",), {"a": 1}, OrderedDict(a=1)),
    ],
)
def test_outputs_are_replaced_and_all_else_stays(returned, names, given, expected):
    found = with_parts(returned, names, given)
    assert type(found) is type(expected)
    assert found == expected
