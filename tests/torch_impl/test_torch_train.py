"""Training in torch: what the history means, and what does and does not change a run."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from covering import one_test
from helpers import assert_same_weights, small_data
from watching import Watching

from parity.programs.run_spec import MODELS, Augmentation, EarlyStopping, ReduceLR, RunSpec
from parity.programs.settings import DTYPES
from torch_impl.data import training_data, validation_data
from torch_impl.layers import Dropout
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.models import build_model
from torch_impl.train import RunningMetrics, evaluate, fit
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


@one_test
@pytest.mark.parametrize("dtype", DTYPES)
def test_metrics_are_summed_in_the_dtype_of_the_run(dtype):
    dtype = getattr(torch, dtype)
    metrics = metrics_in(dtype)
    for loss in (1.0, 1e-9):
        metrics.update(torch.tensor(loss, dtype=dtype), logits_for([0]), torch.tensor([0]))
    assert metrics.result()[0] == (0.5 if dtype == torch.float32 else (1 + 1e-9) / 2)


def test_of_equal_logits_the_first_class_counts_as_the_answer():
    metrics = metrics_in(torch.float64)
    metrics.update(torch.tensor(0.0), torch.zeros(2, 3), torch.tensor([0, 1]))
    assert metrics.result()[1] == 0.5


def test_evaluation_is_the_mean_over_all_samples_in_eval_mode():
    spec = SPECS["dropout"].replace(batch_size=7, dtype="float64")
    data = small_data()
    model, _ = build_model(spec, data.input_shape, data.num_classes)
    ours = evaluate(model, F.cross_entropy, validation_data(spec, data))
    with torch.no_grad():
        logits = model.eval()(torch.tensor(data.x_val).double().permute(0, 3, 1, 2))
    labels = torch.tensor(data.y_val)
    loss = F.cross_entropy(logits, labels).item()
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    assert ours == pytest.approx((loss, accuracy), rel=1e-12)


def test_evaluation_changes_neither_weights_nor_masks_nor_generators():
    spec, data = SPECS["dropout"], small_data()
    model, _ = build_model(spec, data.input_shape, data.num_classes)
    model.train()
    model(torch.zeros(2, 3, 12, 20))
    before, generator = get_weights(model), torch.get_rng_state()
    counts = [m.num_calls for m in model.modules() if isinstance(m, Dropout)]
    criterion = SparseCategoricalCrossentropy(from_logits=True)
    evaluate(model, criterion, validation_data(spec, data))
    assert_same_weights(get_weights(model), before)
    assert [m.num_calls for m in model.modules() if isinstance(m, Dropout)] == counts == [1, 1]
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(parameter.grad is None for parameter in model.parameters())


@one_test
@pytest.mark.parametrize("name", SPECS)
def test_the_history_has_keras_keys_with_one_float_an_epoch(name):
    history = plain(name).history
    assert list(history) == HISTORY_KEYS
    for values in history.values():
        assert len(values) == 2
        assert all(type(value) is float and np.isfinite(value) for value in values)
    assert history["learning_rate"] == [float(np.float32(0.001))] * 2


@one_test
@pytest.mark.parametrize("name", ["dropout", "augmentation"])
def test_a_watched_run_is_bitwise_the_plain_run(name):
    observer = Watching()
    watched = fit(SPECS[name], small_data(), observer)
    assert watched.history == plain(name).history
    assert_same_weights(watched.weights, plain(name).weights)
    # It was watched: every step, and the end of every epoch.
    assert (observer.num_steps, observer.ends) == (6, [3, 6])


def test_an_observer_that_changes_a_run_is_seen_in_its_history(monkeypatch):
    class Changes(Watching):
        def on_epoch_end(self, evaluate):
            super().on_epoch_end(evaluate)
            for dropout in dropouts:
                dropout.num_calls += 1

    dropouts, build = [], Dropout.__init__

    def built(self, *arguments, **keywords):
        build(self, *arguments, **keywords)
        dropouts.append(self)

    monkeypatch.setattr(Dropout, "__init__", built)
    losses = fit(SPECS["dropout"], small_data(), Changes()).history["loss"]
    assert len(dropouts) >= 2
    alone = plain("dropout").history["loss"]
    assert (losses[0], losses[1] == alone[1]) == (alone[0], False)


@one_test
@pytest.mark.parametrize("name", ["dropout", "augmentation"])
def test_the_same_seed_repeats_a_run_and_another_differs(name):
    again = fit(SPECS[name], small_data())
    assert again.history == plain(name).history
    assert_same_weights(again.weights, plain(name).weights)
    assert plain(name, seed=43).history["loss"] != plain(name).history["loss"]


def test_a_run_does_not_depend_on_the_global_generators():
    torch.manual_seed(99)
    np.random.seed(99)
    assert fit(SPECS["augmentation"], small_data()).history == plain("augmentation").history


@one_test
@pytest.mark.parametrize("name", SPECS)
def test_a_run_trains_every_weight(name):
    spec, data = SPECS[name], small_data()
    start, _ = build_model(spec, data.input_shape, data.num_classes)
    for key, value in get_weights(start).items():
        assert (plain(name).weights[key] != value).any(), key


@one_test
@pytest.mark.parametrize("model", MODELS)
def test_models_adapt_to_the_images_and_classes_of_the_data(model):
    network, _ = build_model(RunSpec(model=model), (12, 20, 3), 5)
    assert network(torch.zeros(2, 3, 12, 20)).shape == (2, 5)


# By hand for 28x28x1 and ten classes: 28 -> 26 -> 13 -> 11 -> 5, so 5 * 5 * channels features.
COUNTS = {
    "underfit": (9 + 1) * 2 + (9 * 2 + 1) * 4 + (25 * 4 + 1) * 10,
    # Stride 2 without padding: 28 -> 13 -> 6, so 6 * 6 * 4 features.
    "linear": (9 + 1) * 4 + (9 * 4 + 1) * 4 + (36 * 4 + 1) * 4 + (4 + 1) * 10,
    "capacity": (9 + 1) * 32 + (9 * 32 + 1) * 64 + (25 * 64 + 1) * 128 + (128 + 1) * 10,
    "dropout": 225_034,
}


@one_test
@pytest.mark.parametrize(("model", "count"), COUNTS.items())
def test_models_have_as_many_parameters_as_counted_by_hand(model, count):
    network, _ = build_model(RunSpec(model=model), (28, 28, 1), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert COUNTS["capacity"] == 225_034


def test_the_linear_model_is_a_linear_map_of_the_image():
    network, _ = build_model(RunSpec(model="linear", dtype="float64"), (12, 20, 3), 5)
    a, b = torch.randn(2, 4, 3, 12, 20, dtype=torch.float64)
    # f(2a - 3b) = 2 f(a) - 3 f(b) + 2 f(0), whatever its biases are.
    with torch.no_grad():
        for name, bias in network.named_parameters():
            if name.endswith("bias"):
                bias.uniform_(-1, 1)
        zero = network(torch.zeros_like(a))
        combined = network(2 * a - 3 * b)
        expected = 2 * network(a) - 3 * network(b) + 2 * zero
    assert zero.abs().min() > 0
    torch.testing.assert_close(combined, expected, rtol=1e-12, atol=1e-12)


def test_a_model_returns_logits():
    network, _ = build_model(RunSpec(model="underfit"), (12, 20, 3), 5)
    logits = network(torch.randn(4, 3, 12, 20) * 100)
    assert (logits < 0).any()
    assert not torch.allclose(logits.sum(1), torch.ones(4))


@one_test
@pytest.mark.parametrize("dtype", DTYPES)
def test_everything_is_computed_in_the_dtype_of_the_spec(dtype):
    spec = RunSpec(model="dropout", dtype=dtype, epochs=1)
    result = fit(spec, small_data())
    assert {str(value.dtype) for value in result.weights.values()} == {dtype}
    is_single = float(np.float32(result.history["loss"][0])) == result.history["loss"][0]
    assert is_single == (dtype == "float32")


def test_the_history_holds_the_rate_with_which_each_epoch_was_trained():
    """The loss never falls by 100, so that the rate is cut after every epoch but the first."""
    rule = ReduceLR(monitor="loss", factor=0.5, patience=1, min_delta=100.0)
    spec = RunSpec(model="underfit", epochs=4, dtype="float64", reduce_lr=rule)
    rates = fit(spec, small_data()).history["learning_rate"]
    assert rates == [0.001, 0.001, 0.0005, 0.00025]


def test_the_monitored_value_is_the_one_that_the_spec_names():
    def rates(monitor):
        rule = ReduceLR(monitor=monitor, factor=0.5, patience=1, min_delta=0.0)
        spec = RunSpec(model="capacity", epochs=8, reduce_lr=rule, learning_rate=0.01)
        return fit(spec, small_data()).history

    # Labels are random: the training loss falls while the validation loss does not.
    assert rates("val_loss")["learning_rate"][-1] < rates("loss")["learning_rate"][-1]


def test_the_feed_of_a_run_is_not_consumed_by_its_construction():
    spec, data = SPECS["augmentation"], small_data()
    _, seeds = build_model(spec, data.input_shape, data.num_classes)
    before = seeds.numpy.get_state()[2]
    training_data(spec, data, seeds)
    assert seeds.numpy.get_state()[2] == before


def test_a_run_says_how_long_it_took():
    assert 0 < plain("underfit").wall_s < 60


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


def test_without_restoring_a_run_ends_with_its_last_weights():
    rule = EarlyStopping(patience=2)
    result = fit(STOPPED.replace(early_stopping=rule), small_data())
    assert result.history == watched("stopped")[0].history
    assert_same_weights(result.weights, until("stopped", len(result.history["loss"])).weights)


def test_the_end_follows_the_loss_that_the_spec_names():
    def num_epochs(monitor):
        rule = EarlyStopping(monitor=monitor, patience=1)
        spec = RunSpec(model="capacity", epochs=8, learning_rate=0.003, early_stopping=rule)
        return len(fit(spec, small_data()).history["loss"])

    assert num_epochs("val_loss") < num_epochs("loss") == 8


def test_a_run_may_have_both_rules():
    """The loss never falls by 100: the rate is cut after epoch 1, and epoch 2 is the last."""
    spec = RunSpec(
        model="underfit",
        epochs=6,
        dtype="float64",
        reduce_lr=ReduceLR(monitor="loss", factor=0.5, patience=1, min_delta=100.0),
        early_stopping=EarlyStopping(monitor="loss", patience=2, min_delta=100.0),
    )
    assert fit(spec, small_data()).history["learning_rate"] == [0.001, 0.001, 0.0005]


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


def test_losses_of_the_history_include_the_penalty():
    """What is missing without it: l2 times the squares of the weights, in validation too."""
    spec = RunSpec(model="capacity", epochs=1, dtype="float64", learning_rate=1e-9)
    plain, penalised = (fit(spec.replace(l2=l2), small_data()) for l2 in (0.0, 0.01))
    kernels = [value for key, value in plain.weights.items() if key.endswith("kernel")]
    penalty = float(np.float32(0.01)) * sum((kernel**2).sum() for kernel in kernels)
    for key in ("loss", "val_loss"):
        difference = penalised.history[key][0] - plain.history[key][0]
        # The rate is so small that the weights move by 3e-9 at most.
        assert difference == pytest.approx(penalty, rel=1e-5)


def test_an_independent_run_follows_from_its_seed_and_is_another_run():
    spec = WATCHED["independent"]
    torch.manual_seed(99)
    again = fit(spec, small_data())
    assert again.history == watched("independent")[0].history
    assert fit(spec.replace(seed=43), small_data()).history["loss"] != again.history["loss"]
    assert watched("stopped")[0].history["loss"][0] != again.history["loss"][0]
