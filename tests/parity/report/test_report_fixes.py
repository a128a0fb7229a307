"""The fix of a cause: code to paste, or advice."""

import pytest

from parity.report.sentences import fix_lines, fix_text, is_code


def test_a_fix_has_a_line_for_each_place_and_is_told_in_one():
    cause = {"fix": "a = 1\nb = 2", "tried": True}
    assert fix_lines(cause) == ["a = 1", "b = 2"]
    assert fix_text(cause) == "(tried) a = 1; b = 2"
    assert fix_lines({"fix": ""}) == []


@pytest.mark.parametrize(
    ("fix", "told"),
    [
        ("nn.BatchNorm2d(..., eps=0.001)  # module `0.1`, now 1e-05", True),
        ("x = F.pad(x, (0, 1, 0, 1))\nnn.Conv2d(..., padding=0)", True),
        ("torch_impl.layers.Flatten(), or kernel.reshape(h, w)", False),
        ("compare the lines between the two layers", False),
        ("(" * 5000, False),
        ("", False),
    ],
)
def test_a_fix_is_code_or_advice(fix, told):
    assert is_code({"fix": fix}) is told
    assert is_code({"fix": fix, "tried": True})
