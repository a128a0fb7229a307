"""Python on every page runs from its first block to its last, and JSON is what its schema says."""

import json
import subprocess
import sys

import pytest
import user_files
from documented import ROOT, blocks_of, pages
from documented_runs import SNIPPETS_NOT_RUN
from schemas import problems

# Runs the blocks of a page in one namespace, and then calls the factories that it has defined, so
# that what is in them runs too. Lines are those of the page.
RUN = """
import json, sys
page, blocks = json.load(sys.stdin)
namespace = {"__name__": "__main__"}
for line, text in blocks:
    exec(compile("\\n" * (line - 1) + text, page, "exec"), namespace)
for name, value in list(namespace.items()):
    if name.startswith("build") and callable(value):
        value()
"""


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


def called(*arguments, text, folder):
    return subprocess.run(
        [sys.executable, *arguments],
        input=text,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.long
@with_blocks("python")
def test_the_python_of_a_page_runs(path, tmp_path):
    user_files.write(tmp_path)
    content = [str(path), [[block.line, block.text] for block in blocks(path, "python")]]
    ended = called("-c", RUN, text=json.dumps(content), folder=tmp_path)
    assert ended.returncode == 0, ended.stderr


@with_blocks("python")
def test_the_python_of_a_page_has_no_name_that_it_does_not_define(path, tmp_path):
    """Also within functions, which are not all called."""
    lines = []
    for block in blocks(path, "python"):
        lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    options = ["--isolated", "--select", "F821", "--quiet", "--stdin-filename", "page.py", "-"]
    ended = called("-m", "ruff", "check", *options, text="\n".join(lines) + "\n", folder=tmp_path)
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
