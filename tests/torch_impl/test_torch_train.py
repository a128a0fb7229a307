"""Training in torch: what the history means, and what does and does not change a run."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from covering import one_test
from helpers import assert_same_weights, small_data
from watching import Watching

from parity.programs.run_spec import Augmentation, EarlyStopping, ReduceLR, RunSpec
from torch_impl.models import build_model
from torch_impl.train import RunningMetrics, fit
from torch_impl.weights import get_weights, set_weights

HISTORY_KEYS = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
AUGMENTATION = Augmentation(10, 0.1, 0.1, 0.1, 0.1, True)
SPECS = {
    "underfit": RunSpec(model="underfit", epochs=2),
    "capacity": RunSpec(model="capacity", epochs=2),
    "dropout": RunSpec(model="dropout", epochs=2),
    "augmentation": RunSpec(model="capacity", epochs=2, augmentation=AUGMENTATION),
}


@functools.cache
def plain(name, seed=42):
    """A run that nobody watches; the tests share it."""
    return fit(SPECS[name].replace(seed=seed), small_data())


def logits_for(labels, num_classes=3):
    """Logits whose greatest entry is at the given labels."""
    return F.one_hot(torch.tensor(labels), num_classes).double()


def metrics_in(dtype):
    """Metrics of a model whose weights have a dtype."""
    return RunningMetrics(torch.nn.Linear(1, 1, dtype=dtype))


def test_metrics_are_means_over_samples_not_over_batches():
    metrics = metrics_in(torch.float64)
    metrics.update(torch.tensor(1.0), logits_for([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0]))
    assert metrics.result() == (1.0, 0.75)
    # The last batch is smaller: (4 * 1 + 1 * 6) / 5 = 2, where a mean of batches gives 3.5.
    metrics.update(torch.tensor(6.0), logits_for([1]), torch.tensor([0]))
    assert metrics.result() == (2.0, 0.6)
    # Of equal logits the first class counts as the answer.
    metrics.update(torch.tensor(2.0), torch.zeros(5, 3), torch.tensor([0, 1, 1, 1, 1]))
    assert metrics.result() == (2.0, 0.4)
    for dtype in (torch.float32, torch.float64):
        metrics = metrics_in(dtype)
        for loss in (1.0, 1e-9):
            metrics.update(torch.tensor(loss, dtype=dtype), logits_for([0]), torch.tensor([0]))
        assert metrics.result()[0] == (0.5 if dtype == torch.float32 else (1 + 1e-9) / 2)


@one_test
@pytest.mark.parametrize("name", SPECS)
def test_a_run_follows_from_its_seed_alone_and_trains_every_weight(name):
    result, spec, data = plain(name), SPECS[name], small_data()
    assert list(result.history) == HISTORY_KEYS
    for values in result.history.values():
        assert [type(value) for value in values] == [float] * 2
        assert np.isfinite(values).all()
    assert result.history["learning_rate"] == [float(np.float32(0.001))] * 2
    start, _ = build_model(spec, data.input_shape, data.num_classes)
    for key, value in get_weights(start).items():
        assert (result.weights[key] != value).any(), key
    torch.manual_seed(99)
    np.random.seed(99)
    again = fit(spec, data)
    assert again.history == result.history
    assert_same_weights(again.weights, result.weights)
    assert plain(name, seed=43).history["loss"] != result.history["loss"]


def test_everything_is_computed_in_the_dtype_of_the_spec():
    result = fit(SPECS["dropout"].replace(dtype="float64", epochs=1), small_data())
    assert {str(value.dtype) for value in result.weights.values()} == {"float64"}
    for found, is_single in ((result, False), (plain("dropout"), True)):
        assert (
            float(np.float32(found.history["loss"][0])) == found.history["loss"][0]
        ) == is_single


def test_the_monitored_values_are_those_that_the_spec_names():
    """Labels are random: the training loss falls while the validation loss does not."""

    def history(**rules):
        spec = RunSpec(model="capacity", epochs=8, learning_rate=0.01, **rules)
        return fit(spec, small_data()).history["learning_rate"]

    def cut(monitor):
        return history(reduce_lr=ReduceLR(monitor=monitor, factor=0.5, patience=1, min_delta=0.0))

    def stopped(monitor):
        return history(early_stopping=EarlyStopping(monitor=monitor, patience=1))

    assert cut("val_loss")[-1] < cut("loss")[-1]
    assert len(stopped("val_loss")) < len(stopped("loss"))


def test_a_run_may_have_both_rules():
    """The loss never falls by 100: the rate is cut after epoch 1, and epoch 2 is the last."""
    cut = ReduceLR(monitor="loss", factor=0.5, patience=1, min_delta=100.0)
    stop = EarlyStopping(monitor="loss", patience=2, min_delta=100.0)
    spec = RunSpec(model="underfit", epochs=6, dtype="float64", reduce_lr=cut, early_stopping=stop)
    assert fit(spec, small_data()).history["learning_rate"] == [0.001, 0.001, 0.0005]


# The end of a training, and what is known of the training samples at the end of every epoch.

# Labels are random, so that the validation loss soon rises.
STOPPED = RunSpec(
    model="dropout",
    epochs=20,
    learning_rate=0.01,
    augmentation=AUGMENTATION,
    early_stopping=EarlyStopping(patience=2, restore_best_weights=True),
)
WATCHED = {
    "stopped": STOPPED,
    "independent": STOPPED.replace(mode="independent"),
    "l2": RunSpec(model="capacity", epochs=2, l2=0.01, weight_decay=0.1),
    "dropout": SPECS["dropout"],
}


@functools.cache
def watched(name):
    """A run and what its observer was told."""
    observer = Watching()
    return fit(WATCHED[name], small_data(), observer), observer


@functools.cache
def until(name, num_epochs):
    """The same run over so many epochs, without a rule that ends it."""
    return fit(WATCHED[name].replace(early_stopping=None, epochs=num_epochs), small_data())


@one_test
@pytest.mark.parametrize("name", WATCHED)
def test_a_run_whose_training_samples_are_evaluated_is_bitwise_the_plain_run(name):
    (result, observer), alone = watched(name), fit(WATCHED[name], small_data())
    assert result.history == alone.history
    assert_same_weights(result.weights, alone.weights)
    num_epochs = len(result.history["loss"])
    assert {key: len(values) for key, values in observer.columns.items()} == {
        "eval_loss": num_epochs,
        "eval_accuracy": num_epochs,
    }
    assert all(type(value) is float for values in observer.columns.values() for value in values)


@one_test
@pytest.mark.parametrize("name", ["stopped", "independent"])
def test_an_ended_run_ends_patience_epochs_after_its_best_and_with_its_weights(name):
    result, _ = watched(name)
    losses = result.history["val_loss"]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < STOPPED.epochs
    assert_same_weights(result.weights, until(name, best + 1).weights)
    last = until(name, best + 3)
    assert all((last.weights[key] != value).any() for key, value in result.weights.items())


@one_test
@pytest.mark.parametrize("name", ["l2", "dropout"])
def test_the_last_evaluation_is_of_the_final_weights_on_the_plain_training_samples(name):
    result, observer = watched(name)
    spec, data = WATCHED[name], small_data()
    model, _ = build_model(spec, data.input_shape, data.num_classes)
    set_weights(model, result.weights)
    model.eval()
    labels = torch.tensor(data.y_train)
    with torch.no_grad():
        logits = model(torch.tensor(data.x_train).permute(0, 3, 1, 2))
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    kernels = [value for key, value in result.weights.items() if key.endswith("kernel")]
    penalty = spec.l2 * sum(float((kernel.astype(np.float64) ** 2).sum()) for kernel in kernels)
    loss = F.cross_entropy(logits.double(), labels).item() + penalty
    assert observer.columns["eval_accuracy"][-1] == pytest.approx(accuracy, abs=1e-7)
    assert observer.columns["eval_loss"][-1] == pytest.approx(loss, rel=1e-5)
    # In eval mode with the final weights it is not Keras's mean over the epoch.
    assert observer.columns["eval_loss"] != result.history["loss"]
