"""The source that a port quotes: its text, its line, and a path without the machine's folders."""

import runpy
import textwrap

from rows import each_row

from parity.halves.keras.check.quoted_code import quoted


def written(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


CLASS = '''
import functools


class Own:
    """Own."""

    def call(self, x):
        return x


def apply(x):
    return x + 1


double = lambda x: 2 * x
'''


def test_a_class_of_a_script_that_has_ended_is_quoted_from_its_file(tmp_path):
    found = runpy.run_path(str(written(tmp_path, "app/train.py", CLASS)), run_name="__main__")
    told = quoted(found["Own"], tmp_path)
    assert (told["file"], told["line"]) == ("app/train.py", 5)
    assert told["text"].splitlines()[0] == "class Own:"
    assert told["text"].splitlines()[-1] == "        return x"


@each_row(
    "name, told",
    [
        ("site-packages/theirs/layers.py", "theirs/layers.py"),
        ("secret/layers.py", "layers.py"),
    ],
)
def test_a_file_elsewhere_is_named_without_its_folder(name, told, tmp_path):
    own = runpy.run_path(str(written(tmp_path, name, CLASS)))["Own"]
    assert quoted(own, tmp_path / "mine")["file"] == told


def test_of_a_long_class_the_call_is_quoted(tmp_path):
    long = CLASS.replace('"""Own."""', '"""Own."""\n' + "    a = 1\n" * 200)
    told = quoted(runpy.run_path(str(written(tmp_path, "train.py", long)))["Own"], tmp_path)
    assert told["text"] == "def call(self, x):\n    return x"


def test_what_no_file_has_is_not_quoted(tmp_path):
    nothing = {"file": "", "line": 0, "text": "", "values": {}}
    assert quoted(len, tmp_path) == nothing
    assert quoted(type("Made", (), {}), tmp_path) == nothing
