"""Parts are copied with all that they need, and need torch, NumPy and Python alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rows import each_row

from parity.ports import plain
from parity.ports.plain import MODULES, chosen, copied, names_of_parts
from parity.ports.wrapping import imported
from torch_impl import plain as parts

FOLDER = Path(parts.__file__).parent
ALLOWED = {
    *("__future__", "argparse", "collections", "ctypes", "dataclasses", "math", "pathlib", "sys"),
    *("typing", "warnings", "zipfile", "zlib", "numpy", "torch"),
}


def imported_by(source):
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition(".")[0])
    return found


def defined_in(source):
    return {getattr(node, "name", "") for node in ast.parse(source).body} - {""}


def test_all_parts_together_import_nothing_of_ours_and_please_ruff(tmp_path):
    source = copied(names_of_parts(), "All parts.")
    assert imported_by(source) <= ALLOWED
    assert "type: ignore" not in source
    (tmp_path / "all_parts.py").write_text(source, encoding="utf-8")
    assert_pleases_ruff(tmp_path, "E501,UP,B,I")


def assert_pleases_ruff(folder, rules):
    for arguments in (("check", "--extend-select", rules), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_part_brings_what_it_needs_and_no_more():
    source = copied(["MaxPooling2D"], "Parts.")
    assert defined_in(source) == {"same_padding", "Pool", "MaxPool", "MaxPooling2D"}
    body, imports = chosen(["clip_value"])
    assert "def clip_value(" in body
    assert "Gradients = list[torch.Tensor]" in body
    assert imports == {"Callable": ("collections.abc", "Callable"), "torch": ("torch", "")}


def test_no_two_parts_have_one_name():
    """A copy would have only one of them."""
    named = []
    for module in MODULES:
        for node in ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                named.append(node.name)
            elif isinstance(node, ast.Assign):
                named.append(node.targets[0].id)
    assert len(named) == len(set(named))
    assert set(named) == names_of_parts()


def test_every_file_of_parts_is_in_the_list():
    assert {path.stem for path in FOLDER.glob("*.py")} == {*MODULES, "__init__"}


def test_a_name_that_no_part_has_is_an_error():
    with pytest.raises(KeyError, match="Conv4D"):
        plain.chosen(["Conv4D"])


FEATURES = ("schedulers", "stopping", "penalty", "classes", "nest", "seeded")


@each_row("has", [(), *((name,) for name in FEATURES), FEATURES])
def test_a_loop_has_only_what_a_program_needs_and_pleases_ruff(has, tmp_path):
    body, imports = chosen(["fit", "split_off"], has)
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Attribute)}
    words = {
        "schedulers": "schedulers",
        "stopping": "early_stopping",
        "penalty": "penalty",
        "classes": "class_weight",
        "nest": "output_names",
    }
    assert {name for name, word in words.items() if word in names} == set(has) - {"seeded"}
    assert ("once for all epochs" in body) == ("seeded" in has)
    assert ("OutputMeasures" in names) == ("nest" in has)
    assert ("warnings" in imports) == bool({"schedulers", "stopping"} & set(has))
    assert "#:" not in body
    (tmp_path / "loop.py").write_text(f"{imported(imports)}\n\n{body}\n", encoding="utf-8")
    assert_pleases_ruff(tmp_path, "E501,UP,B")


@each_row("has", [(), ("seeded",)], ids=["each epoch", "once"])
def test_the_order_of_samples_is_drawn_once_or_for_each_epoch(has):
    """The samples are their own targets: a model that notes them tells their order."""
    body, imports = chosen(["fit"], has)
    loop = {}
    exec(f"{imported(imports)}\n\n{body}", loop)  # noqa: S102 - of the parts of this project
    seen = []

    class Net(torch.nn.Linear):
        def forward(self, x):
            seen.append(x.flatten().tolist())
            return super().forward(x)

    net = Net(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    training = loop["Training"](net, loss=torch.nn.MSELoss(), optimizer=optimizer)
    x = torch.arange(8.0)[:, None]
    torch.manual_seed(0)
    loop["fit"](training, (x, x, None), epochs=3, batch_size=8)
    assert [sorted(each) for each in seen] == [x.flatten().tolist()] * 3
    assert len({tuple(each) for each in seen}) == (1 if has else 3)
    assert seen[0] != x.flatten().tolist()
    seen.clear()
    loop["fit"](training, (x, x, None), epochs=2, batch_size=8, shuffle=False)
    assert seen == [x.flatten().tolist()] * 2
