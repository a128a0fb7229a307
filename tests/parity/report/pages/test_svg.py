"""A drawing is a part of its page: in its colours, and with no identifier of another one."""

import re
from xml.etree import ElementTree

import pytest

from parity.report.pages import svg
from parity.report.pages.svg import HALF_COLORS, INK, drawn


def paint(figure, label="a label"):
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 4, 9], "o-", color=HALF_COLORS["keras"], label=label)
    axes.set_ylabel(label, color=INK)
    svg.legend(axes)


def test_a_drawing_is_one_svg_element_without_a_size_and_in_the_colours_of_the_page():
    text = drawn("one", 2, paint)
    root = ElementTree.fromstring(text.replace("xlink:href", "href"))
    assert root.tag == "svg"
    assert {"viewBox", "width", "height"} & set(root.attrib) == {"viewBox"}
    told = {part for part in ("http", "metadata", "var(--keras)", "var(--ink)") if part in text}
    assert told == {"var(--keras)", "var(--ink)"}
    assert [color for color in svg._VARIABLES if color in text] == []


def test_two_drawings_share_no_identifier():
    ids = [set(re.findall(r' id="([^"]+)"', drawn(name, 2, paint))) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_what_is_referred_to_is_there():
    text = drawn("one", 2, paint)
    referred = set(re.findall(r'(?:href="|url\()#([\w.-]+)', text))
    assert referred
    assert referred <= set(re.findall(r' id="([^"]+)"', text))


@pytest.mark.parametrize("label", ["<b>&\"'", "$\\frac{1}{0}$", "שלום", "名前"])
def test_a_name_stays_text(label):
    text = drawn("one", 2, lambda figure: paint(figure, label))
    root = ElementTree.fromstring(text.replace("xlink:href", "href"))
    assert label in ["".join(each.itertext()) for each in root.iter("text")]
