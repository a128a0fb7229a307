"""What `data` of a program may say, and what `fit` gets of it."""

import re

import numpy as np
import pytest

from parity.data.load import program_data
from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)
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


def same(found, expected):
    assert list(found) == list(expected)
    for name, value in expected.items():
        parts = (value,) if isinstance(value, np.ndarray) else value
        ours = (found[name],) if isinstance(value, np.ndarray) else found[name]
        assert all(np.array_equal(a, b) for a, b in zip(ours, parts, strict=True))


def test_without_data_fit_gets_none(tmp_path):
    assert data_of(None, tmp_path) == {}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("pair", {"x": X, "y": Y}),
        ("weighted", {"x": X, "y": Y, "sample_weight": Y + 1.0}),
        ("pairs", {"x": X, "y": Y, "validation_data": (X[:2], Y[:2])}),
        ("mapping", {"x": X, "y": Y, "validation_data": (X[:2], Y[:2])}),
    ],
)
def test_a_function_returns_arrays_in_the_forms_of_keras(function, expected, tmp_path):
    same(data_of(f"source.py:{function}", tmp_path), expected)


def test_arguments_of_fit_pass_as_they_are(tmp_path):
    found = data_of("source.py:fit", tmp_path)
    assert [part.shape for part in found["x"]] == [(6, 2), (6, 2)]
    assert set(found) == {"x", "y", "validation_data"}


def test_an_archive_has_the_names_of_keras(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_val=X[:3], y_val=Y[:3], other=Y)
    same(data_of("a.npz", tmp_path), {"x": X, "y": Y, "validation_data": (X[:3], Y[:3])})
    np.savez(tmp_path / "b.npz", x=X, y=Y)
    same(data_of("b.npz", tmp_path), {"x": X, "y": Y})


def test_a_source_of_images_is_split(tmp_path):
    found = data_of("embedded", tmp_path, train_size=30, val_size=10)
    assert found["x"].shape == (30, 28, 28, 1)
    assert len(found["validation_data"][1]) == 10


@pytest.mark.parametrize(
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
