"""Metrics are made from Keras's names and configurations."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from keras.src.metrics import ALL_OBJECTS_DICT
from keras_metrics import assert_same
from test_metric_base import ARGUMENTS, CLASSES, a_batch

from torch_impl import metrics

NOT_HERE = {"Metric", "metric", "MeanMetricWrapper", "mean_metric_wrapper"}  # without arguments


def test_every_name_of_keras_gives_the_metric_of_that_class():
    assert set(ALL_OBJECTS_DICT) - NOT_HERE == set(metrics.METRICS)
    for name, kind in metrics.METRICS.items():
        assert kind.__name__ == ALL_OBJECTS_DICT[name].__name__


OTHER = {
    "BinaryAccuracy": {"threshold": 0.2},
    "TopKCategoricalAccuracy": {"k": 2},
    "SparseTopKCategoricalAccuracy": {"k": 2, "from_sorted_ids": False},
    "BinaryCrossentropy": {"label_smoothing": 0.3, "from_logits": True},
    "CategoricalCrossentropy": {"label_smoothing": 0.3, "from_logits": True},
    "SparseCategoricalCrossentropy": {"ignore_class": 1, "from_logits": True},
    "PearsonCorrelation": {"axis": 0},
    "ConcordanceCorrelation": {"axis": 0},
    "R2Score": {"class_aggregation": None, "num_regressors": 1},
    "Precision": {"thresholds": [0.2, 0.4], "class_id": 1},
    "Recall": {"top_k": 2},
    "TruePositives": {"thresholds": [0.1]},
    "AUC": {"thresholds": [0.2, 0.6], "curve": "PR", "summation_method": "majoring"},
    "PrecisionAtRecall": {"num_thresholds": 7, "class_id": 2},
    "F1Score": {"average": "macro", "threshold": 0.25},
    "FBetaScore": {"beta": 0.5},
    "BinaryIoU": {"threshold": 0.2, "target_class_ids": [1]},
    "MeanIoU": {"ignore_class": 1, "dtype": "float32"},
}


@one_test
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_configuration_gives_the_same_metric(kind):
    options = {**ARGUMENTS.get(kind.__name__, {}), **OTHER.get(kind.__name__, {})}
    theirs = getattr(keras.metrics, kind.__name__)(name="mine", **options)
    ours = metrics.from_config(keras.metrics.serialize(theirs))
    assert (type(ours), ours.name, str(ours.dtype)) == (kind, "mine", f"torch.{theirs.dtype}")
    batch = a_batch(ours, 0)
    theirs.update_state(*(x.numpy() for x in reversed(batch)))
    assert_same(ours(*batch).numpy(), np.asarray(theirs.result()), 2e-6)


@one_test
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (keras.metrics.mean_absolute_error, 4.0),
        (keras.losses.cosine_similarity, -1.0),  # the function is the loss
        (keras.losses.huber, 3.5),
        (keras.metrics.binary_accuracy, 1.0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_becomes_the_mean_of_its_values(function, expected):
    metric = metrics.from_config(keras.metrics.serialize(function))
    assert metric.name == function.__name__
    y_pred, y_true = torch.tensor([[5.0]]), torch.tensor([[1.0]])
    assert metric(y_pred, y_true).item() == pytest.approx(expected)
    theirs = keras.metrics.MeanMetricWrapper(function)
    assert float(theirs(y_true.numpy(), y_pred.numpy())) == pytest.approx(expected)


@one_test
@pytest.mark.parametrize(
    "theirs",
    [
        keras.metrics.MeanMetricWrapper(keras.losses.huber, name="own", delta=0.5),
        keras.metrics.MeanMetricWrapper(keras.losses.cosine_similarity, name="own", axis=0),
        keras.metrics.MeanMetricWrapper(keras.metrics.binary_accuracy, name="own", threshold=2.5),
        keras.metrics.MeanMetricWrapper(keras.losses.Huber(), name="own"),
        keras.metrics.MeanMetricWrapper(
            keras.losses.sparse_categorical_crossentropy, name="own", ignore_class=1, axis=-1
        ),
    ],
    ids=["huber", "cosine", "accuracy", "loss", "ignored"],
)
def test_a_mean_of_a_function_keeps_the_settings_of_the_function(theirs):
    ours = metrics.from_config(keras.metrics.serialize(theirs))
    assert (ours.name, ours.direction) == ("own", getattr(theirs, "_direction", None) or "up")
    y_pred, y_true = torch.tensor([[0.5, 2.0], [3.0, 7.0]]), torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    if theirs is not None and "ignore_class" in theirs.get_config():
        y_true = torch.tensor([0, 1])
    weight = torch.tensor([1.0, 2.0])
    if "Huber" in str(theirs.get_config()["fn"]):
        weight = None  # one number a batch
    theirs.update_state(y_true.numpy(), y_pred.numpy(), None if weight is None else weight.numpy())
    assert_same(ours(y_pred, y_true, weight).numpy(), np.asarray(theirs.result()), 1e-6)


@one_test
@pytest.mark.parametrize("config", ["roc", {"class_name": "Bleu", "config": {}}], ids=str)
def test_a_metric_that_is_not_here_is_an_error_that_says_where_those_are_that_are(config):
    with pytest.raises(
        ValueError, match=r"metric '.*': expected one of torch_impl\.metrics\.METRICS"
    ):
        metrics.from_config(config)
