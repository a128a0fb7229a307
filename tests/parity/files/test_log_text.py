"""Lines of a terminal or a log that show what they hold, and that no CI system obeys."""

from hostile_texts import COMMANDS, texts
from hypothesis import given
from rows import each_row

from parity.files.log_text import MAX_LINE, log_line, log_text


@each_row(
    ("text", "shown"),
    [
        ("::error file=a::x", r"\x3a:error file=a::x"),
        ("   ::stop-commands::x", r"   \x3a:stop-commands::x"),
        ("##vso[task.complete]", r"\x23#vso[task.complete]"),
        ("conv ##[group]x", r"conv \x23#[group]x"),
        ("x ##teamcity[testStarted]", r"x \x23#teamcity[testStarted]"),
        ("a\rb\x1b[31mc\nd", r"a\rb\x1b[31mc\nd"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
    ],
)
def test_a_command_is_shown_and_is_none(text, shown):
    assert log_line(text) == shown


@each_row("text", ["conv1 [2]", "std::vector", "a: b", "# 1", "#[1]", "# #[", "é ±"])
def test_other_text_is_unchanged(text):
    assert log_line(text) == text


@given(texts)
def test_no_line_is_a_command_or_holds_a_control_character(text):
    told = log_line(text)
    assert not COMMANDS.search(told)
    assert told.isprintable()
    assert log_line(told) == told, "what is shown once is not changed again"


def test_the_middle_of_a_line_without_an_end_is_left_out_and_counted():
    told = log_line(f"key {'a' * 3_000_000} is unknown")
    assert len(told) < MAX_LINE + 50
    assert "2,996,015 characters are left out" in told
    assert (told[:6], told[-12:]) == ("key aa", "a is unknown")
    assert log_line("a" * MAX_LINE) == "a" * MAX_LINE


@given(texts)
def test_a_text_keeps_its_lines(text):
    lines = log_text(text).split("\n")
    assert lines == [log_line(line) for line in text.split("\n")]
