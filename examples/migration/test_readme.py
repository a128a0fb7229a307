"""What README.md tells is true: its changes turn one port into the other, its reports are real."""

import ast
import re
from pathlib import Path

import pytest

from parity.programs.check_spec import CheckSpec
from parity.report.pages.runs_page import result_page
from parity.report.text.page import page_lines
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

HERE = Path(__file__).parent


def sections():
    """(reports, changes) of each section of the page that has a report."""
    found = []
    for text in re.split(r"^## ", (HERE / "README.md").read_text(), flags=re.M)[1:]:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
        reports = [b for kind, b in blocks if not kind and re.match(r"  \d+  |torch_", b)]
        if reports:
            found.append((reports, [b for kind, b in blocks if kind == "diff"]))
    return found


def named(text):
    """IDs of the divergences in a report or a part of it."""
    return re.findall(r"^    cause (\w+)  ", text, flags=re.M)


def changed(source, change):
    """A program after a change; what the change leaves or takes away has to be there, once."""
    lines = change.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    assert source.count(before) == 1, change
    return source.replace(before, after)


@pytest.fixture(scope="module")
def programs():
    """The naive port, and what becomes of it with every section that changes it."""
    found = [(HERE / "torch_model_naive.py").read_text()]
    for _, changes in sections():
        if changes:
            source = found[-1]
            for change in changes:
                source = changed(source, change)
            found.append(source)
    return found


@pytest.fixture(scope="module")
def results(programs, bundle, tmp_path_factory):
    """The results of the programs."""
    folder = tmp_path_factory.mktemp("programs")
    specs = []
    for number, source in enumerate(programs):
        (folder / f"step_{number}.py").write_text(source)
        specs.append(
            CheckSpec(torch=f"step_{number}.py:build", against=str(bundle), folder=str(folder))
        )
    return check_all(specs, CheckOptions())


def without_docstring(source):
    tree = ast.parse(source)
    return ast.unparse(tree.body[1:])


def test_the_changes_turn_the_naive_port_into_the_right_one(programs):
    right = (HERE / "torch_model.py").read_text()
    assert without_docstring(programs[-1]) == without_docstring(right)


def rounded(line):
    """The last digits of a number depend on the processor, and so does what a pass comes to."""
    if level := re.match(r"  \w+ +pass\b", line):
        return level[0]
    return re.sub(r"-?\d+\.\d+(e[+-]\d+)?", lambda number: f"{float(number[0]):.5g}", line).rstrip()


@pytest.mark.long
def test_the_reports_are_those_of_the_first_and_the_last_program(results):
    told = [report for reports, _ in sections() for report in reports]
    assert [result.verdict for result in results] == ["fail"] * 8 + ["pass"]
    for report in told:
        result = results[-1] if report is told[-1] else results[0]
        real = ["".join(text for text, _ in line) for line in page_lines(result_page(result))]
        name = result.spec["torch"].rpartition(":")[0]
        left = iter([rounded(line).replace(name, "torch_model.py") for line in real])
        for line in report.replace("torch_model_naive.py", "torch_model.py").splitlines():
            # Each line in its turn; those between are left out on the page.
            assert rounded(line) in left, "\n".join(["not in the report:", line, *real])


@pytest.mark.long
def test_each_change_ends_the_divergences_of_its_section_and_no_others(results):
    steps = [named("".join(reports)) for reports, changes in sections() if changes]
    found = [[each.causes[0]["id"] for each in result.divergences] for result in results]
    assert len(found[0]) == 12
    for before, after, ended in zip(found, found[1:], steps, strict=False):
        assert after == [name for name in before if name not in ended]
        assert set(ended) <= set(before)
    assert found[-1] == []
