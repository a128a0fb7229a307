"""Samples of a user's own are looked at before they are used, one array for each input."""

import re
import zipfile

import numpy as np
import pytest

from parity.data.samples import ModelInput, Tokens, read_samples
from parity.errors import InputError

IMAGES = [ModelInput("x", (None, 5, 3))]
TOKENS = [ModelInput("t", (6,), "tokens", tokens=(Tokens(0, 10),))]
FLAGS = [ModelInput("rows/0", (3,)), ModelInput("known", (3,), "booleans")]


def of_file(folder, inputs=IMAGES, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return read_samples(folder / "data.npz", inputs)


ROWS = np.zeros((7, 4, 5, 3))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"a": ROWS, "b": ROWS},
            "it has a, b; expected x, or x_train, the input of the model, and",
        ),
        ({}, "it has no arrays; expected x, or x_train"),
        ({"x": ROWS, "y": np.zeros(6)}, "x of shape (7, 4, 5, 3) and y of shape (6,)"),
        ({"x": ROWS[:0], "y": np.zeros(0)}, "x of shape (0, 4, 5, 3)"),
        ({"x": ROWS[:, :, :4], "y": np.zeros(7)}, "of shape (None, 5, 3)"),
        ({"x": ROWS[..., 0], "y": np.zeros(7)}, "of shape (None, 5, 3)"),
        ({"x": np.array(1.0), "y": np.zeros(7)}, "x of shape ()"),
        ({"x": ROWS, "y": np.array(1.0)}, "y of shape ()"),
        ({"x": ROWS, "y_a": np.zeros(7), "y_b": np.zeros(8)}, "y_b of shape (8,); expected the"),
        ({"x": ROWS * np.nan, "y": np.zeros(7)}, "x has values that are not finite numbers"),
        ({"x": ROWS, "y": np.full(7, np.inf)}, "y has values that are not finite numbers"),
        ({"x": ROWS.astype(str), "y": np.zeros(7)}, "x has values that are not finite numbers"),
        ({"x": ROWS, "y": np.full(7, "cat")}, "y has values that are not finite numbers"),
        ({"x": ROWS.astype(complex), "y": np.zeros(7)}, "x has values that are not finite"),
        ({"x": ROWS.astype(object), "y": np.zeros(7)}, "stores x as Python objects"),
    ],
    ids=[
        *["other_names", "nothing", "lengths", "empty", "side", "axes", "scalar", "scalar_y"],
        *["lengths_of_two", "nan", "infinite_y", "text", "text_y", "complex", "objects"],
    ],
)
def test_a_file_that_does_not_fit_is_refused(arrays, message, tmp_path):
    with pytest.raises(InputError, match=re.escape(message)):
        of_file(tmp_path, **arrays)


@pytest.mark.parametrize("values", [[-1, 0], [11, 0], [0.5, 0]], ids=["negative", "large", "half"])
def test_what_is_no_token_is_refused(values, tmp_path):
    x = np.resize(values, (2, 6))
    with pytest.raises(InputError, match=re.escape("not tokens in [0, 11)")):
        of_file(tmp_path, TOKENS, x=x, y=np.zeros(2))
    ((found,), _) = of_file(tmp_path, TOKENS, x=np.full((2, 6), 10.0), y=np.zeros(2))
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, 10)


def test_several_inputs_have_their_names_in_the_file(tmp_path):
    """Those of the file that train.py of a port takes."""
    rows, known, y = np.ones((4, 3)) / 2, np.eye(4, 3), np.arange(4)
    given = {"x_rows.0": rows, "x_known": known, "y": y, "weight": y, "x_known_val": known[:1]}
    found, targets = of_file(tmp_path, FLAGS, **given)
    np.testing.assert_array_equal(found[0], rows)
    np.testing.assert_array_equal(found[1], known == 1)
    assert [array.dtype for array in found] == [np.float64, bool]
    np.testing.assert_array_equal(targets[""], y)
    expected = "it has x, y; expected x_rows.0, x_known, the inputs of the model, and y, or y_ with"
    with pytest.raises(InputError, match=re.escape(expected)):
        of_file(tmp_path, FLAGS, x=rows, y=y)
    with pytest.raises(InputError, match=re.escape("x_known of shape (4,); expected samples of")):
        of_file(tmp_path, FLAGS, **{"x_rows.0": rows, "x_known": y, "y": y})


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\5\6" + bytes(18)], ids=repr)
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(InputError):
        read_samples(tmp_path / "data.npz", IMAGES)


def test_an_archive_that_fills_the_memory_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, bytes(2**24))
    with pytest.raises(InputError, match=r"compressed \d+ times"):
        read_samples(tmp_path / "data.npz", IMAGES)
