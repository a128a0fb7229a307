"""What quoted code calls is quoted, too, with the constants that it has from around it."""

import runpy
from collections import OrderedDict

import numpy as np
import pytest

from parity.halves.keras.check.quoted_code import quoted_helpers

CODE = """
import numpy as np
from collections import OrderedDict

SIZE = 32


def flat(y):
    return y.reshape(-1, SIZE * SIZE)


def dice(y, p, smooth=1.0):
    return flat(y) + flat(p) + smooth + np.mean(OrderedDict(a=1)["a"])


def combined(y, p):
    return dice(y, p) + dice(p, y) + len(y)


class Base:
    def scaled(self, x):
        return flat(x)


class Own(Base):
    def call(self, y, p):
        return self.scaled(y) + combined(y, p)


def deep(n):
    return deep(n - 1)


def around(helper):
    def inner(y, p):
        return helper(y, p)

    return inner


def f0(x): return x
def f1(x): return f0(x)
def f2(x): return f1(x)
def f3(x): return f2(x)
def f4(x): return f3(x)
def f5(x): return f4(x)
def f6(x): return f5(x)
def f7(x): return f6(x)
def f8(x): return f7(x)
def f9(x): return f8(x)
"""


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(CODE, encoding="utf-8")
    return runpy.run_path(str(path))


def heads(thing, folder):
    return [told["text"].splitlines()[0] for told in quoted_helpers(thing, folder)]


def test_what_a_function_calls_comes_with_what_that_calls(names, tmp_path):
    found = quoted_helpers(names["combined"], tmp_path)
    assert heads(names["combined"], tmp_path) == ["def dice(y, p, smooth=1.0):", "def flat(y):"]
    assert found[1]["values"] == {"SIZE": "32"}
    assert (found[1]["file"], found[1]["line"]) == ("app.py", 8)


def test_no_library_and_nothing_twice_is_quoted_and_of_many_the_first_eight(names, tmp_path):
    for thing in (np.mean, OrderedDict, len, names["deep"]):
        assert quoted_helpers(thing, tmp_path) == []
    expected = [f"f{n}" for n in range(8, 0, -1)]
    assert [head[4:6] for head in heads(names["f9"], tmp_path)] == expected
