"""Callbacks that watch what an epoch of a port has not are left out, and it is said why."""

from rows import each_row

from parity.ports.fit_text import all_names, names_of_epoch, without_watched
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
    assert list(without_watched(given, {"loss"}, all_names(given, ["output"]))) == [
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
