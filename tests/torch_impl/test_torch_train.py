"""Training in torch: what the history means, and what does and does not change a run."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import assert_same_weights, make_data

from parity.recorder import Recorder
from parity.spec import DTYPES, MODELS, Augmentation, ReduceLR, RunSpec
from parity.trace import TraceWriter
from torch_impl.data import training_data, validation_data
from torch_impl.layers import Dropout
from torch_impl.models import build_model
from torch_impl.train import RunningMetrics, evaluate, fit
from torch_impl.weights import get_weights

HISTORY_KEYS = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
AUGMENTATION = Augmentation(10, 0.1, 0.1, 0.1, 0.1, True)
SPECS = {
    "underfit": RunSpec(model="underfit", epochs=2),
    "capacity": RunSpec(model="capacity", epochs=2),
    "dropout": RunSpec(model="dropout", epochs=2),
    "augmentation": RunSpec(model="capacity", epochs=2, augmentation=AUGMENTATION),
}


@functools.cache
def small_data():
    return make_data((12, 20, 3), num_classes=5, num_train=70, num_val=20)


@functools.cache
def plain(name, seed=42):
    """A run that nobody watches; the tests share it."""
    return fit(SPECS[name].replace(seed=seed), small_data())


def logits_for(labels, num_classes=3):
    """Logits whose greatest entry is at the given labels."""
    return F.one_hot(torch.tensor(labels), num_classes).double()


def test_metrics_are_means_over_samples_not_over_batches():
    metrics = RunningMetrics(torch.float64, "cpu")
    metrics.update(torch.tensor(1.0), logits_for([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0]))
    assert metrics.result() == (1.0, 0.75)
    # The last batch is smaller: (4 * 1 + 1 * 6) / 5 = 2, where a mean of batches gives 3.5.
    metrics.update(torch.tensor(6.0), logits_for([1]), torch.tensor([0]))
    assert metrics.result() == (2.0, 0.6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_metrics_are_summed_in_the_dtype_of_the_run(dtype):
    dtype = getattr(torch, dtype)
    metrics = RunningMetrics(dtype, "cpu")
    for loss in (1.0, 1e-9):
        metrics.update(torch.tensor(loss, dtype=dtype), logits_for([0]), torch.tensor([0]))
    assert metrics.result()[0] == (0.5 if dtype == torch.float32 else (1 + 1e-9) / 2)


def test_of_equal_logits_the_first_class_counts_as_the_answer():
    metrics = RunningMetrics(torch.float64, "cpu")
    metrics.update(torch.tensor(0.0), torch.zeros(2, 3), torch.tensor([0, 1]))
    assert metrics.result()[1] == 0.5


def test_evaluation_is_the_mean_over_all_samples_in_eval_mode():
    spec = SPECS["dropout"].replace(batch_size=7, dtype="float64")
    data = small_data()
    model, _ = build_model(spec, data.input_shape, data.num_classes)
    ours = evaluate(model, validation_data(spec, data), torch.float64, "cpu")
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
    evaluate(model, validation_data(spec, data), torch.float32, "cpu")
    assert_same_weights(get_weights(model), before)
    assert [m.num_calls for m in model.modules() if isinstance(m, Dropout)] == counts == [1, 1]
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", SPECS)
def test_the_history_has_keras_keys_with_one_float_an_epoch(name):
    history = plain(name).history
    assert list(history) == HISTORY_KEYS
    for values in history.values():
        assert len(values) == 2
        assert all(type(value) is float and np.isfinite(value) for value in values)
    assert history["learning_rate"] == [float(np.float32(0.001))] * 2


@pytest.mark.parametrize("name", ["dropout", "augmentation"])
def test_a_watched_run_is_bitwise_the_plain_run(name):
    writer = TraceWriter()
    recorder = Recorder(writer, steps_per_epoch=3, epochs=2)
    watched = fit(SPECS[name], small_data(), recorder)
    assert watched.history == plain(name).history
    assert_same_weights(watched.weights, plain(name).weights)
    # It was watched: every step, and the weights that came out.
    assert len(writer.arrays["running_loss"]) == 6
    for key, value in watched.weights.items():
        np.testing.assert_array_equal(writer.arrays[f"trajectory/6/{key}"], value)


@pytest.mark.parametrize("name", ["dropout", "augmentation"])
def test_the_recorded_loss_is_a_running_mean_that_ends_at_the_history(name):
    writer = TraceWriter()
    result = fit(SPECS[name], small_data(), Recorder(writer, steps_per_epoch=3, epochs=2))
    assert writer.arrays["running_loss"][2::3].tolist() == result.history["loss"]


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


@pytest.mark.parametrize("name", SPECS)
def test_a_run_trains_every_weight(name):
    spec, data = SPECS[name], small_data()
    start, _ = build_model(spec, data.input_shape, data.num_classes)
    for key, value in get_weights(start).items():
        assert (plain(name).weights[key] != value).any(), key


@pytest.mark.parametrize("model", MODELS)
def test_models_adapt_to_the_images_and_classes_of_the_data(model):
    network, _ = build_model(RunSpec(model=model), (12, 20, 3), 5)
    assert network(torch.zeros(2, 3, 12, 20)).shape == (2, 5)


# By hand for 28x28x1 and ten classes: 28 -> 26 -> 13 -> 11 -> 5, so 5 * 5 * channels features.
COUNTS = {
    "underfit": (9 + 1) * 2 + (9 * 2 + 1) * 4 + (25 * 4 + 1) * 10,
    "capacity": (9 + 1) * 32 + (9 * 32 + 1) * 64 + (25 * 64 + 1) * 128 + (128 + 1) * 10,
    "dropout": 225_034,
}


@pytest.mark.parametrize(("model", "count"), COUNTS.items())
def test_models_have_as_many_parameters_as_counted_by_hand(model, count):
    network, _ = build_model(RunSpec(model=model), (28, 28, 1), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert COUNTS["capacity"] == 225_034


def test_a_model_returns_logits():
    network, _ = build_model(RunSpec(model="underfit"), (12, 20, 3), 5)
    logits = network(torch.randn(4, 3, 12, 20) * 100)
    assert (logits < 0).any()
    assert not torch.allclose(logits.sum(1), torch.ones(4))


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
