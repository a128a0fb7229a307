"""The file of data of a training: what is wrong with it is told in one line before it begins."""

import pickle
import zipfile

import numpy as np
import pytest
from covering import one_test

from torch_impl.data_file import (
    any_input,
    any_targets,
    is_validated,
    label_targets,
    opened,
    output_weights,
    real_input,
    refuse_weights,
    row_targets,
    sample_weight,
    tell_unweighted,
    training_parser,
    validation_share,
    value_targets,
    whole_input,
)

N = 6
IMAGES = np.linspace(0, 1, N * 4 * 5 * 3).reshape(N, 4, 5, 3)
LABELS = np.arange(N) % 3
ROWS = np.eye(3)[LABELS]
COLUMN = np.linspace(-1, 1, N)[:, None]


def with_nan(array, sample):
    array = array.copy()
    array[sample] = np.nan
    return array


def told(call, *given, **named):
    """The line that ends the program."""
    with pytest.raises(SystemExit) as ended:
        call(*given, **named)
    text = str(ended.value)
    assert "\n" not in text
    assert "expected" in text
    return text


# --- arrays --------------------------------------------------------------------------------------

RIGHT = {
    "an image": (real_input, IMAGES, (4, 5, 3)),
    "an image of any size": (real_input, IMAGES, (None, None, 3)),
    "tokens": (whole_input, LABELS, (), 3),
    "tokens as real numbers": (whole_input, LABELS.astype(float), (), 3),
    "truth values": (any_input, LABELS > 0, ()),
    "labels": (label_targets, LABELS, (), 3),
    "labels in a column": (label_targets, LABELS[:, None], (), 3),
    "labels as real numbers": (label_targets, LABELS.astype("float32"), (), 3),
    "labels with one that does not count": (label_targets, LABELS - 1, (), 2, -1),
    "rows": (row_targets, ROWS, (3,)),
    "values": (value_targets, COLUMN, (1,)),
    "values without the last axis": (value_targets, COLUMN[:, 0], (1,)),
    "values with one more axis": (value_targets, COLUMN[..., None], (1,)),
    "values that are broadcast": (value_targets, COLUMN, (3,)),
    "values that are broadcast to": (value_targets, ROWS, (1,)),
    "values of an open side": (value_targets, IMAGES, (4, None, 3)),
    "targets of a loss by hand": (any_targets, IMAGES),
    "weights": (sample_weight, COLUMN[:, 0], ()),
    "weights in a column": (sample_weight, COLUMN, ()),
    "weights of steps": (sample_weight, IMAGES[..., 0], (4, 5)),
    "weights of samples of steps": (sample_weight, COLUMN[:, 0], (4, 5)),
    "weights of a loss by hand": (sample_weight, IMAGES),
}


@one_test
@pytest.mark.parametrize("case", RIGHT)
def test_what_keras_takes_is_taken(case):
    call, array, *given = RIGHT[case]
    np.testing.assert_array_equal(call({"x": array}, "x", *given), array)


