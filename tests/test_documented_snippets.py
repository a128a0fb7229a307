"""Python on every page runs from its first block to its last, and JSON is what its schema says."""

import json
import subprocess
import sys

import pytest
import user_files
from documented import ROOT, blocks_of, pages
from documented_runs import SNIPPETS_NOT_RUN
from forked_pages import forked_pages
from schemas import problems


def blocks(path, language):
    return [
        block
        for block in blocks_of(path)
        if block.language == language and (block.page, first_line(block)) not in SNIPPETS_NOT_RUN
    ]


def first_line(block):
    return block.text.partition("\n")[0]


def with_blocks(language):
    return pytest.mark.parametrize(
        "path",
        [path for path in pages() if blocks(path, language)],
        ids=lambda path: path.relative_to(ROOT).as_posix(),
    )


@pytest.fixture(scope="module")
def forked():
    with forked_pages() as run:
        yield run


@pytest.mark.long
@with_blocks("python")
def test_the_python_of_a_page_runs(path, tmp_path, forked):
    user_files.write(tmp_path)
    content = [[block.line, block.text] for block in blocks(path, "python")]
    code, said = forked(path, content, tmp_path)
    assert code == 0, said


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", 'File "page.md", line 9'),
        ("def build():\n    raise KeyError", 'File "page.md", line 10, in build'),
        ("import os; os.abort()", ""),
    ],
)
def test_a_block_that_fails_is_seen(text, said, tmp_path, forked):
    """Also a factory that the page does not call, and a block that ends its process."""
    assert forked("page.md", [[1, "x = 1"], [3, "assert x == 1"]], tmp_path) == [0, ""]
    code, told = forked("page.md", [[7, "y = 2"], [9, text]], tmp_path)
    assert code != 0
    assert said in told


def test_the_python_of_a_page_has_no_name_that_it_does_not_define(tmp_path):
    """Also within functions, which are not all called."""
    for path in pages():
        lines = []
        for block in blocks(path, "python"):
            lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
        if lines:
            file = (tmp_path / path.relative_to(ROOT)).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ["--isolated", "--select", "F821", "--quiet"]
    ended = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@with_blocks("json")
def test_the_json_of_a_page_is_json_and_what_its_schema_says(path):
    for block in blocks(path, "json"):
        value = json.loads(block.text, parse_constant=pytest.fail)
        if isinstance(value, dict) and "schema" in value:
            assert problems(value) == [], f"{block.page}:{block.line}"


def test_some_pages_have_python_and_json():
    """Otherwise the tests above would pass on nothing."""
    for language in ("python", "json"):
        assert any(blocks(path, language) for path in pages())


def test_no_exception_is_left_behind():
    """Of a block that no page has any more."""
    there = {(block.page, first_line(block)) for path in pages() for block in blocks_of(path)}
    assert set(SNIPPETS_NOT_RUN) <= there
