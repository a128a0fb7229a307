"""The page as HTML: every text is shown as text, nothing is fetched, one file is all there is."""

import base64
import dataclasses
import hashlib
import itertools
import re
from html.parser import HTMLParser

import pytest
from report_folders import HOSTILE

from parity.report import page
from parity.report.html.render import FOLDER, coded, render, shown

VOID = {"meta", "link", "img", "input", "br"}


class Tree(HTMLParser):
    """All elements with their attributes, and whether they are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.texts = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(name="a name"):
    """A page with every kind of block, on which every text is `name`."""
    cells = (page.Cell(name, share=0.5), page.Cell(name, link="#x"))
    table = page.Table(name, (name, name), (cells,), notes=(name,))
    picture = page.Picture("one", 2, lambda figure: figure.subplots(), name, name, table)
    facts = (page.Fact(name, name),)
    blocks = (
        page.Text(name),
        table,
        page.Curves({}, (picture,), facts),
        page.Strips(name, (page.Strip(name, ("data:image/png;base64,AAAA",), name),), (name,)),
        page.Code("Command", name),
        page.Folded(name, (page.Text(name),)),
    )
    cause = page.Cause(name, name, name, "99 %", name, (name,), where=name, formulas=facts)
    texts = (name,) * 7
    found = page.Divergence(1, *texts, others=(name,), where=name, causes=(cause,), note=name)
    code = page.Divergence(2, *texts, causes=(dataclasses.replace(cause, is_code=True),))
    accepted = page.Divergence(3, *texts, is_accepted=True, same_as=1)
    note = page.Note(name, name, facts)
    return page.Page(
        title=name,
        look="fail",
        verdict="fail",
        sentence=name,
        facts=facts,
        problems=(name,),
        ladder=(page.Rung("data", "pass", "pass", "0", "0", name, name, name, name),),
        divergences=page.Divergences(name, (found, code, accepted), facts, facts, name),
        opens=(note,),
        notes=(note,),
        sections=(page.Section("one", name, blocks), page.Section("two", name, ())),
    )


PLAIN = Tree(render(page_of()))


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_can_be_read_and_adds_no_element_and_no_attribute(name):
    tree = Tree(render(page_of(name)))
    assert shown(name) in tree.texts  # where there is room for it
    assert all(character.isprintable() or character == "\n" for character in shown(name))
    assert [tag for tag, _ in tree.elements] == [tag for tag, _ in PLAIN.elements]
    assert [sorted(each) for _, each in tree.elements] == [sorted(e) for _, e in PLAIN.elements]


def test_nothing_is_fetched():
    for tag, attributes in PLAIN.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            target = attributes.get(name) or ""
            assert target.startswith(("data:", "#")) or target == "", (tag, target)
    html = render(page_of())
    assert not re.search(r"https?://|url\((?!#)|@import", html)


def test_the_policy_of_the_page_allows_its_own_script_and_nothing_else():
    (policy,) = [m["content"] for m in PLAIN.all("meta") if "http-equiv" in m]
    script = (FOLDER / "script.js").read_bytes()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert render(page_of()).count("<script") == 1


def test_headings_and_links_of_the_page_belong_together():
    ids = [attributes["id"] for _, attributes in PLAIN.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = [a["href"] for a in PLAIN.all("a") if a["href"].startswith("#") and a["href"] != "#x"]
    assert links == ["#main", "#one", "#two"]
    assert {link[1:] for link in links} <= set(ids)


def luminance(color):
    """Relative luminance by WCAG 2.2."""
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_have_the_contrast_that_wcag_asks_for(theme):
    style = (FOLDER / "style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[theme]))
    inks = itertools.product(("ink", "soft", "good", "bad", "warn", "link"), ("paper", "card"))
    on_papers = ("bad", "bad-paper"), ("ink", "bad-paper"), ("warn", "warn-paper")
    of_drawings = [("keras", "paper"), ("torch", "paper")]
    for least, pairs in ((4.5, [*inks, *on_papers]), (3, of_drawings)):
        for ink, paper in pairs:
            assert contrast(colors[ink], colors[paper]) >= least, (ink, paper)


def test_a_column_without_any_text_is_left_out():
    cells = [[page.Cell(text) for text in row] for row in (("a", "", "1"), ("b", "", ""))]
    table = page.Table("t", ("name", "empty", "number"), tuple(map(tuple, cells)), frozenset({2}))
    found = page.as_shown(table)
    assert (found.head, found.numeric) == (("name", "number"), {1})
    assert [[cell.text for cell in row] for row in found.rows] == [["a", "1"], ["b", ""]]
    nothing = dataclasses.replace(table, rows=())
    assert page.as_shown(nothing) == nothing


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("module `0.1` (<b>)", "module <code>0.1</code> (&lt;b&gt;)"),
        ("`<script>`", "<code>&lt;script&gt;</code>"),
        ("one ` tick", "one ` tick"),
    ],
)
def test_what_stands_in_backticks_is_code_and_nothing_else_is_markup(text, told):
    assert coded(text) == told
