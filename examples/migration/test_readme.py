"""What README.md tells is true: its changes turn one port into the other, its reports are real."""

import ast
import re
from pathlib import Path

import pytest

from parity.programs.check_spec import CheckSpec
from parity.report.text.check import check_lines
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions

HERE = Path(__file__).parent


def sections():
    """(report, changes) of each section of the page that has a report."""
    found = []
    for text in re.split(r"^## ", (HERE / "README.md").read_text(), flags=re.M)[1:]:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
        reports = [b for kind, b in blocks if not kind and b.startswith(("  first", "torch_"))]
        if reports:
            found.append((reports[0], [b for kind, b in blocks if kind == "diff"]))
    return found


def changed(source, change):
    """A program after a change; what the change leaves or takes away has to be there, once."""
    lines = change.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    assert source.count(before) == 1, change
    return source.replace(before, after)


@pytest.fixture(scope="module")
def programs():
    """The naive port, and what becomes of it with every section."""
    found = [(HERE / "torch_model_naive.py").read_text()]
    for _, changes in sections():
        source = found[-1]
        for change in changes:
            source = changed(source, change)
        found.append(source)
    return found


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


def test_the_reports_are_those_of_the_programs(programs, bundle, tmp_path):
    told = [report for report, _ in sections()]
    specs = []
    for number, source in enumerate(programs[: len(told)]):
        (tmp_path / f"step_{number}.py").write_text(source)
        specs.append(
            CheckSpec(torch=f"step_{number}.py:build", against=str(bundle), folder=str(tmp_path))
        )
    results = check_all(specs, CheckOptions())
    assert [result.verdict for result in results] == ["fail"] * 8 + ["pass"]
    for spec, report, result in zip(specs, told, results, strict=True):
        real = ["".join(text for text, _ in line) for line in check_lines(result)]
        name = spec.torch.rpartition(":")[0]
        left = iter([rounded(line).replace(name, "torch_model.py") for line in real])
        for line in report.replace("torch_model_naive.py", "torch_model.py").splitlines():
            # Each line in its turn; those between are left out on the page.
            assert rounded(line) in left, "\n".join(["not in the report:", line, *real])
