"""Callbacks that watch what an epoch of a port has not are left out, and it is said why."""

import keras
import numpy as np
from keras import layers as L
from rows import each_row

import keras_impl
from benchmarks.ported.packages import package_of
from benchmarks.ported.programs import Program
from parity.ports.watched import all_names, names_of_epoch, without_watched
from torch_impl.keras_config.compiled import Training
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.training import sentence_of_callback
from torch_impl.schedule import EarlyStopping, ReduceLROnPlateau


def training(*monitors):
    """A training with a metric and plateaus that watch these."""
    plans = [Planned(ReduceLROnPlateau, monitor=monitor) for monitor in monitors]
    found = Training(loss="mse", schedulers=plans)
    found.settings["metrics"] = ["accuracy"]
    return found


def test_what_an_epoch_has_may_be_watched_in_the_validation_too():
    given = training("loss", "val_loss", "accuracy", "val_accuracy")
    names = all_names(given, ["output"])
    assert names == {"loss", "accuracy"}
    assert list(without_watched(given, names, names)) == []
    assert len(given.schedulers) == 4


def test_what_it_has_not_is_told_with_the_reason():
    given = training("val_accuracy", "val_acc", "loss")
    given.early_stopping = Planned(EarlyStopping, monitor="accuracy")
    told = list(without_watched(given, {"loss"}, all_names(given, ["output"])))
    assert told == [
        "the callback ReduceLROnPlateau: it watches 'val_accuracy', which is left out",
        "the callback ReduceLROnPlateau: it watches 'val_acc', which no epoch of the port has",
        "the callback EarlyStopping: it watches 'accuracy', which is left out",
    ]
    assert [plan.settings["monitor"] for plan in given.schedulers] == ["loss"]
    assert given.early_stopping is None


def test_several_outputs_have_losses_and_metrics_of_their_own():
    kinds = {"metrics": {"a": ["mae"]}, "weighted_metrics": {"b": ["accuracy"]}}
    assert names_of_epoch({"a": "mse", "b": "mse"}, kinds, ["a", "b"]) == {
        *("loss", "a_loss", "b_loss", "a_mae"),
        *("b_accuracy", "b_weighted_accuracy"),
    }


@each_row(
    "name, why",
    [
        ("ModelCheckpoint", "writes weights, and changes no number"),
        ("CSVLogger", "changes no number"),
        ("TerminateOnNaN", "ends a training"),
        ("Mine", "it is code of the program"),
    ],
)
def test_a_callback_that_is_no_part_of_a_port_is_told_by_what_it_does(name, why):
    assert why in sentence_of_callback(name)


def stopped():
    """Callbacks on a metric with a plain form, and on one without."""
    model = keras.Sequential([L.Input((4,)), L.Dense(2, activation="softmax")])
    metrics = ["accuracy", keras.metrics.AUC(curve="PR", name="pr")]
    model.compile("sgd", "categorical_crossentropy", metrics=metrics)
    x, y = np.ones((8, 4)), np.eye(2)[[0, 1] * 4]
    kept = keras.callbacks.ReduceLROnPlateau("val_accuracy", mode="max")
    stop = keras.callbacks.EarlyStopping("val_pr", mode="max")
    return keras_impl.Reference(model, x=x, y=y, validation_data=(x, y), callbacks=[kept, stop])


@each_row("plain", [False, True])
def test_a_port_without_a_metric_has_no_callback_on_it(tmp_path, plain):
    out = tmp_path / f"stopped_{plain}"
    out.mkdir()
    told = package_of(Program("stopped", f"{__file__}:stopped"), out, plain=plain)["left_out"]
    source = (out / "train.py").read_text(encoding="utf-8")
    assert "ReduceLROnPlateau" in source
    assert ("EarlyStopping" in source) != plain
    expected = [
        "the metric 'pr': AUC with curve has no plain form",
        "the callback EarlyStopping: it watches 'val_pr', which is left out",
    ]
    assert told == (expected if plain else [])
