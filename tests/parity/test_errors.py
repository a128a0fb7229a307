"""What a user is told of an error: one paragraph, whatever a framework writes into it."""

import json

import pytest

from parity.errors import InputError, error_message, place_of


def test_an_error_of_ours_is_told_as_it_is():
    assert error_message(InputError("epochs=0:\n  expected more")) == "epochs=0:\n  expected more"


def test_another_one_has_its_type():
    assert error_message(KeyError("lr")) == "KeyError: 'lr'"


def test_colours_empty_lines_and_lines_of_a_framework_are_left_out():
    text = (
        "Exception encountered when calling Sequential.call().\n\n"
        "\x1b[1mInput 0 has the wrong shape\x1b[0m\n\n"
        '  File "keras/src/layers.py", line 4, in call\n'
        "Arguments received by Sequential.call():\n  • training=True"
    )
    found = error_message(ValueError(text))
    assert found == "ValueError: Input 0 has the wrong shape (in Sequential.call())"


def test_of_a_long_message_the_first_line_and_the_last_ones_are_told():
    found = error_message(ValueError("\n".join(f"line {n}" for n in range(40))))
    assert found == "ValueError: line 0 ... " + " ".join(f"line {n}" for n in range(34, 40))
    assert len(error_message(ValueError("x" * 10_000))) < 1_000


def test_the_innermost_layer_and_the_line_of_the_user_s_code_are_told():
    """Keras writes one message around the other, and the arguments of each layer behind it."""
    attention = "\x1b[1mno x\x1b[0m\n\nArguments received by Attention.call():\n  • x=tf.Tensor(0)"
    block = (
        "\x1b[1mCould not infer the shape of 'block'. Error encountered:\n\n"
        f"Exception encountered when calling Attention.call().\n\n{attention}\x1b[0m\n\n"
        "Arguments received by Block.call():\n  • args=('<KerasTensor>',)\n  • mask=None"
    )
    try:
        raise TypeError(f"Exception encountered when calling Block.call().\n\n{block}")
    except TypeError as error:
        found = error_message(error)
        line = error.__traceback__.tb_lineno
    assert found == (
        "TypeError: Could not infer the shape of 'block'. Error encountered: no x "
        f"(in Attention.call(), test_errors.py:{line})"
    )


def test_lines_of_libraries_are_not_the_user_s():
    with pytest.raises(ValueError, match="property name") as raised:
        json.loads("{")
    assert place_of(raised.value).startswith("test_errors.py:")
    assert place_of(ValueError("raised nowhere")) == ""
