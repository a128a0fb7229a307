"""What is accepted as data, and that everything else is refused with a way out."""

import numpy as np
import pytest
from rows import each_row

from parity.data.dataset import MAX_CLASSES
from parity.data.sources import check_arrays, open_source
from parity.errors import InputError


def arrays(**changes):
    """A data set of six training and three test images, 2 by 2, classes 0..2."""
    return {
        "x_train": np.arange(24, dtype=np.uint8).reshape(6, 2, 2),
        "y_train": np.array([0, 1, 2, 0, 1, 2], np.uint8),
        "x_test": np.arange(12, dtype=np.uint8).reshape(3, 2, 2),
        "y_test": np.array([2, 1, 0], np.uint8),
    } | changes


def pixels(value, count=6):
    """Images of float32, of which one pixel is not 0."""
    images = np.zeros((count, 2, 2), np.float32)
    images[1, 0, 1] = value
    return images


REFUSED = [
    ({"x_train": pixels(255.0)}, "up to 255.*divide.*uint8"),
    *(
        ({"x_test": pixels(value, 3)}, "x_test of mine.npz has pixels that are NaN or infinite")
        for value in (np.nan, np.inf, -np.inf)
    ),
    ({"x_train": pixels(-0.5)}, "down to -0.5"),
    *(
        ({"x_train": np.zeros((6, 2, 2), dtype)}, "expected uint8")
        for dtype in ("int64", "bool", "complex64", "U3")
    ),
    *(
        ({"x_train": np.zeros(shape, np.uint8)}, r"\(N, H, W\)")
        for shape in ((6, 4), (6, 2, 2, 1, 1), (6, 0, 2), (0, 2, 2), ())
    ),
    ({"x_test": np.zeros((3, 2, 3), np.uint8)}, r"\(2, 2, 1\) in x_train but \(2, 3, 1\)"),
    ({"y_train": np.array([0, 1, 2, 0, 1])}, "6 images but y_train has 5 labels"),
    *(({"y_train": np.ones(6, d)}, "integer labels") for d in ("float32", "bool", "U1")),
    ({"y_train": np.eye(6, dtype=np.int64)}, "argmax"),
    ({"y_test": np.zeros(0, np.int64)}, "is empty"),
    *(
        ({"y_train": np.array([0, 1, 2, 0, 1, label])}, f"{label}")
        for label in (-1, MAX_CLASSES, 2**62)
    ),
    *(({"y_train": np.full(6, n)}, rf"one class only \(label {n}\)") for n in (0, 5)),
]


@each_row(("changes", "message"), REFUSED)
def test_arrays_that_are_no_data_are_refused_with_a_way_out(changes, message):
    with pytest.raises(InputError, match=rf"\A(?=.*mine\.npz)(?=.*expected).*{message}.*\Z"):
        check_arrays(arrays(**changes), "mine.npz")


@each_row(
    ("name", "message"),
    [
        *(
            (name, "does not exist; expected embedded, mnist, a folder")
            for name in ("nothing", "nothing.npz", "folder/nothing")
        ),
        ("data.csv", "another kind"),
    ],
)
def test_what_is_no_source_is_refused_with_the_choices(name, message, tmp_path):
    (tmp_path / "data.csv").write_text("1,2,3")
    with pytest.raises(InputError, match=message):
        open_source(tmp_path / name)


def test_images_of_an_archive_get_a_channel_and_labels_become_int64(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays())
    for source, name in ((check_arrays(arrays(), "mine"), "mine"), (open_source(path), str(path))):
        assert (source.x_train.shape, source.x_train.dtype) == ((6, 2, 2, 1), np.uint8)
        assert (source.y_test.dtype, source.y_test.tolist()) == (np.int64, [2, 1, 0])
        assert (source.num_classes, source.name) == (3, name)
