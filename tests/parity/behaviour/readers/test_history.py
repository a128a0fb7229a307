"""Reading a training history: every form that users have is read, and nothing else is."""

import json
import math
import os
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from helpers import refusal
from hypothesis import given
from hypothesis import strategies as st
from read_files import read, read_or_refused, written

from parity.behaviour.readers import history
from parity.behaviour.readers.history import read_history
from parity.behaviour.readers.tables import keras_names
from parity.errors import InputError
from parity.traces.trace import RunResult, TraceWriter

HISTORY = {
    "loss": [0.9, 0.5, 0.25],
    "accuracy": [0.5, 0.625, 0.75],
    "val_loss": [1.0, 0.75, 0.5],
    "val_accuracy": [0.25, 0.5, 0.75],
    "learning_rate": [0.01, 0.01, 0.001],
}
LOGS = [{name: HISTORY[name][epoch] for name in HISTORY} for epoch in range(3)]
nan = math.nan


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.json"


def refused(path):
    message = refusal(read_history, path)
    assert "; expected " in message
    return message


@pytest.mark.parametrize(
    "content",
    [
        HISTORY,
        {"history": HISTORY, "params": {"epochs": 3, "steps": 7}, "epoch": [0, 1, 2]},
        LOGS,
        {"history": LOGS},
        {**HISTORY, "epoch": [0, 1, 2]},
        pd.DataFrame(HISTORY).to_json(),
        pd.DataFrame(HISTORY).to_json(orient="records"),
        pd.DataFrame(HISTORY).rename_axis("epoch").reset_index().to_json(),
        "\ufeff" + json.dumps(HISTORY, indent=2).replace("\n", "\r\n"),
    ],
    ids=[
        "history",
        "with_params",
        "logs",
        "logs_inside",
        "with_epochs",
        "pandas",
        "pandas_records",
        "pandas_with_epochs",
        "from_windows",
    ],
)
def test_json_of_every_form_is_the_history(path, content):
    assert read(path, content) == HISTORY


def test_epochs_that_pandas_writes_as_text_are_ordered_as_numbers(path):
    losses = np.linspace(2, 1, 12)
    frame = pd.DataFrame({"loss": losses}, index=range(12)).sort_index(key=lambda i: i.astype(str))
    assert list(json.loads(frame.to_json())["loss"])[:3] == ["0", "1", "10"]
    np.testing.assert_allclose(read(path, frame.to_json())["loss"], losses, rtol=1e-9)


def test_a_pipe_is_read_as_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(json.dumps(HISTORY),))
    writer.start()
    assert read_history(pipe) == HISTORY
    writer.join()


@pytest.mark.parametrize("name", ["half", "half/history.json"])
def test_a_half_of_a_run_directory_is_read_with_its_infinite_numbers(tmp_path, name):
    history = {"loss": [1.0, math.inf], "val_loss": [2.0, -math.inf]}
    TraceWriter().write(tmp_path / "half", environment={}, result=RunResult(history, {}, 1.0))
    assert read_history(tmp_path / name) == history


def test_the_half_of_a_run_is_read_by_its_training_and_not_by_its_probes(tmp_path):
    for name, column in (("", {}), ("training", {"loss": [1.0, 0.5]})):
        TraceWriter().write(tmp_path / name, environment={}, result=RunResult(column, {}, 1.0))
    assert read_history(tmp_path) == {"loss": [1.0, 0.5]}


def test_a_value_that_was_not_measured_becomes_nan(path):
    assert str(read(path, {"loss": [3, None, 1]})) == "{'loss': [3.0, nan, 1.0]}"
    logs = [{"loss": 2}, {"loss": 1, "val_loss": 4}]
    assert str(read(path, logs)) == "{'loss': [2.0, 1.0], 'val_loss': [nan, 4.0]}"


def test_columns_of_arrays_and_columns_never_measured_are_left_out(path):
    content = {"loss": [1.0, 0.5], "f1": [[0.1, 0.2], [0.3, 0.4]], "val_loss": [None, None]}
    assert read(path, content) == {"loss": [1.0, 0.5]}


@pytest.mark.parametrize(
    ("name", "keras_name"),
    [
        ("acc", "accuracy"),
        ("binary_accuracy", "accuracy"),
        ("categorical_accuracy", "accuracy"),
        ("sparse_categorical_accuracy", "accuracy"),
        ("lr", "learning_rate"),
        ("Loss", "loss"),
        ("train_loss", "loss"),
        ("val_acc", "val_accuracy"),
        ("val_sparse_categorical_accuracy", "val_accuracy"),
        ("Val_Loss", "val_loss"),
        ("sparse_top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy"),
        ("dense_1_accuracy", "dense_1_accuracy"),
        ("val_auc", "val_auc"),
    ],
)
def test_other_names_of_the_same_number_become_those_of_keras_3(name, keras_name):
    assert keras_names({name: 1}) == {keras_name: 1}


def test_a_name_of_keras_3_wins_over_another_one_of_the_same_number(path):
    content = {"binary_accuracy": [0.1], "accuracy": [0.2], "val_acc": [0.3], "Accuracy": [0.4]}
    expected = {"binary_accuracy": [0.1], "accuracy": [0.2], "val_accuracy": [0.3]}
    assert read(path, content) == {**expected, "Accuracy": [0.4]}


