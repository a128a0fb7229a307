"""The function `penalty` of a plain train.py."""

from torch import nn

from parity.ports.plain_rules import penalty_lines

MODEL = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})


def test_one_penalty_is_returned_and_several_are_added():
    left_out = []
    one = penalty_lines({"a.weight": "regularizers.L2(0.1)"}, MODEL, left_out)
    assert one[2:] == ['    return rules.l2(0.1)(model.get_parameter("a.weight"))']
    several = {"a.weight": "regularizers.L2(0.1)", "b.weight": "regularizers.L2(0.1)"}
    assert penalty_lines(several, MODEL, left_out)[2:] == [
        '    total = rules.l2(0.1)(model.get_parameter("a.weight"))',
        '    total = total + rules.l2(0.1)(model.get_parameter("b.weight"))',
        "    return total",
    ]
    assert left_out == []


def test_one_without_a_plain_form_is_named():
    left_out = []
    assert penalty_lines({"a.weight": "regularizers.Orthogonal()"}, MODEL, left_out) == []
    assert left_out == ["the regulariser Orthogonal of 'a.weight': it has no plain form"]