WRONG = {
    "channels first": (
        (real_input, IMAGES.transpose(0, 3, 1, 2), (4, 5, 3)),
        r"x has the shape \(6, 3, 4, 5\): expected \(N, 4, 5, 3\); .* np.moveaxis\(x, 1, -1\)",
    ),
    "channels last": (
        (real_input, IMAGES, (3, 4, 5)),
        r"expected \(N, 3, 4, 5\); channels go first by np.moveaxis\(x, -1, 1\)",
    ),
    "channels first of any size": (
        (real_input, IMAGES.transpose(0, 3, 1, 2), (None, None, 3)),
        r"expected \(N, \?, \?, 3\); channels go last",
    ),
    "a flat image": ((real_input, IMAGES.reshape(N, -1), (4, 5, 3)), r"x.reshape\(-1, 4, 5, 3\)"),
    "one image": ((real_input, IMAGES[0], (4, 5, 3)), r"an array of samples by x\[None\]"),
    "another rank": ((real_input, COLUMN, (4, 5, 3)), r"\(6, 1\): expected \(N, 4, 5, 3\); give x"),
    "another size": ((real_input, IMAGES, (4, 4, 3)), r"expected \(N, 4, 4, 3\); give x as"),
    "NaN": ((real_input, with_nan(IMAGES, 2), (4, 5, 3)), "NaN .* in 1 of 6 .* first in sample 2"),
    "NaN in tokens": ((whole_input, with_nan(COLUMN[:, 0], 1), (), 3), "first in sample 1"),
    "fractions": ((whole_input, COLUMN, (1,)), "x has -0.6.*: expected whole numbers"),
    "tokens beyond": (
        (whole_input, LABELS, (), 2),
        r"from 0 to 2: expected 0 to 1, .*Embedding\(2",
    ),
    "tokens below 0": ((whole_input, LABELS - 1, (), 9), "from -1 to 1: expected 0 to 8"),
    "one-hot rows": ((label_targets, ROWS, (), 3), r"expected \(N,\); .* by x.argmax\(-1\)"),
    "labels of another shape": ((label_targets, IMAGES, (), 3), r"expected \(N,\); give x as"),
    "labels below 0": ((label_targets, LABELS - 1, (), 3), "from -1 to 1: expected 0 to 2"),
    "labels from 1": ((label_targets, LABELS + 1, (), 3), "from 1 to 3: expected 0 to 2, .* x - 1"),
    "labels beyond": ((label_targets, LABELS, (), 2), "expected 0 to 1, the 2 classes"),
    "fractions of labels": ((label_targets, COLUMN, (), 3), "expected whole numbers"),
    "labels for rows": (
        (row_targets, LABELS, (3,)),
        r"x has the shape \(6,\): expected \(N, 3\); .* np.eye\(3\)\[x.astype\(int\)\]",
    ),
    "a column for rows": ((row_targets, LABELS[:, None], (3,)), r"np.eye\(3\)"),
    "rows of another width": ((row_targets, ROWS, (4,)), r"expected \(N, 4\); give x as"),
    "NaN in rows": ((row_targets, with_nan(ROWS, 0), (3,)), "NaN"),
    "values of another width": ((value_targets, ROWS, (2,)), r"expected \(N, 2\)"),
    "labels for values": ((value_targets, LABELS, (3,)), r"\(6,\): expected \(N, 3\)"),
    "values not broadcast": ((value_targets, ROWS, (1,), False), r"\(6, 3\): expected \(N, 1\)"),
    "NaN in values": ((value_targets, with_nan(COLUMN, 3), (1,)), "first in sample 3"),
    "infinite values": (
        (value_targets, np.full((N, 1), -np.inf), (1,)),
        "infinite numbers in 6 of 6",
    ),
    "weights of other steps": ((sample_weight, ROWS, (4,)), r"expected \(N,\) or \(N, 4\)"),
    "NaN in weights": ((sample_weight, with_nan(COLUMN, 3)), "first in sample 3"),
}


@one_test
@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_told_in_one_line_with_what_to_do(case):
    (call, array, *given), text = WRONG[case]
    with pytest.raises(SystemExit, match=text) as ended:
        call({"x": array}, "x", *given)
    assert "\n" not in str(ended.value)


def test_an_input_becomes_what_keras_makes_of_it():
    """Bytes are real numbers; a last axis of 1 is added or dropped; tokens are whole."""
    bytes_ = np.arange(6, dtype=np.uint8)
    assert real_input({"x": bytes_}, "x", ()).dtype == np.float32
    assert real_input({"x": np.arange(6)}, "x", ()).dtype == np.float64
    assert real_input({"x": bytes_}, "x", (1,)).shape == (6, 1)
    assert real_input({"x": bytes_[:, None]}, "x", ()).shape == (6,)
    assert whole_input({"x": bytes_.astype("float32")}, "x", (), 6).dtype == np.int64


# --- weights -------------------------------------------------------------------------------------


def test_weights_are_those_of_all_outputs_or_of_each_or_none():
    weight = np.ones(N)
    assert output_weights(None, {"a": None, "b": None}) is None
    assert output_weights(weight, {"a": None, "b": None}) is weight
    assert output_weights(None, {"a": None, "b": weight}) == {"b": weight}
    assert "such for b alone: expected one of them" in told(output_weights, weight, {"b": weight})


def test_weights_beside_those_of_the_program_are_told(capsys):
    with pytest.raises(SystemExit, match="Keras takes one of them"):
        refuse_weights({"x": COLUMN, "weight_val": COLUMN})
    refuse_weights({"x": COLUMN})
    tell_unweighted({"x": COLUMN, "weight": COLUMN})
    assert capsys.readouterr().err == ""
    tell_unweighted({"x": COLUMN})
    assert "all samples count alike" in capsys.readouterr().err


