"""Names and messages from elsewhere are shown by every report, and obeyed by no reader of it."""

import contextlib
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from helpers import Terminal
from hostile_texts import COMMANDS, PIECES, READ_LATER, texts
from hypothesis import given, settings
from markdown_it import MarkdownIt  # of rich, which is a dependency
from page_parts import page_of
from result_samples import named

from parity.bench.result import BenchResult
from parity.cli.streams import say
from parity.halves.job import ChildJob, Failure, Progress
from parity.halves.progress import ProgressDisplay
from parity.ladder.result import Result
from parity.report.export.curves import to_csv
from parity.report.export.junit import junit_xml
from parity.report.export.summary import summary_markdown
from parity.report.found import redact_paths
from parity.report.html.render import render
from parity.report.pages.runs_page import runs_page
from parity.report.read import FoundRun
from parity.report.text.page import page_lines, print_lines
from parity.testing.assertion import failure_text

# Elements that a page has only if a name put them there.
FOREIGN = ("<img src=x", "<!--", "49")


def pages_of(text):
    """A page of every kind in which a text from outside stands wherever one can."""
    results = named(text)
    runs = [FoundRun(None, result) for result in results if isinstance(result, Result)]
    return [*(page_of(result, text) for result in results), runs_page(runs)]


def progress(text):
    """What a run writes to a log while it works."""
    stream = io.StringIO()
    here = Path("run")
    job = ChildJob(name=text, half="keras", directories=(here,), log=here / "keras.log")
    with ProgressDisplay([job], quiet=False, stream=stream) as display:
        display.on_progress(job, Progress(here, 1, 4, 0.5, 0.25))
        display.on_done(job, Failure(job, f"{text}: it crashed"))
    return stream.getvalue()


@pytest.mark.parametrize("text", PIECES, ids=ascii)
def test_a_log_of_a_job_holds_no_command(text):
    check_log(text)


@settings(max_examples=25, deadline=None)
@given(texts)
def test_a_log_of_a_job_holds_no_command_whatever_the_name(text):
    check_log(text)


def check_log(text):
    stream = io.StringIO()
    for page in pages_of(text):
        print_lines(page_lines(page), stream)
    with contextlib.redirect_stderr(stream):
        say(f"parity: {text}: cannot be used", err=True)
        say(text, err=True)
    told = stream.getvalue() + progress(text) + "".join(map(junit_xml, pages_of(text)))
    told += "".join(f"{failure_text(r)}\n" for r in named(text) if isinstance(r, Result))
    for line in told.split("\n"):
        assert not COMMANDS.search(line)
        assert line.isprintable()


@pytest.mark.parametrize("text", PIECES, ids=ascii)
def test_a_terminal_gets_no_code_from_a_name(text):
    terminal = Terminal()
    for page in pages_of(text):
        print_lines(page_lines(page), terminal)
    told = terminal.getvalue()
    assert not any(code in told for code in ("\x1b[2J", "\r", "\x00", "\u202e", "\x85", "\u2028"))


def parsed(told):
    """The tokens of Markdown, and those within its lines."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(told)
    return tokens, [child for token in tokens for child in token.children or []]


@settings(max_examples=25, deadline=None)
@given(texts)
def test_markdown_shows_a_name_and_makes_nothing_of_it(text):
    harmless = re.sub(r"\S", "x", text)  # with as many lines
    both = (map(summary_markdown, pages_of(each)) for each in (text, harmless))
    for told, plain in zip(*both, strict=True):
        tokens, children = parsed(told)
        kinds = {token.type for token in (*tokens, *children)}
        assert not kinds & {"link_open", "image", "fence", "html_block", "em_open"}
        # Fixes are code, which a name neither ends nor begins.
        spans = [child for child in children if child.type == "code_inline"]
        assert len(spans) == sum(child.type == "code_inline" for child in parsed(plain)[1])
        children = [child for child in children if child.type != "code_inline"]
        html = {child.content for child in children if child.type == "html_inline"}
        assert html <= {"<br>"}
        for child in children:
            assert not READ_LATER.search(child.content), child.content
        for line in told.split("\n"):
            assert not COMMANDS.search(line)


@settings(max_examples=25, deadline=None)
@given(texts)
def test_junit_is_xml_whatever_the_name(text):
    for page in pages_of(text):
        root = ET.fromstring(junit_xml(page))
        assert len(root) == len(page.suites)
        assert {each.tag for each in root.iter()} <= {
            *("testsuites", "testsuite", "testcase", "properties", "property"),
            *("failure", "error", "skipped", "system-out"),
        }


PATHS = ["/home/me/project/net.py", "C:\\Users\\me\\net.py", "file:///home/me/net.py"]


@pytest.mark.parametrize("path", [*PATHS, "\\\\server\\share\\net.py"])
def test_no_path_is_absolute_in_what_others_read(path):
    for page in pages_of(path):
        for told in (junit_xml(redact_paths(page)), summary_markdown(redact_paths(page))):
            assert not any(part in told for part in ("home", "Users", "project", "share"))


@pytest.mark.long
@settings(max_examples=12, deadline=None)
@given(texts)
def test_a_page_shows_a_name_and_makes_nothing_of_it(text):
    for page, plain in zip(pages_of(text), pages_of("x"), strict=True):
        html, usual = render(page), render(plain)
        assert not any(foreign in html and foreign not in usual for foreign in FOREIGN)
        assert html.count("</script>") == usual.count("</script>")
        assert all(character.isprintable() or character == "\n" for character in html)


@settings(max_examples=25, deadline=None)
@given(texts)
def test_a_spreadsheet_computes_no_name(text):
    for result in named(text):
        if isinstance(result, BenchResult):
            told = to_csv(result)
            assert "\n=" not in told
            assert ",=" not in told
            assert all(character.isprintable() or character == "\n" for character in told)
