"""Names of Keras's layers and models as those of attributes and classes."""

import ast
import builtins
import keyword
import random
import unicodedata

import pytest
from rows import each_row
from torch import nn

from parity.ports.form import literal
from parity.ports.program import (
    attribute,
    class_name,
    input_names,
)
from parity.ports.wrapping import wrapped


@each_row(
    "name, expected",
    [
        ("conv1", "conv1"),
        ("1_conv", "conv_1"),
        ("a/b.c-d", "a_b_c_d"),
        ("forward", "forward_"),
        ("lambda", "lambda_"),
        ("7", "_7"),
        ("0_0_trend", "trend_0_0"),
        ("0_0", "_0_0"),
        ("__dense", "_dense"),
        ("__class__", "_class__"),
        ("x²", "x2"),
        ("ｃonv", "conv"),
        ("größe", "größe"),
        ("ｄｅｆ", "def_"),
        ("match", "match_"),
        ("eval", "eval_"),
        ("gi_frame", "gi_frame_"),
        ("co_attention", "co_attention"),
        ("", "layer"),
        ("_", "layer"),
        ("a\nb\0\u202e", "a_b__"),
    ],
)
def test_a_layer_is_an_attribute(name, expected):
    assert attribute(name) == expected


@each_row(
    "name, expected",
    [
        ("resnet50", "Resnet50"),
        ("functional_3", "Net"),
        ("my net", "MyNet"),
        ("3d", "Net3d"),
        ("tower_2", "Tower2"),
        ("mobilenetv2_1.00_224", "Mobilenetv2"),
        ("1_2", "Net12"),
        ("net", "Net"),
        ("path", "PathNet"),
        ("port", "PortNet"),
        ("none", "NoneNet"),
        ("kerasSeeds", "KerasSeedsNet"),
        ("systemExit", "SystemExitNet"),
        ("f", "FNet"),
        ("", "Net"),
        ('"); x', "X"),
    ],
)
def test_a_model_is_a_class(name, expected):
    assert class_name(name) == expected


_DRAWN = random.Random(0)
_LETTERS = "ab_019 .-/\\\"'{}()\n\r\0\t²½ﬁｃ①\u0301\u200b\u202e\ud800ßλ٣"


@each_row("make", [attribute, class_name])
def test_any_text_is_an_identifier_that_is_no_word_of_python(make):
    for _ in range(2000):
        made = make("".join(_DRAWN.choices(_LETTERS, k=_DRAWN.randrange(8))))
        assert made.isidentifier()
        assert made == unicodedata.normalize("NFKC", made)
        assert not made.startswith("__")
        assert not keyword.iskeyword(made)
        assert not hasattr(builtins, made)
        assert not hasattr(nn.Module(), made)


def test_any_text_is_a_literal_of_its_own_value_in_one_line():
    for _ in range(2000):
        text = "".join(_DRAWN.choices(_LETTERS, k=_DRAWN.randrange(8)))
        made = literal({text: [text, (text,)]})
        assert ast.literal_eval(made) == {text: ((text, (text,)))}
        assert made.isprintable()
        assert "{" not in made[1:-1]
    with pytest.raises(ValueError, match="a object as an argument: expected numbers and texts"):
        literal(object())


def test_a_long_line_is_wrapped_beside_its_texts():
    """Brackets, commas, powers and loops in a text are none of the source."""
    text = "a, b ** c for (d in [e} + " * 5
    told = literal({text: 1, "b": text})
    lines = wrapped(f"    x = made({told}, y ** z)")
    assert len(lines) > 1
    tree = ast.parse("\n".join(lines).replace("    x", "x", 1))
    assert ast.literal_eval(tree.body[0].value.args[0]) == {text: 1, "b": text}
    assert ast.unparse(tree.body[0].value.args[1]) == "y ** z"


def test_two_inputs_never_share_an_argument():
    assert input_names(["a b", "a_b", "ａ_b"]) == {"a b": "a_b", "a_b": "a_b2", "ａ_b": "a_b3"}
