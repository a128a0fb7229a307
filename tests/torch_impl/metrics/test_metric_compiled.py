"""What `compile` makes of strings and functions, and the numbers of a whole `evaluate`."""

import keras
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.trainers.compile_utils import get_loss, get_metric

from torch_impl import losses, metrics

SHAPES = [(6,), (6, 1), (6, 3), (6, 2, 1), (6, 2, 3), (1,), (1, 1), (6, 1, 3)]


@settings(max_examples=30)
@given(*[st.sampled_from(SHAPES)] * 2, st.sampled_from(["accuracy", "acc", "Accuracy", "ACC"]))
def test_accuracy_means_what_it_means_in_keras(output, target, name):
    theirs = get_metric(name, np.zeros(target), np.zeros(output))
    ours = metrics.metric(name, output, target)
    assert (type(ours).__name__, ours.name) == (type(theirs).__name__, theirs.name)


@settings(max_examples=30)
@given(*[st.sampled_from(SHAPES)] * 2)
def test_crossentropy_means_what_it_means_in_keras(output, target):
    theirs = get_loss("crossentropy", np.zeros(target), np.zeros(output))
    assert losses.LOSSES[theirs.fn.__name__] is type(metrics.crossentropy_for(output, target))


def test_a_metric_a_configuration_and_a_function_keep_their_names():
    def spread(y_pred, y_true):
        return (y_pred - y_true).abs().amax(-1)

    metric = metrics.AUC(name="area")
    assert metrics.metric(metric) is metric
    assert metrics.metric(keras.metrics.serialize(keras.metrics.AUC(name="area"))).name == "area"
    made = metrics.metric(spread, dtype="float64")
    assert (made.name, made.dtype) == ("spread", torch.float64)
    assert made(torch.tensor([[1.0, 4.0]]), torch.zeros(1, 2)) == 4


def test_an_accuracy_needs_the_shapes():
    with pytest.raises(ValueError, match="'acc' without shapes: expected output_shape and target"):
        metrics.metric("acc")
    with pytest.raises(
        ValueError, match=r"target_shape is \(\): expected at least the axis of the"
    ):
        metrics.accuracy_for((6, 3), ())


@pytest.mark.usefixtures("float64")
def test_an_evaluation_of_keras_gives_the_same_names_and_numbers():
    """Three batches, the last one smaller; weights reach the weighted metrics alone."""
    generator = np.random.default_rng(0)
    x = generator.dirichlet(np.ones(3), 10)
    y, weight = np.eye(3)[generator.integers(0, 3, 10)], generator.uniform(size=10)
    plain = ["accuracy", "mse", keras.metrics.AUC(name="auc"), "mse"]
    weighted = ["accuracy", keras.metrics.F1Score(average="macro")]
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Identity()])
    model.compile(
        loss="mse", metrics=plain, weighted_metrics=weighted, run_eagerly=True, jit_compile=False
    )
    theirs = model.evaluate(x, y, batch_size=4, sample_weight=weight, verbose=0, return_dict=True)
    del theirs["loss"]
    torch.set_default_dtype(torch.float64)
    try:
        made = [
            [metrics.metric(_ours(m), x.shape, y.shape) for m in group]
            for group in (plain, weighted)
        ]
    finally:
        torch.set_default_dtype(torch.float32)
    for start in range(0, 10, 4):
        rows = slice(start, start + 4)
        batch = torch.tensor(x[rows]), torch.tensor(y[rows])
        for metric in made[0]:
            metric.update(*batch)
        for metric in made[1]:
            metric.update(*batch, torch.tensor(weight[rows]))
    names = metrics.history_names(*([m.name for m in group] for group in made))
    ours = {name: m.result().item() for name, m in zip(names, [*made[0], *made[1]], strict=True)}
    assert sorted(ours) == list(theirs)  # Keras sorts them here
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert ours["accuracy"] != ours["weighted_accuracy"]


def _ours(identifier):
    return identifier if isinstance(identifier, str) else keras.metrics.serialize(identifier)
