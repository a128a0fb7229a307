"""What a user is told of an error: one paragraph, whatever a framework writes into it."""

from parity.errors import InputError, told


def test_an_error_of_ours_is_told_as_it_is():
    assert told(InputError("epochs=0:\n  expected more")) == "epochs=0:\n  expected more"


def test_another_one_has_its_type():
    assert told(KeyError("lr")) == "KeyError: 'lr'"


def test_colours_empty_lines_and_lines_of_a_framework_are_left_out():
    text = (
        "Exception encountered when calling Sequential.call().\n\n"
        "\x1b[1mInput 0 has the wrong shape\x1b[0m\n\n"
        '  File "keras/src/layers.py", line 4, in call\n'
        "Arguments:\n  • training=True"
    )
    assert told(ValueError(text)).splitlines() == [
        "ValueError: Exception encountered when calling Sequential.call().",
        "Input 0 has the wrong shape",
        "Arguments:",
        "  • training=True",
    ]


def test_of_a_long_message_the_first_line_and_the_last_ones_are_told():
    found = told(ValueError("\n".join(f"line {n}" for n in range(40)))).splitlines()
    assert found[:2] == ["ValueError: line 0", "  ..."]
    assert found[2:] == [f"line {n}" for n in range(34, 40)]
