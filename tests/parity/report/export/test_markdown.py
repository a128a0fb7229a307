"""Tables of Markdown, and texts in them, by a parser that knows nothing of us."""

import itertools

import pytest
from bench_results import HOSTILE
from markdown_it import MarkdownIt  # of rich, which is a dependency

from parity.report.export.summary import code, escaped, table
from parity.report.page import plain


def cells(lines):
    """The texts of all cells, row by row."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse("\n".join(lines))
    rows = []
    for token, after in itertools.pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            told = "".join(child.content for child in after.children)
            rows[-1].append(told.replace("\N{ZERO WIDTH SPACE}", ""))
    return rows


def test_a_table_reads_like_this():
    assert table(["name", "value"], [["a", "1"], ["", "2"]], "lr") == [
        "| name | value |",
        "| --- | ---: |",
        "| a | 1 |",
        "| - | 2 |",
    ]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_one_cell_that_shows_it(text):
    spelled = plain(" ".join(text.split())) or "-"
    rows = cells(table(["head", text], [[text, "x"], ["y", text]], "ll"))
    assert rows == [["head", spelled], [spelled, "x"], ["y", spelled]]


READ_LATER = {
    "mention": ("ask @octocat", "ask @&#8203;octocat"),
    "mail": ("a@example.org", "a@&#8203;example.org"),
    "issue": ("see #12", r"see \#&#8203;12"),
    "issue elsewhere": ("a/b#12 and GH-12", r"a/b\#&#8203;12 and GH-&#8203;12"),
    "merge request": ("see !12", "see !&#8203;12"),
    "address": ("https://example.org", "https:&#8203;//example.org"),
    "address without scheme": ("www.example.org", "w&#8203;ww.example.org"),
    "emoji": (":tada: now", ":&#8203;tada: now"),
}


@pytest.mark.parametrize(("text", "shown"), READ_LATER.values(), ids=READ_LATER)
def test_what_a_site_reads_after_markdown_is_broken_where_nobody_sees_it(text, shown):
    assert escaped(text) == shown
    assert cells(table(["head"], [[text]], "l"))[1] == [text]


def test_a_long_text_loses_its_middle():
    assert len(escaped("x" * 10_000)) == 2000
    assert escaped("first" + "x" * 100 + "last", 20) == "firstxxxx...xxxxlast"


@pytest.mark.parametrize("text", [*HOSTILE.values(), "module `0.1`", "`", "a ``b`` `c"])
def test_code_shows_a_text_on_one_line_as_it_is(text):
    (inline,) = [t for t in MarkdownIt("commonmark").parse(code(text)) if t.type == "inline"]
    assert [child.type for child in inline.children] == ["code_inline"]
    assert inline.children[0].content == (plain(" ".join(text.split())) or "-")
