"""The report in a real browser: nothing is fetched, nothing complains, everything can be seen.

Chromium from the system's packages, driven by Playwright; skipped where there is none.
"""

import contextlib
import json
import os
import shutil
from itertools import pairwise

import pytest
from report_folders import MAKERS, make_full_bench, make_several, run_folder

from parity.report.write import write_reports

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
# One suffices to find what breaks; with the variable, all four are drawn, to look at them.
LOOKS = [(400, "dark"), (1280, "light"), (1280, "dark"), (400, "light")]
SCREENSHOTS = os.environ.get("PARITY_SCREENSHOTS")  # a folder
LOOKS = LOOKS if SCREENSHOTS else LOOKS[:1]


# What scrolls in its place is a part of the page that is cut; only matrices may.
IS_CUT = """() => [...document.querySelectorAll("main *")].filter(
  each => each.checkVisibility() && !each.closest(".hidden, .cards thead, svg, .grid, .code pre")
    && !each.matches(".scroll:has(.shaded, .grid), .scroll:has(.shaded) *")
    && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0
    && getComputedStyle(each).display != "inline"
).map(each => each.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


class Opened:
    """A report that was opened from a file, and what the browser said of it."""

    def __init__(self, browser, path, **options):
        self.said, self.requests = [], []
        self.page = browser.new_page(**options)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture(scope="module", params=MAKERS)
def report(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    MAKERS[request.param](folder)
    write_reports(folder)
    return request.param, folder / "report.html"


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_report_is_whole_in_a_browser(browser, report, width, scheme):
    name, path = report
    viewport = {"width": width, "height": 900}
    opened = Opened(browser, path, viewport=viewport, color_scheme=scheme)
    with contextlib.closing(opened.page) as page:
        assert opened.said == []
        assert [url for url in opened.requests if not url.startswith("data:")] == [path.as_uri()]
        assert page.evaluate("window.hacked") is None
        # Nothing makes the page itself wider than the window: what is wide scrolls in its place.
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(IS_CUT) == []
        for section in page.query_selector_all("section"):
            box = section.bounding_box() or {"width": 0, "height": 0}
            assert box["width"] > 200
            assert box["height"] > 20
        for drawing in page.query_selector_all("details:not([open]) svg, svg"):
            box = drawing.bounding_box()
            assert box is None or (box["width"] > 250 and box["height"] > 80)
            assert drawing.evaluate("svg => svg.querySelectorAll('path, use').length") > 3
        assert_named(page)
        for image in page.query_selector_all("img"):
            assert image.evaluate("image => image.complete && image.naturalWidth > 0")
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/{name}-{width}-{scheme}.png", full_page=True)


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the report of what was made in a folder, and closes it at the end."""
    with contextlib.ExitStack() as stack:

        def open_report(make=run_folder, **options):
            make(tmp_path)
            write_reports(tmp_path)
            page = Opened(browser, tmp_path / "report.html", **options).page
            stack.callback(page.close)
            return page

        yield open_report


def test_drawings_take_the_colours_of_the_page(opened):
    fill = "getComputedStyle(document.querySelector('svg text')).fill"
    light, dark = (opened(color_scheme=scheme).evaluate(fill) for scheme in ("light", "dark"))
    assert light != dark


def test_a_report_is_used_by_keyboard(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")


def test_the_fix_of_a_divergence_stands_under_its_headline_and_is_copied(opened):
    page = opened(make_several, permissions=["clipboard-read", "clipboard-write"])
    found = page.locator("article.found").first
    fix, numbers = found.locator(".code.fix"), found.locator(".numbers")
    assert fix.bounding_box()["y"] < numbers.bounding_box()["y"]
    font = fix.locator("pre code").first.evaluate("code => getComputedStyle(code).fontFamily")
    assert "monospace" in font
    fix.locator("button.copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == fix.locator("pre code").text_content()


def test_on_a_phone_a_wide_table_is_a_card_for_each_row(opened):
    page = opened(make_full_bench, viewport={"width": 400, "height": 900})
    cell = page.locator("table.cards tbody td").first
    assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == '"median"'
    rows = [row.bounding_box() for row in page.query_selector_all("table.cards tbody tr")]
    assert all(below["y"] > above["y"] + above["height"] for above, below in pairwise(rows))


def test_a_printed_report_is_unfolded(opened):
    page = opened()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every(each => each.open)")
    assert len(page.pdf()) > 10_000


def assert_named(page):
    """Every part has a name for who hears it, by Chromium's own tree of what is told."""
    session = page.context.new_cdp_session(page)
    for node in session.send("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if not node["ignored"] and role in ("region", "img", "image", "button", "link", "table"):
            name = node.get("name", {}).get("value", "")
            assert name.strip() or role == "img", json.dumps(node)[:400]
