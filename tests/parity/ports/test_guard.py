"""What a file of a package may have: code of a stranger is refused before it is imported."""

import pytest
from rows import each_row

from parity.ports.guard import guard
from torch_impl.keras_config import NoTwinError

NET = '''"""A network."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import layers


class Net(nn.Module):
    """Takes x."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 3)
        self.drop = layers.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = F.relu(self.drop(self.dense(x)).movedim(1, -1))
        z = torch.cat([y, torch.zeros_like(y)], dim=1)[:, 1:]
        return {"a": z.to(torch.float32) * 2.0}{MORE}
'''


def refuses(text, **given):
    with pytest.raises(NoTwinError) as refused:
        guard({"model.py": text}, "port", **given)
    assert str(refused.value).count("\n") == 0
    return str(refused.value)


@each_row(
    "code",
    [
        *('__import__("os")', 'eval("1")', 'exec("1")', 'open("f")', "print.__self__", "globals()"),
        *('getattr(x, "y")', "x.__class__", "(a for a in y).gi_frame", "torch.os", "torch.sys"),
        *('torch.load("f")', 'torch.save(x, "f")', 'torch.hub.load("a", "b")', "torch.ops"),
        *('torch.from_file("f")', "nn.modules.module", "F.importlib", "F.torch.load", "F.math"),
        *("layers.numpy", "layers.__builtins__", "x.apply_(print)", "x.numpy().tofile", "str(1)"),
        *("self._modules", "torch._C", "torch.utils.cpp_extension", "F.has_torch_function.x"),
        *("type(x)", "vars(x)", "breakpoint()", "input()", "compile('1', '', 'eval')", "help"),
        *("(y := 1)", "(lambda: (yield))()", "OPERATIONS['x'](y)", "x.f_globals", "other"),
    ],
)
def test_an_expression_that_no_port_has_is_refused(code):
    assert "which no port has" in refuses(NET.replace("{MORE}", f"\n        return {code}"))


@each_row(
    "code",
    [
        *("import os", "from os import system", "import torch.utils", "from torch import hub"),
        *("from . import x", "from port.other import x", "from port.model import eval"),
        *("def eval(x):\n    return x", "def f(x=1, *, print=2):\n    return x", "str = 1"),
        *("@x\ndef f():\n    return 1", "class A(metaclass=B):\n    x = 1", "del torch"),
        *("async def f():\n    return 1", "while 1:\n    x = 1", "with x:\n    y = 1", "assert x"),
        *(
            "try:\n    x = 1\nexcept E:\n    x = 2",
            "global x",
            "match x:\n    case 1:\n        y = 1",
        ),
        *("class Net(nn.Module):\n    x = 1", "def __getattr__(name):\n    return name"),
        *("for eval in x:\n    y = 1", "x: eval = 1", "x = f'{open(1)}'"),
    ],
)
def test_a_statement_that_no_port_has_is_refused(code):
    refuses(NET.replace("{MORE}", f"\n\n\n{code}"))


@each_row("code", ["x = (", "x = 'a\nb'", "\0", "# \u202e", "# a\rimport os"])
def test_what_is_no_source_or_does_not_show_is_refused(code):
    refuses(NET.replace("{MORE}", f"\n\n\n{code}"))


def test_code_of_the_program_itself_is_left_out_by_its_name():
    guard({"model.py": NET.replace("{MORE}", "")}, "port")
    text = NET.replace("{MORE}", "\n\n\ndef rate(epoch):\n    return open('f')")
    guard({"model.py": text}, "port", own=["rate"])
    refuses(text, own=["other"])


def test_a_definition_of_this_project_is_left_out_if_it_is_the_same():
    loop = "def loop(x):\n    while x:\n        x = x - 1"
    text = NET.replace("{MORE}", f"\n\n\n{loop}")
    guard({"model.py": text}, "port", verbatim=[loop])
    refuses(text.replace("x - 1", "x - 2"), verbatim=[loop])
