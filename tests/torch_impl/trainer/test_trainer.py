"""A Trainer trains as Keras's `fit` does: weights and history, for every argument of `fit`."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from torch import nn
from whole_fits import (
    BAR,
    arrays,
    keras_model,
    keras_model_again,
    keras_weights,
    port_of,
    trained,
    weights_of,
    worst,
)

from torch_impl import KerasSeeds, Port, schedule
from torch_impl.losses import MeanSquaredError
from torch_impl.trainer import Callback, Trainer

X, Y = arrays()
VAL = arrays(17, seed=4)
WEIGHTS = np.linspace(0.2, 2.0, len(X))
VAL_WEIGHTS = np.linspace(2.0, 0.5, len(VAL[0]))

CASES = {
    "a_smaller_last_batch_and_class_weights": {
        "batch_size": 10,
        "class_weight": {0: 0.5, 2: 3.0},
        "validation_data": VAL,
        "validation_batch_size": 5,
        "validation_freq": 2,
    },
    "sample_weights_and_a_split": {
        "batch_size": 16,
        "sample_weight": WEIGHTS,
        "validation_split": 0.3,
        "validation_freq": [1, 3],
    },
    "not_shuffled_from_a_later_epoch": {
        "batch_size": 8,
        "shuffle": False,
        "initial_epoch": 1,
        "validation_data": (*VAL, VAL_WEIGHTS),
    },
    "steps_that_go_on": {
        "steps_per_epoch": 2,
        "validation_data": VAL,
        "validation_steps": 2,
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.filterwarnings("ignore:the data ended", "ignore:Your input ran out")
def test_it_repeats_keras_whatever_fit_is_given(case):
    model = keras_model_again()
    ours, theirs = both(model, port_of(model), X, Y, epochs=3, **case)
    assert worst(ours, theirs) < BAR


def test_class_weights_count_in_given_batches_and_are_those_of_the_port_unless_given():
    weights, settings = {0: 0.5, 2: 3.0}, {"epochs": 2, "shuffle": False, "batch_size": 20}
    batches = Again((X[:20], Y[:20]), (X[20:40], Y[20:40]), (X[40:], Y[40:]))
    whole, parts, has_some, without = (port_of(keras_model()) for _ in range(4))
    has_some = dataclasses.replace(has_some, class_weight=weights)
    theirs = trained(whole, X, Y, class_weight=weights, **settings)
    assert worst(trained(parts, batches, epochs=2, class_weight=weights), theirs) == 0
    assert worst(trained(has_some, X, Y, **settings), theirs) == 0
    assert worst(weights_of(parts), weights_of(whole)) == 0
    assert worst(trained(without, X, Y, **settings), theirs) > 1e-3


@one_test
@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("made", [torch.tensor, np.asarray], ids=["tensors", "arrays"])
def test_feed_and_target_get_real_numbers_in_the_dtype_of_the_module(given, dtype, made):
    """Whole numbers, such as tokens and labels, stay what they are. A validation has a loss."""
    seen = []

    def noted(array):
        seen.append(torch.as_tensor(array).dtype)
        return made(np.asarray(array) + 1).astype(given) if made is np.asarray else array + 1

    half = lambda y, target: y.sum() * 0 + 0.5  # noqa: E731
    port, x = line(feed=noted, target=noted, rate=0.0, validation_loss=half), COLUMN.astype(given)
    port.module.to(dtype)
    settings = {"batch_size": 1, "validation_data": (x, x)}
    found = Trainer(port).fit(x, COLUMN.astype(int), **settings).history
    assert found == {"loss": [pytest.approx((9 + 16) / 2)], "val_loss": [0.5]}  # 5, 7 of 2, 3
    assert seen == [dtype, torch.int64] * 2 + [dtype] * 4


COLUMN = np.array([[1.0], [2.0]], np.float32)


WRONG = {
    "x, y and sample_weight have 2, 3 samples": {"y": np.zeros((3, 1))},
    "validation_data have 2, 1 samples": {"validation_data": (COLUMN, COLUMN[:1])},
    "have 0, 0 samples": {"x": COLUMN[:0], "y": COLUMN[:0]},
    "validation_data have no samples": {"validation_data": (None, None)},
    "validation_split=1.5 of 2 samples": {"validation_split": 1.5},
    "validation_split=0.9 of 2 samples": {"validation_split": 0.9},
    "batch_size=0: expected a whole number of at least 1": {"batch_size": 0},
    "epochs=-1: expected a whole number of at least 0": {"epochs": -1},
    "epochs=2.0: expected": {"epochs": 2.0},
    "class_weight with weights of the samples: expected one": {
        "class_weight": {},
        "sample_weight": COLUMN[:, 0],
    },
    "class_weight with weights of the samples": {
        "x": iter([(COLUMN, COLUMN, COLUMN[:, 0])]),
        "y": None,
        "class_weight": {0: 1.0},
    },
    "sample_weight with batches": {"x": iter([]), "y": None, "sample_weight": COLUMN[:, 0]},
    "validation_split=0.5 with batches": {"x": iter([]), "y": None, "validation_split": 0.5},
    "callbacks has 'early'": {"callbacks": ["early"]},
    "the loss takes none: expected a loss with the argument": {
        "sample_weight": COLUMN[:, 0],
        "port": {"loss": nn.MSELoss()},
    },
    **{
        f"the port has no {part}: expected Port(module, {part}=": {"port": {part: None}}
        for part in ("loss", "optimizer")
    },
}


@one_test
@pytest.mark.parametrize(("message", "given"), WRONG.items())
def test_what_fit_cannot_use_is_an_error_that_says_so(message, given):
    given = {"x": COLUMN, "y": COLUMN, "port": {}, **given}
    port = line(**given.pop("port"))
    with pytest.raises(ValueError, match=re.escape(message)):
        Trainer(port).fit(**given)


def both(model, port, *arguments, **settings):
    """The histories of a port and of Keras, whose weights must be the same afterwards."""
    theirs = model.fit(*arguments, verbose=0, **settings).history
    ours = trained(port, *arguments, **{k: v for k, v in settings.items() if k != "callbacks"})
    assert worst(weights_of(port), keras_weights(model)) < BAR
    return ours, theirs


def ruled(port, patience, **plateau):
    """With a rule for the rate and one for the end, of its own optimizer and module."""
    cut = schedule.ReduceLROnPlateau(port.optimizer, patience=1, **plateau)
    stop = schedule.EarlyStopping(port.module, patience=patience, restore_best_weights=True)
    return dataclasses.replace(port, scheduler=cut, early_stopping=stop)


@pytest.mark.long
def test_its_callbacks_decide_as_those_of_keras_and_see_the_validation():
    metrics = ["accuracy", "sparse_categorical_crossentropy"]
    model, plateau = (
        keras_model(weighted_metrics=metrics),
        {"monitor": "val_accuracy", "factor": 0.3},
    )
    rules = [
        keras.callbacks.ReduceLROnPlateau(patience=1, **plateau),
        keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
    ]
    port = ruled(port_of(model, weighted_metrics=metrics), 3, **plateau)
    settings = {"validation_data": (*VAL, VAL_WEIGHTS), "sample_weight": WEIGHTS}
    ours, theirs = both(model, port, X, Y, epochs=40, callbacks=rules, **settings)
    assert worst(ours, theirs) < BAR
    assert "val_weighted_accuracy" in ours
    assert len(set(ours["learning_rate"])) > 1
    assert len(ours["loss"]) < 40


def test_batches_are_fed_as_they_come():
    batches = [(X[:20], Y[:20], WEIGHTS[:20]), (X[20:23], Y[20:23], WEIGHTS[20:23])]
    settings = {"epochs": 2, "steps_per_epoch": 2, "shuffle": False}
    model = keras_model_again()
    port = port_of(model)
    theirs = model.fit((each for each in batches * 2), verbose=0, **settings).history
    assert worst(trained(port, iter(batches * 2), **settings), theirs) < BAR
    assert worst(weights_of(port), keras_weights(model)) < BAR


class Again:
    """An iterable that can be passed through many times."""

    def __init__(self, *batches):
        self._batches = batches

    def __iter__(self):
        return iter(self._batches)


# --- what has no need of Keras -------------------------------------------------------------------


class Line(nn.Module):
    """y = w x + b, of one weight each."""

    def __init__(self):
        super().__init__()
        self.w, self.b = (nn.Parameter(torch.tensor(value)) for value in (2.0, 1.0))

    def forward(self, x):
        return self.w * x + self.b


def line(rate=0.1, **given):
    net = Line()
    settings = {"loss": MeanSquaredError(), "optimizer": torch.optim.SGD(net.parameters(), rate)}
    return Port(net, **{**settings, **given})


def test_evaluate_and_predict_train_nothing():
    port, zeros = line(metrics=["mae"]), 0 * COLUMN
    trainer = Trainer(port)
    assert trainer.evaluate(COLUMN, zeros) == {"loss": 17.0, "mae": 4.0}
    assert trainer.evaluate(COLUMN, zeros, batch_size=1, steps=1)["loss"] == 9.0
    assert trainer.evaluate(COLUMN, zeros, sample_weight=np.array([1.0, 0.0]))["loss"] == 4.5
    assert trainer.predict(COLUMN, batch_size=1).tolist() == [[3.0], [5.0]]
    assert port.module.w.item() == 2.0


class Seeing(Line):
    """Computes with the difference of its inputs, and notes the shape of the first one."""

    def forward(self, left, right=0):
        self.seen = tuple(left.shape)
        return super().forward(left - right)


def seeing(**given):
    net = Seeing()
    net.__dict__ |= given
    return Trainer(Port(net, MeanSquaredError(), torch.optim.SGD(net.parameters(), 0.0)))


@one_test
@pytest.mark.parametrize(
    ("made", "given", "seen"),
    [
        (np.asarray, {}, (2, 3, 4, 5)),
        (torch.as_tensor, {}, (2, 4, 5, 3)),
        (np.asarray, {"channels_last": True}, (2, 4, 5, 3)),
    ],
)
def test_images_of_numpy_are_turned_and_tensors_are_not(made, given, seen):
    trainer = seeing(**given)
    trainer.predict(made(np.zeros((2, 4, 5, 3), np.float32)))
    assert trainer.port.module.seen == seen


def test_several_inputs_are_arguments_in_order_or_by_name():
    for x in ((COLUMN, 3 * COLUMN), {"right": 3 * COLUMN, "left": COLUMN}):
        assert seeing().predict(x).tolist() == [[-3.0], [-7.0]]


class Stop(Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, step, logs):
        self.seen.append((step, logs["loss"]))
        self.trainer.stop_training = step == 1


def test_a_callback_may_end_the_training_within_an_epoch():
    stop, x = Stop(), np.array([[1.0], [2.0], [3.0]], np.float32)
    settings = {"batch_size": 1, "epochs": 9, "shuffle": False, "callbacks": [stop]}
    history = Trainer(line(rate=0.0)).fit(x, 0 * x, **settings).history
    assert (stop.seen, history) == ([(0, 9.0), (1, 17.0)], {"loss": [17.0]})


@one_test
@pytest.mark.parametrize(("interval", "rates"), [("epoch", (1e-3, 1e-4)), ("step", (1e-5, 1e-7))])
def test_a_scheduler_of_torch_is_stepped_by_epoch_or_by_step(interval, rates):
    """By step, the rate is that at the end of the epoch."""
    port = line(rate=1e-3, scheduler_interval=interval)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(port.optimizer, 0.1)
    port = dataclasses.replace(port, scheduler=scheduler)
    found = Trainer(port).fit(COLUMN, COLUMN, batch_size=1, epochs=2).history
    assert found["learning_rate"] == pytest.approx(rates)


def test_a_rule_without_its_metric_warns_and_does_nothing():
    port = line()
    port = dataclasses.replace(port, early_stopping=schedule.EarlyStopping(port.module))
    with pytest.warns(UserWarning, match="watches 'val_loss', which this epoch has not; it has l"):
        assert len(Trainer(port).fit(COLUMN, COLUMN, epochs=3).epoch) == 3


# --- checkpoints ---------------------------------------------------------------------------------


def checkpointed(seeds, epochs, state=None):
    """A training of a port from the same weights, or its continuation from a checkpoint."""
    torch.manual_seed(5)
    trainer = Trainer(ruled(port_of(keras_model(), seeds=seeds), 4, factor=0.5))
    if state is not None:
        torch.manual_seed(6)  # another process
        trainer.load_state_dict(state)
    history = trainer.fit(X, Y, epochs=epochs, validation_data=VAL)
    return history, weights_of(trainer.port), trainer.state_dict()


@pytest.mark.parametrize("seeds", [KerasSeeds(7), None], ids=["keras_order", "torch_order"])
def test_a_resumed_training_is_the_one_that_was_not_interrupted(seeds, tmp_path):
    whole, weights, _ = checkpointed(seeds, 9)
    torch.save(checkpointed(seeds, 4)[2], tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed, same, _ = checkpointed(seeds, 9, state)
    assert (resumed, len(whole.epoch), worst(same, weights)) == (whole, 9, 0)


def test_a_second_call_of_fit_begins_anew_but_for_weights_and_rate():
    port = line(rate=0.01)
    port = dataclasses.replace(port, early_stopping=schedule.EarlyStopping(port.module, patience=2))
    trainer, validated = Trainer(port), {"validation_data": (COLUMN, COLUMN)}
    first, second = (trainer.fit(COLUMN, 0 * COLUMN, epochs=2, **validated) for _ in range(2))
    assert second.history["loss"][0] < first.history["loss"][-1]
    assert (second.epoch, port.early_stopping.epoch) == ([0, 1], 1)