# --- the file ------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    """Writes arrays, and returns the path."""

    def write(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return write


def test_a_file_is_opened_with_the_arrays_that_are_used(file, capsys):
    path = file(x=IMAGES, y=LABELS, x_val=IMAGES[:2], y_val=LABELS[:2], wieght=LABELS)
    arrays = opened(path, ["x", "y"], ["weight"])
    assert list(arrays) == ["x", "y", "x_val", "y_val"]
    np.testing.assert_array_equal(arrays["x_val"], IMAGES[:2])
    assert capsys.readouterr().err == "not used: wieght\n"
    assert (is_validated(arrays), is_validated({"x": IMAGES})) == (True, False)


ARRAYS = {
    "lacking": ({"x": IMAGES}, "no y: expected x, y, and found x"),
    "lacking in the validation": (
        {"x": IMAGES, "y": LABELS, "weight_val": LABELS},
        "no x_val: expected x, y, x_val, y_val, and found x, y, weight_val",
    ),
    "of other lengths": (
        {"x": IMAGES, "y": LABELS[1:]},
        "x has 6, y has 5: expected as many in each",
    ),
    "weights of another length": (
        {"x": IMAGES, "y": LABELS, "weight": LABELS[1:]},
        "weight has 5",
    ),
    "validation of other lengths": (
        {"x": IMAGES, "y": LABELS, "x_val": IMAGES, "y_val": LABELS[2:]},
        "x_val has 6, y_val has 4",
    ),
    "without samples": ({"x": IMAGES[:0], "y": LABELS[:0]}, r"x has the shape \(0, 4, 5, 3\)"),
    "a number": ({"x": IMAGES, "y": np.array(3)}, r"y has the shape \(\): expected at least one"),
    "text": ({"x": IMAGES, "y": np.array(["a"] * N)}, "y has the dtype <U1: expected numbers"),
    "dates": ({"x": np.zeros(N, "datetime64[D]"), "y": LABELS}, "x has the dtype datetime64"),
    "complex": ({"x": IMAGES + 1j, "y": LABELS}, "x has the dtype complex128"),
    "objects": (
        {"x": IMAGES, "y": np.array([[1], [2, 3]] * 3, dtype=object)},
        "y holds Python objects: expected one array of numbers",
    ),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_make_no_training_are_told_in_one_line(file, case):
    arrays, text = ARRAYS[case]
    with pytest.raises(SystemExit, match=text) as ended:
        opened(file(**arrays), ["x", "y"], ["weight"])
    assert "\n" not in str(ended.value)


def test_a_file_that_is_none_is_told_in_one_line(tmp_path, file):
    """It may be missing, a folder, a text, one array, a pickle, or cut off."""
    whole = file(x=IMAGES, y=LABELS).read_bytes()
    names = {
        "text.txt": b"no numbers",
        "empty.npz": b"",
        "cut.npz": whole[: len(whole) // 2],
        "pickle.npz": pickle.dumps({"x": [1]}),
    }
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
        assert f"{name}: expected a .npz file" in told(opened, tmp_path / name, ["x"])
    np.save(tmp_path / "one.npy", IMAGES)
    assert "one.npy: expected a .npz file" in told(opened, tmp_path / "one.npy", ["x"])
    for name in ("missing.npz", "."):
        assert "no such file: expected a .npz" in told(opened, tmp_path / name, ["x"])


def test_a_damaged_array_and_one_that_is_none_are_told(tmp_path, file):
    content = bytearray(file(x=IMAGES, y=LABELS).read_bytes())
    place = content.find(IMAGES.tobytes()[:64])
    content[place + 8] ^= 0xFF
    (tmp_path / "damaged.npz").write_bytes(content)
    assert "x is damaged" in told(opened, tmp_path / "damaged.npz", ["x", "y"])
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("x", "text")
    assert "x has the dtype <class 'bytes'>" in told(opened, tmp_path / "zip.npz", ["x"])


# --- the command line ----------------------------------------------------------------------------


def test_the_command_line_has_the_numbers_of_the_program(tmp_path):
    parser = training_parser(epochs=3, batch_size=16, validation_split=0.25)
    given = parser.parse_args([str(tmp_path / "data.npz")])
    assert (given.epochs, given.batch_size, given.validation_split) == (3, 16, 0.25)
    assert (given.seed, given.dtype, given.out) == (42, "float32", None)
    given = parser.parse_args(["d", "--validation-split", "0", "--out", str(tmp_path / "o.pt")])
    assert (given.validation_split, given.out) == (0.0, tmp_path / "o.pt")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--epochs", "0"], "--epochs: 0: expected a whole number from 1"),
        (["--batch-size", "-3"], "-3: expected a whole number from 1"),
        (["--batch-size", "1.5"], "1.5: expected a whole number from 1"),
        (["--validation-split", "1"], "1: expected a number from 0 to below 1"),
        (["--validation-split", "some"], "some: expected a number from 0 to below 1"),
        (["--out", "missing/out.pt"], "expected a file in a folder that is there"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_numbers_that_make_no_training_are_refused(arguments, text, capsys):
    parser = training_parser(epochs=3, batch_size=16, validation_split=0.0)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["data.npz", *arguments])
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


def test_a_share_for_validation_leaves_samples_on_both_sides():
    given = [({"x": IMAGES}, 0.5), ({"x": IMAGES}, 0.0), ({"x": IMAGES, "x_val": IMAGES}, 0.5)]
    assert [validation_share(*each) for each in given] == [0.5, 0.0, 0.0]
    with pytest.raises(SystemExit, match=r"--validation-split 0\.5 of 1 samples leaves none"):
        validation_share({"x": IMAGES[:1]}, 0.5)
