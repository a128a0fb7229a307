"""Samples of a user's own are looked at before they are used, one array for each input."""

import io
import re
import zipfile

import numpy as np
import pytest
from rows import each_row

from parity.data.samples import ModelInput, Tokens, read_samples
from parity.errors import InputError

IMAGES = [ModelInput("x", (None, 5, 3))]
TOKENS = [ModelInput("t", (6,), "tokens", tokens=(Tokens(0, 10),))]
FLAGS = [ModelInput("rows/0", (3,)), ModelInput("known", (3,), "booleans")]


def of_file(folder, inputs=IMAGES, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return read_samples(folder / "data.npz", inputs)


def bomb():
    """An archive that is compressed many times."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, bytes(2**24))
    return content.getvalue()


ROWS, HALVES = np.zeros((7, 4, 5, 3)), np.full((4, 3), 0.5)


@each_row(
    ("inputs", "arrays", "message"),
    [
        *(
            (IMAGES, arrays, message)
            for arrays, message in (
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
                (
                    {"x": ROWS, "y_a": np.zeros(7), "y_b": np.zeros(8)},
                    "y_b of shape (8,); expected the",
                ),
                *(
                    ({"x": x, "y": np.zeros(7)}, "x has values that are not finite numbers")
                    for x in (ROWS * np.nan, ROWS.astype(str), ROWS.astype(complex))
                ),
                *(
                    ({"x": ROWS, "y": np.full(7, y)}, "y has values that are not finite numbers")
                    for y in (np.inf, "cat")
                ),
                ({"x": ROWS.astype(object), "y": np.zeros(7)}, "stores x as Python objects"),
            )
        ),
        *(
            (TOKENS, {"x": np.resize(values, (2, 6)), "y": np.zeros(2)}, "not tokens in [0, 11)")
            for values in ([-1, 0], [11, 0], [0.5, 0])
        ),
        (
            FLAGS,
            {"x": np.ones((4, 3)), "y": np.arange(4)},
            "it has x, y; expected x_rows.0, x_known, the inputs of the model, and y, or y_ with",
        ),
        (
            FLAGS,
            {"x_rows.0": np.ones((4, 3)), "x_known": np.arange(4), "y": np.arange(4)},
            "x_known of shape (4,); expected samples of",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(inputs, arrays, message, tmp_path):
    with pytest.raises(InputError, match=re.escape(message)):
        of_file(tmp_path, inputs, **arrays)


# The file has more than what the model takes, as that which train.py of a port takes.
@each_row(
    ("inputs", "given", "expected"),
    [
        (TOKENS, {"x": np.full((2, 6), 10.0)}, [np.full((2, 6), 10)]),
        (
            FLAGS,
            {"x_rows.0": HALVES, "x_known": np.eye(4, 3), "weight": HALVES, "x_known_val": HALVES},
            [HALVES, np.eye(4, 3) == 1],
        ),
    ],
)
def test_each_input_is_found_by_its_name_in_the_dtype_of_its_kind(
    inputs, given, expected, tmp_path
):
    y = np.arange(len(expected[0]))
    found, targets = of_file(tmp_path, inputs, **given, y=y)
    for array, wanted in zip([*found, targets[""]], [*expected, y], strict=True):
        assert array.dtype == wanted.dtype
        np.testing.assert_array_equal(array, wanted)


@each_row(
    ("content", "message"),
    [
        *((content, "data.npz") for content in (b"", b"no archive", b"PK\5\6" + bytes(18))),
        (bomb(), r"compressed \d+ times"),
    ],
)
def test_what_is_no_archive_or_fills_the_memory_is_refused(content, message, tmp_path):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_samples(tmp_path / "data.npz", IMAGES)