def test_the_result_of_a_pair_holds_two_histories(tmp_path, path):
    result = {"schema": "parity.result/1", "history": {"keras": HISTORY, "torch": HISTORY}}
    for content in (result, result["history"], {"schema": "parity.results/1", "results": [result]}):
        assert "name the folder keras or torch of the run" in refused(written(path, content))
    path.unlink()
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "history.json").write_text("{}")
    assert "name the folder keras or torch of the run" in refused(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run_id,key,value,step\na1,loss,2.0,0\na1,val_loss,2.5,0\n", "value"),  # of MLflow
        (  # of YOLO
            "epoch,train/box_loss,train/cls_loss,metrics/mAP50(B)\n1,1.5,2.0,0.5\n",
            "train/box_loss, train/cls_loss, metrics/mAP50(B)",
        ),
        ('{"val_auc": [0.5, 0.7]}', "val_auc"),
    ],
    ids=["a row per value", "losses in parts", "another metric"],
)
def test_a_file_without_a_loss_or_accuracy_that_is_understood_is_refused(tmp_path, text, found):
    message = refused(written(tmp_path / "log.txt", text))
    assert f"has no loss or accuracy under a known name, but {found}; expected" in message


def test_a_shorter_column_is_refused_with_what_to_do(path):
    message = refused(written(path, {"loss": [3, 2, 1], "val_loss": [4]}))
    assert "different lengths ('loss' 3, 'val_loss' 1)" in message
    assert "validation_freq=1" in message
    assert "CSVLogger" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (" \r\n\t", "is empty"),
        ("\ufeff", "is empty"),
        ("{}", "not a history"),
        ("[]", "not a history"),
        ("3.5", "not a history"),
        ("null", "not a history"),
        ('{"loss": [1.0, 0.5', "cannot be read as JSON"),
        ("[1.0, 0.5]", "list with 1.0 in it"),
        ('[{"loss": 1.0}, 0.5]', "list with 0.5 in it"),
        ('{"history": [1.0, 0.5], "loss": 3}', "has 3 under 'loss'"),
        ('{"loss": 0.5}', "has 0.5 under 'loss'"),
        ('{"loss": [0.5, true]}', "has True under 'loss'"),
        ('{"loss": [0.5, "0.25"]}', "default=float"),
        ('{"loss": [0.5, {}]}', "has {} under 'loss'"),
        ('{"loss": {"first": 1}}', "with keys that are not epochs"),
        ('{"loss": {"²": 1}}', "with keys that are not epochs"),
        ('{"loss": {"0": "high"}}', "has 'high' under 'loss'"),
        (f'{{"loss": [1{"0" * 400}]}}', "numbers that a float can hold"),
        (f'{{"loss": [1{"0" * 9000}]}}', "cannot be read as JSON"),
        ('{"loss": []}', "has no epoch"),
        ('{"loss": {}, "val_loss": {}}', "has no epoch"),
        ('{"loss": [null, null]}', "no number in any epoch"),
        ('{"epoch": [0, 1]}', "no column of numbers"),
        ('{"f1": [[0.1], [0.2]]}', "no column of numbers"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"\\ud800\\n": [true]}', r"has True under '\ud800\n'"),
    ],
)
def test_what_is_no_history_is_refused(path, content, reason):
    assert reason in refused(written(path, content))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x95\x1d\x00\x00\x00",  # a pickle
        b"\x93NUMPY\x01\x00v\x00{'descr'",
        b"\x89HDF\r\n\x1a\n",
        "epoch,loss\r\n0,0.5\r\n".encode("utf-16"),
        "épisode,loss\n0,0.5\n".encode("latin-1"),
    ],
    ids=["pickle", "npy", "hdf5", "utf16", "latin1"],
)
def test_what_is_not_text_is_refused_with_what_to_do(path, content):
    message = refused(written(path, content))
    assert "not text in UTF-8" in message
    assert "json.dump" in message


def test_a_path_without_a_history_is_refused(tmp_path):
    assert "folder without history.json or event files" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "nothing.json")
    (tmp_path / "file").write_text("{}")
    assert "Not a directory" in refused(tmp_path / "file" / "history.json")


def test_a_large_file_is_refused_unread(path):
    with path.open("wb") as file:
        file.truncate(history.MAX_BYTES + 1)
    assert "at most 100 MB" in refused(path)


def test_a_large_pipe_is_refused(monkeypatch, path):
    monkeypatch.setattr(history, "MAX_BYTES", 10**6)
    assert "at most 1 MB" in refused(type(path)("/dev/zero"))


def test_without_tensorboard_an_event_file_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"\x18\0\0\0\0\0\0\0\xa3\x7fK\x22\tbrain.Event:2")
    for place in (path, tmp_path):
        with pytest.raises(InputError, match=r"pip install 'keras-torch-parity\[tensorboard\]'"):
            read_history(place)


names = st.sampled_from(["loss", "acc", "val_loss", "epoch", "history", "keras", "torch", "0", "1"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_any_json_is_read_or_refused(tmp_path_factory, document):
    read_or_refused(tmp_path_factory.mktemp("fuzz") / "history.json", json.dumps(document))


@given(st.binary(max_size=200), st.sampled_from([b"", b"{", b"[", b"epoch,", b"\xef\xbb\xbf"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, start):
    read_or_refused(tmp_path_factory.mktemp("fuzz") / "history", start + content)
