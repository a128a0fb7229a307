"""Reading TensorBoard's event files: those of Keras and of torch, damaged ones; no framework."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import refusal
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT
from read_files import read_or_refused
from rows import each_row

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")

from event_files import event, record, write, write_columns
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto

from parity.behaviour.readers import event_files
from parity.behaviour.readers.history import read_history, read_with_notes
from parity.errors import InputError


def refused(path):
    return refusal(read_history, path)


@pytest.fixture(scope="session")
def fit(tmp_path_factory):
    """Trains a small net with a TensorBoard callback; returns its folder and `History.history`."""
    import keras

    def run(*, log_dir=None, epochs=3, rate=0.5, update_freq="epoch", histogram_freq=0, **options):
        log_dir = log_dir or tmp_path_factory.mktemp("logs")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        top = keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top_2")
        model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy", top])
        x, y = np.random.default_rng(0).random((12, 4)), np.arange(12) % 3
        board = keras.callbacks.TensorBoard(
            str(log_dir), update_freq=update_freq, histogram_freq=histogram_freq, write_images=True
        )
        fitted = model.fit(
            x, y, epochs=epochs, batch_size=4, verbose=0, callbacks=[board], **options
        )
        return log_dir, fitted.history

    run.x, run.y = np.random.default_rng(1).random((6, 4)), np.arange(6) % 3
    return run


@pytest.fixture(scope="session")
def validated(fit):
    """The folder and the history of a fit with validation, which tests only read."""
    return fit(validation_data=(fit.x, fit.y), update_freq=1, histogram_freq=1)


@pytest.fixture
def writer(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "run")) as writer:
        yield writer


def written(writer):
    writer.flush()
    return read_history(Path(writer.log_dir))


def test_what_keras_logs_is_its_history_and_the_learning_rate(validated):
    folder, history = validated
    assert read_history(folder) == {**history, "learning_rate": [0.5] * 3}


def test_a_later_fit_goes_on_where_an_earlier_one_ended_and_replaces_what_it_repeats(fit):
    folder, first = fit(epochs=3)
    _, second = fit(log_dir=folder, epochs=5, initial_epoch=2, rate=0.25)
    history = read_history(folder)
    assert history["loss"] == first["loss"][:2] + second["loss"]
    assert history["learning_rate"] == [0.5, 0.5, 0.25, 0.25, 0.25]


def test_one_folder_or_one_file_of_a_run_is_read_alone(validated):
    folder, history = validated
    training = {name: column for name, column in history.items() if not name.startswith("val_")}
    validation = {name: column for name, column in history.items() if name.startswith("val_")}
    for name, expected in (
        ("train", {**training, "learning_rate": [0.5] * 3}),
        ("validation", validation),
    ):
        (file,) = (folder / name).iterdir()
        assert (read_history(folder / name), read_history(file)) == (expected, expected)


def test_a_folder_is_known_by_its_name_also_from_within(validated, monkeypatch):
    folder, _ = validated
    monkeypatch.chdir(folder / "validation")
    assert "val_loss" in read_history(Path())


def test_a_folder_of_several_runs_is_refused_with_their_names(tmp_path):
    for name in ("a", "b"):
        write_columns(tmp_path / name / "train", {"loss": [2.0, 1.0]})
    message = refused(tmp_path)
    assert f"({tmp_path / 'a'}, {tmp_path / 'b'})" in message
    assert "name one of these" in message


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("loss/train", "loss/val"),
        ("Loss/Train", "Loss/Val"),
        ("train/loss", "val/loss"),
        ("training/loss", "validation/loss"),
        ("Loss/train", "Loss/test"),
        ("Loss/train", "Loss/valid"),
        ("loss", "val_loss"),
    ],
)
def test_the_tags_of_torch_programs_become_the_names_of_keras(writer, train, val):
    for epoch, (loss, val_loss) in enumerate([(2.0, 2.5), (1.0, 1.5)], start=1):
        writer.add_scalar(train, loss, epoch)
        writer.add_scalar(val, val_loss, epoch)
        writer.add_scalar("Accuracy/train", epoch / 4, epoch, new_style=True)
        writer.add_scalar("train/lr", 0.5, epoch)
        writer.add_scalar("norm/conv1/kernel", epoch, epoch)
    assert written(writer) == {
        "loss": [2.0, 1.0],
        "val_loss": [2.5, 1.5],
        "accuracy": [0.25, 0.5],
        "learning_rate": [0.5, 0.5],
        "norm/conv1/kernel": [1.0, 2.0],
    }


def test_folders_named_train_and_test_are_training_and_validation(tmp_path):
    write_columns(tmp_path / "train", {"loss": [2.0, 1.0]})
    write_columns(tmp_path / "test", {"loss": [4.0, 3.0], "acc": [0.5, 1.0]})
    expected = {"loss": [2.0, 1.0], "val_loss": [4.0, 3.0], "val_accuracy": [0.5, 1.0]}
    assert read_history(tmp_path) == expected


def test_what_is_logged_by_batch_beside_the_loss_by_epoch_is_left_out(writer):
    for step in range(10):
        writer.add_scalar("gradient", 1.0, step)
    writer.add_scalar("loss", 2.0, 0)
    writer.add_scalar("loss", 1.0, 1)
    assert written(writer) == {"loss": [2.0, 1.0]}


@pytest.mark.parametrize("val_steps", [range(3), [3, 7, 11]], ids=["by_epoch", "by_batch"])
def test_losses_counted_in_different_steps_are_refused(tmp_path, val_steps):
    items = [event("Loss/train", step, 1.0) for step in range(10)]
    write(tmp_path, items + [event("Loss/val", step, 1.0) for step in val_steps])
    assert f"other steps (to 9) than the validation loss (to {max(val_steps)})" in refused(tmp_path)


def test_files_are_ordered_by_their_time_and_not_by_their_name(tmp_path):
    write(tmp_path, [event("loss", 0, 1.0, wall_time=20.0)], name="a.tfevents")
    write(tmp_path, [event("loss", 0, 2.0, wall_time=10.0)], name="b.tfevents")
    assert read_history(tmp_path) == {"loss": [1.0]}


@pytest.mark.parametrize(
    ("dtype", "fields", "value"),
    [
        (1, {"float_val": [0.5]}, 0.5),
        (1, {"float_val": [0.0]}, 0.0),
        (1, {"tensor_content": np.float32(0.25).tobytes()}, 0.25),
        (2, {"double_val": [1e300]}, 1e300),
        (3, {"int_val": [-7]}, -7.0),
        (9, {"int64_val": [7]}, 7.0),
        (19, {"half_val": [0x3800]}, 0.5),
    ],
)
def test_a_tensor_of_any_kind_of_number_is_read(tmp_path, dtype, fields, value):
    tensor = TensorProto(dtype=dtype, **fields)
    summary = Summary(value=[Summary.Value(tag="epoch_loss", tensor=tensor)])
    write(tmp_path, [Event(step=0, summary=summary)])
    assert read_history(tmp_path) == {"loss": [value]}


@each_row("dtype", range(30))
@each_row("fields", [{}, {"tensor_content": b"abc"}, {"half_val": [1 << 20]}])
def test_a_damaged_tensor_is_left_out(tmp_path, dtype, fields):
    tensor = TensorProto(dtype=dtype, **fields)
    summary = Summary(value=[Summary.Value(tag="epoch_mae", tensor=tensor)])
    write(tmp_path, [event("epoch_loss", 0, 1.0), Event(step=0, summary=summary)])
    assert read_history(tmp_path)["loss"] == [1.0]


def test_a_large_record_is_passed_over(tmp_path):
    graph = Event(graph_def=bytes(event_files.MAX_RECORD))
    write(tmp_path, [event("loss", 0, 2.0), graph, event("loss", 1, 1.0)])
    assert read_history(tmp_path) == {"loss": [2.0, 1.0]}


def test_what_stands_before_a_damage_is_read(tmp_path):
    path = write_columns(tmp_path, {"loss": [4.0, 2.0, 1.0]})
    content = path.read_bytes()
    for keep in range(len(content)):
        path.write_bytes(content[:keep])
        try:
            losses = read_history(path)["loss"]
        except InputError:
            losses = []
        assert losses == [4.0, 2.0, 1.0][: len(losses)]
    assert losses == [4.0, 2.0]
    path.write_bytes(content[:-6] + b"\xff" + content[-5:])  # a bit of the last value
    assert read_history(path)["loss"] == [4.0, 2.0]


def test_a_torn_file_is_told_and_a_whole_one_is_not(tmp_path):
    path = write_columns(tmp_path, {"loss": [2.0, 1.0]})
    assert read_with_notes(path).notes == ()
    path.write_bytes(path.read_bytes()[:-3])
    reading = read_with_notes(tmp_path)
    assert reading.history == {"loss": [2.0]}
    assert reading.notes == (f"damaged or unfinished, read up to there: {path.name}",)


def test_steps_of_lightning_are_put_together_by_the_epoch_beside_them(tmp_path):
    items = [event("lr-SGD", 0, 0.5)]
    for step, epoch, loss in ((1, 0, 3.0), (3, 0, 1.0), (5, 1, 0.5), (7, 1, 0.25)):
        items += [event("train_loss", step, loss), event("epoch", step, epoch)]
    for step, epoch, val_loss in ((3, 0, 2.5), (7, 1, 0.75)):
        items += [event("val_loss", step, val_loss), event("epoch", step, epoch)]
    write(tmp_path, items)
    reading = read_with_notes(tmp_path)
    assert (reading.history["loss"], reading.history["val_loss"]) == ([2.0, 0.375], [2.5, 0.75])
    assert reading.notes == ("the mean of what was logged in one epoch: train_loss",)


def test_a_damaged_file_beside_a_whole_one_is_passed_over(tmp_path):
    write_columns(tmp_path, {"loss": [1.0]})
    (tmp_path / "events.out.tfevents.0").write_bytes(b"")
    (tmp_path / "events.out.tfevents.2").write_bytes(b"garbage" * 10)
    assert read_history(tmp_path) == {"loss": [1.0]}


@pytest.mark.parametrize("columns", [{}, {"batch_loss": [1.0]}], ids=["nothing", "by_batch"])
def test_a_file_without_scalars_by_epoch_is_refused(tmp_path, columns):
    for place in (write_columns(tmp_path, columns), tmp_path):
        assert "no readable scalars" in refused(place)


def test_reading_loads_neither_framework(validated):
    folder, _ = validated
    program = (
        "import sys, pathlib; from parity.behaviour.readers.history import read_history; "
        "print(len(read_history(pathlib.Path(sys.argv[1]))['loss'])); print(*sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-W", "error", "-c", program, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    length, modules = result.stdout.splitlines()
    assert length == "3"
    assert "tensorboard" in modules.split()
    assert not {"tensorflow", "keras", "torch", "torchvision"} & set(modules.split())


CONTENT = Event(step=1, summary=Summary(value=[Summary.Value(tag="loss", simple_value=1.0)]))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_mutated_event_is_read_or_refused(tmp_path_factory, edits):
    path = tmp_path_factory.mktemp("fuzz") / "events.out.tfevents.1"
    body = bytearray(CONTENT.SerializeToString())
    for position, byte in edits:
        body[position % len(body)] = byte
    version = Event(file_version="brain.Event:2").SerializeToString()
    history = read_or_refused(path, record(version) + record(bytes(body)))
    assert all(len(column) == 1 for column in history.values())
