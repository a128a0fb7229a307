"""Lines on a terminal and in a pipe: colours where they are wanted, and nothing that is obeyed."""

import io
import re

import pytest
from helpers import Terminal
from result_samples import failing_run, run

from parity.report.pages.runs_page import result_page, without_repeats
from parity.report.text.page import page_lines, print_lines

HOSTILE = {
    "[red]name[/red]": "[red]name[/red]",
    "[/]": "[/]",
    "[link=http://x]y": "[link=http://x]y",
    "\x1b[31mred\x1b[0m": r"\x1b[31mred\x1b[0m",
    "two\nlines\r": r"two\nlines\r",
    "a\N{RIGHT-TO-LEFT OVERRIDE}b": r"a\u202eb",
    "a\udc80b": r"a\udc80b",
    ":smile:": ":smile:",
    "Größe": "Größe",
}


def printed_on(stream, result):
    print_lines(page_lines(result_page(result)), stream)
    return stream.getvalue()


def on_terminal(monkeypatch, result, **environment):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return printed_on(Terminal(), result)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "no-such-encoding"])
@pytest.mark.parametrize("is_terminal", [False, True], ids=["pipe", "terminal"])
def test_where_bars_cannot_be_written_digits_stand_for_them(plain_terminal, encoding, is_terminal):
    class Stream(Terminal if is_terminal else io.StringIO):
        pass

    Stream.encoding = encoding
    printed = printed_on(Stream(), run())
    assert "  loss       keras 731 val 853  8=2.50" in printed
    assert "▁" not in printed


@pytest.mark.parametrize(("name", "shown"), HOSTILE.items(), ids=ascii)
def test_a_hostile_name_is_shown_as_text_in_both(monkeypatch, name, shown):
    printed = printed_on(io.StringIO(), run(scenario=name))
    assert printed.startswith(f"{shown}  seed")
    told = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(monkeypatch, run(scenario=name)))
    assert [line.rstrip() for line in told.split("\n")] == printed.split("\n")


def test_colours_are_for_terminals_that_want_them(monkeypatch, capsys):
    assert "\x1b[1;32mPASS" in on_terminal(monkeypatch, run())
    assert "\x1b[1;31mFAIL" in on_terminal(monkeypatch, failing_run())
    told = on_terminal(monkeypatch, failing_run(), NO_COLOR="1")
    codes = re.findall(r"\x1b\[([0-9;]+)m", told)
    # Bold and dim are no colours.
    assert {int(code) for found in codes for code in found.split(";")} <= {0, 1, 2}
    assert "\x1b" not in on_terminal(monkeypatch, run(), TERM="dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")
    printed = printed_on(io.StringIO(), run())
    assert "\x1b" not in printed
    assert all(line == line.rstrip() for line in printed.splitlines())
    print_lines(page_lines(result_page(run())))
    assert capsys.readouterr().out == printed


def test_an_error_of_an_earlier_result_is_told_in_a_few_words():
    told = {}
    texts = ["a keras: no numpy; install it\nlog", "b keras: no numpy; install it\nlog2", "c"]
    results = [without_repeats(run(errors=(text,)), told).errors for text in texts]
    assert results == [(texts[0],), ("b keras: the same as a keras",), ("c",)]
