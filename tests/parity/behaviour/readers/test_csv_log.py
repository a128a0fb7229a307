"""Reading CSVLogger's files: what Keras writes is what comes back, cut, appended or edited."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_files import read, read_or_refused, refused

from parity.behaviour.readers.history import read_history

nan = math.nan


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.csv"


@pytest.fixture(scope="session")
def fit(tmp_path_factory):
    """Trains a small net with a CSVLogger; returns its file and `History.history`."""
    import keras

    def run(*, path=None, append=False, epochs=3, extra=(), **options):
        path = path or tmp_path_factory.mktemp("csv") / "log.csv"
        keras.utils.set_random_seed(0)  # not every start diverges where a test wants it to
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # What is logged comes from the same callbacks; to trace takes longer than to train.
        model.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)
        x, y = np.random.default_rng(0).random((12, 4)), np.arange(12) % 3
        callbacks = [*extra, keras.callbacks.CSVLogger(str(path), append=append)]
        fitted = model.fit(x, y, epochs=epochs, verbose=0, callbacks=callbacks, **options)
        return path, fitted.history

    run.x, run.y = np.random.default_rng(1).random((6, 4)), np.arange(6) % 3
    return run


SEPARATORS = [",", ";", "\t", "|", ":", " "]


@pytest.fixture(scope="session")
def separated(fit, tmp_path_factory):
    """The file of each separator, all written in one fit, and its history."""
    import keras

    folder = tmp_path_factory.mktemp("separators")
    paths = {separator: folder / f"{ord(separator)}.csv" for separator in SEPARATORS}
    loggers = [keras.callbacks.CSVLogger(str(path), each) for each, path in paths.items()]
    _, history = fit(extra=loggers, validation_data=(fit.x, fit.y))
    return paths, history


def test_what_keras_writes_is_its_history(separated):
    paths, history = separated
    assert all(each in path.read_text().splitlines()[0] for each, path in paths.items())
    assert [read_history(path) for path in paths.values()] == [history] * len(SEPARATORS)


def test_without_validation_the_columns_that_keras_fills_with_na_are_left_out(fit):
    path, history = fit()
    assert "val_loss" in path.read_text().splitlines()[0]
    assert (read_history(path), set(history)) == (history, {"loss", "accuracy"})


def test_an_appended_fit_follows_the_first(fit):
    path, first = fit(append=True)
    _, second = fit(path=path, append=True, epochs=2)
    assert [line[0] for line in path.read_text().splitlines() if line] == list("e01201")
    assert read_history(path) == {name: first[name] + second[name] for name in first}


def test_every_cut_of_a_file_gives_the_epochs_before_it(separated, path):
    content, history = separated[0][","].read_bytes(), separated[1]
    ends = [position for position, byte in enumerate(content) if byte == ord("\r")]
    for keep in range(ends[1] + 1, len(content) + 1):
        path.write_bytes(content[:keep])
        whole = sum(end < keep for end in ends) - 1
        expected = {name: column[:whole] for name, column in history.items()}
        assert read_history(path) == expected, keep


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss,val_loss\n0,1.5,2\n1,0.5,NA\n",
        "epoch,loss,val_loss\n0,1.5,2\n1,0.5,\n",
        "epoch,loss,val_loss\n0,1.5,2\n1,0.5,",  # an editor took the end of the line
        "epoch,loss,val_loss\n0,1.5,2\n1,0.5,nan\n2,0.2",
        "epoch,loss,val_loss\r\r\n0,1.5,2\r\r\n1,0.5,NA\r\r\n",  # Keras on Windows
        "\ufeffepoch;loss;val_loss\r\n0;1.5;2\r\n1;0.5;NA\r\n",
        'epoch, loss, "val_loss"\n\n0, 1.5, 2\n1, 0.5, NA\n\n',
        "epoch,loss,val_loss\n0,1.5,2\nepoch,loss,val_loss\n0,0.5,NA\n",
        ",loss,val_loss\n0,1.5,2.0\n1,0.5,\n",
        "Unnamed: 0\tloss\tval_loss\n0\t1.5\t2.0\n1\t0.5\t\n",
        "loss,val_loss\n1.5,2\n0.5,NA\n",
        'epoch,f1,loss,val_loss\n0,"[0.5, 0.25]",1.5,2\n1,"[1, 2]",0.5,NA\n',
    ],
)
def test_files_from_other_hands_are_read(path, text):
    np.testing.assert_equal(read(path, text), {"loss": [1.5, 0.5], "val_loss": [2.0, nan]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("epoch,loss\n", "has no epoch"),
        ("epoch,loss\r\n0,0.", "has no epoch"),
        ("epoch\n0\n1\n", "no column of numbers"),
        ('epoch,f1\n0,"[1, 2]"\n', "no column of numbers"),
        ("epoch,loss\n0,NA\n", "no number in any epoch"),
        ("0,1.5\n1,0.5\n", "instead of the header of a CSV file"),
        ("epoch,loss,loss\n0,1,2\n", "instead of the header of a CSV file"),
        ('""\n', "instead of the header of a CSV file"),
        ("<html><body>Not found</body></html>\n", "has no epoch"),
        ("epoch,loss\n0,1.5\n1\n2,0.5\n", "has 1 cells in line 3, its header 2"),
        ("epoch,loss\n0,1,5\n", "has 3 cells in line 2, its header 2"),
        ("epoch,loss\n0,True\n", "has 'True' under 'loss' in line 2"),
        ("epoch;loss\n0;1,5\n", "has '1,5' under 'loss' in line 2"),
        ("epoch,loss\n0,1.5\nloss,epoch\n", "has 'loss' under 'epoch' in line 3"),
        (f"epoch,loss\n0,1{'0' * 400}\n", "under 'loss' in line 2"),
        (f"epoch,loss\n0,{'x' * 200_000}\n", "field larger than field limit"),
    ],
)
def test_what_is_no_table_of_epochs_is_refused(path, text, reason):
    assert reason in refused(path, text)


cells = st.sampled_from(["epoch", "loss", "acc", "0", "1e5", "NA", "", "nan", "[1, 2]", '"', "x"])
ends = st.sampled_from(["\n", "\r\n", "\r\r\n", "\r"])


@given(st.lists(st.lists(cells, max_size=3), max_size=5), st.sampled_from(",;\t: "), ends)
def test_any_table_is_read_or_refused(tmp_path_factory, rows, separator, end):
    text = end.join(separator.join(row) for row in rows)
    read_or_refused(tmp_path_factory.mktemp("fuzz") / "log.csv", text)
