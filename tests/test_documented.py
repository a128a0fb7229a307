"""What a page shows is found: blocks by their language, commands, what is printed by them."""

import documented
import pytest
from documented import commands_of, files_of

PAGE = """# A page

Text with `parity run NAME --epochs
3` and ``a ` tick``, `--seeds A:B` and `make test`.

```
parity list        # a comment
  parity indented is output
PARITY_NATIVE=0 time parity run \\
  dropout && parity list > scenarios.txt
```

<!-- not compared: it takes as long as it takes -->
```console
$ parity diagnose history.json
GOOD FIT
$ parity explain F2
F2
```

```python
parity = 1
```
"""


@pytest.fixture
def page(tmp_path):
    (tmp_path / "page.md").write_text(PAGE, encoding="utf-8")
    return tmp_path / "page.md"


def test_commands_are_found_in_blocks_and_in_the_text(page):
    found = commands_of(page, page.parent)
    assert [(command.line, command.text, command.is_mention) for command in found] == [
        (3, "parity run NAME --epochs 3", True),
        (4, "make test", True),
        (7, "parity list", False),
        (9, "parity run dropout", False),
        (9, "parity list", False),
        (15, "parity diagnose history.json", False),
        (17, "parity explain F2", False),
    ]
    assert [command.output for command in found[-2:]] == [("GOOD FIT",), ("F2",)]
    assert {command.is_compared for command in found[-2:]} == {False}


def test_blocks_are_found_by_their_language(page):
    blocks = documented.blocks_of(page, page.parent)
    assert [(block.language, block.line) for block in blocks] == [
        ("", 7),
        ("console", 15),
        ("python", 22),
    ]
    assert blocks[1].remark == "not compared: it takes as long as it takes"


def test_files_of_the_reader_and_steps_of_a_workflow_are_found(tmp_path):
    (tmp_path / "page.md").write_text(
        "<!-- file: a/b.yml -->\n```yaml\nsteps:\n  - uses: x\n  - run: parity list\n```\n"
        "<!-- file: c.py -->\n\n```python\nc = 1\n```\n\n```python\nd = 1\n```\n"
    )
    assert [
        (line, name, text[:5]) for line, name, text in files_of(tmp_path / "page.md", tmp_path)
    ] == [
        (3, "a/b.yml", "steps"),
        (10, "c.py", "c = 1"),
    ]
    found = commands_of(tmp_path / "page.md", tmp_path)
    assert [(command.line, command.text) for command in found] == [(5, "parity list")]


@pytest.mark.parametrize(
    "text",
    ["```sh\nls -l\n```", "```console\n$ git clone\n```", "```console\nno command\n```", "```\nx"],
    ids=["unknown", "unknown_in_console", "output_first", "no_end"],
)
def test_what_is_not_known_in_a_shell_block_is_an_error(text, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match=r"^page\.md:2: "):
        commands_of(path, tmp_path)
