"""What `data` of a program may say, and what `fit` gets of it."""

import re

import numpy as np
import pytest
from rows import each_row

from parity.data.load import program_data
from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)
PLAIN = {"x": X, "y": Y}
VALIDATED = {**PLAIN, "validation_data": (X[:2], Y[:2])}


SOURCE = """
import numpy as np
x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
def pair(): return x, y
def weighted(): return x, y, y + 1.0
def pairs(): return (x, y), (x[:2], y[:2])
def mapping(): return {"x_train": x, "y_train": y, "x_val": x[:2], "y_val": y[:2]}
def fit(): return {"x": (x, x), "y": y, "validation_data": ((x, x), y)}
def nothing(): return None
def part(): return (x, y), (x,)
def other(): return {"images": x}
"""


def data_of(name, tmp_path, **settings):
    (tmp_path / "source.py").write_text(SOURCE)
    return program_data(ProgramSpec(data=name, folder=str(tmp_path), **settings))


@each_row(
    ("name", "expected"),
    [
        (None, {}),
        ("source.py:pair", PLAIN),
        ("source.py:weighted", {**PLAIN, "sample_weight": Y + 1.0}),
        ("source.py:pairs", VALIDATED),
        ("source.py:mapping", VALIDATED),
        # Arguments of `fit` pass as they are.
        ("source.py:fit", {"x": (X, X), "y": Y, "validation_data": ((X, X), Y)}),
        ("a.npz", VALIDATED),
        ("b.npz", PLAIN),
    ],
)
def test_a_function_or_an_archive_has_arrays_in_the_forms_of_keras(name, expected, tmp_path):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_val=X[:2], y_val=Y[:2], other=Y)
    np.savez(tmp_path / "b.npz", **PLAIN)
    found = data_of(name, tmp_path)
    assert list(found) == list(expected)
    np.testing.assert_equal(found, expected)


def test_a_source_of_images_is_split(tmp_path):
    found = data_of("embedded", tmp_path, train_size=30, val_size=10)
    assert (found["x"].shape, len(found["validation_data"][1])) == ((30, 28, 28, 1), 10)


@each_row(
    ("name", "message"),
    [
        ("source.py:nothing", "returned NoneType; expected (x, y), ((x, y), (x_val, y_val)), or a"),
        ("source.py:part", "returned a part of 1 arrays; expected (x, y) or (x, y, weight)"),
        ("source.py:other", "has images; expected x_train and y_train, or x and y"),
        ("gone.npz", "data='gone.npz': there is no such file"),
        ("unnamed.npz", "data='unnamed.npz' has a, b; expected x_train and y_train, or x and y"),
        ("source.py:gone", "source.py has no 'gone'"),
    ],
)
def test_what_is_no_data_is_told(name, message, tmp_path):
    np.savez(tmp_path / "unnamed.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(InputError, match=re.escape(message)):
        data_of(name, tmp_path)
