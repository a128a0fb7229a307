"""Counts at thresholds are Keras's: in buckets and one by one, with thresholds that are hit."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.metrics import metrics_utils
from keras_metrics import SHARES, batches, both
from rows import each_row

from torch_impl import metrics
from torch_impl.metrics.confusion import COUNTS, Thresholds, confusion_counts

BITS = st.sampled_from([0.0, 1.0])
EVEN = Thresholds.evenly(5)
UNEVEN = Thresholds.of([0.1, 0.5, 0.3])
NAMES = dict(
    zip(
        COUNTS,
        (
            metrics_utils.ConfusionMatrix.TRUE_POSITIVES,
            metrics_utils.ConfusionMatrix.FALSE_POSITIVES,
            metrics_utils.ConfusionMatrix.TRUE_NEGATIVES,
            metrics_utils.ConfusionMatrix.FALSE_NEGATIVES,
        ),
        strict=True,
    )
)


def keras_counts(y_pred, y_true, thresholds, sample_weight, dtype, is_multi_label, **options):
    shape = (len(thresholds.values), *([y_pred.shape[-1]] if is_multi_label else []))
    variables = {key: keras.Variable(np.zeros(shape), dtype=dtype) for key in NAMES.values()}
    metrics_utils.update_confusion_matrix_variables(
        variables,
        y_true,
        y_pred,
        list(thresholds.values),
        sample_weight=sample_weight,
        multi_label=is_multi_label,
        thresholds_distributed_evenly=thresholds.is_even,
        **options,
    )
    return {name: np.asarray(variables[key]) for name, key in NAMES.items()}


def assert_counts_are_keras(batch, thresholds, dtype="float64", is_multi_label=False, **options):
    keras.config.set_floatx(dtype)
    y_pred, y_true, weight = batch
    theirs = keras_counts(y_pred, y_true, thresholds, weight, dtype, is_multi_label, **options)
    tensors = [None if x is None else torch.tensor(x) for x in batch]
    ours = confusion_counts(
        *tensors[:2],
        thresholds,
        tensors[2],
        dtype=getattr(torch, dtype),
        is_multi_label=is_multi_label,
        **{k: torch.tensor(v) if k == "label_weights" else v for k, v in options.items()},
    )
    assert set(ours) == set(theirs)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    for name, count in theirs.items():
        assert ours[name].shape == count.shape
        np.testing.assert_allclose(ours[name].numpy(), count, atol=tolerance, err_msg=name)


@one_test
@pytest.mark.parametrize("is_multi_label", [False, True], ids=["together", "columns"])
@pytest.mark.parametrize(
    "thresholds", [EVEN, EVEN.with_margin(), UNEVEN, UNEVEN.with_margin()], ids=str
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_counts_are_keras(thresholds, is_multi_label, dtype):
    kinds = ("none", "vector", "column", "full", "scalar")

    # Keras traces its buckets of columns in every call, which takes time.
    @settings(max_examples=3 if is_multi_label and thresholds.is_even else 6)
    @given(batches(SHARES | st.just(1.5) | st.just(-1.0), BITS, weights=kinds, max_batches=1))
    def same(made):
        for batch in made:
            assert_counts_are_keras(batch, thresholds, dtype, is_multi_label)

    same()


@settings(max_examples=10)
@given(
    batches(SHARES, BITS, columns=(3, 4), weights=("none", "vector", "column")),
    st.sampled_from([EVEN, UNEVEN]),
    st.sampled_from([{"top_k": 1}, {"top_k": 2}, {"class_id": 1}, {"top_k": 2, "class_id": 2}]),
)
def test_the_best_outputs_and_a_class_alone_are_keras(made, thresholds, options):
    assert_counts_are_keras(made[0], thresholds, **options)


@settings(max_examples=10)
@given(batches(SHARES, BITS, columns=(3, 3)), st.sampled_from([EVEN, UNEVEN]))
def test_weights_of_labels_multiply_the_weights_of_samples(made, thresholds):
    assert_counts_are_keras(made[0], thresholds, label_weights=np.array([2.0, 0.0, 0.3]))


@one_test
@pytest.mark.parametrize("thresholds", [EVEN, EVEN.with_margin(), UNEVEN], ids=str)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_outputs_that_are_no_numbers_are_not_positive(thresholds):
    y_pred = np.array([np.nan, 0.2, 0.7, np.inf, -np.inf, np.nan])
    assert_counts_are_keras((y_pred, np.array([1, 1, 0, 0, 1, 0.0]), None), thresholds)


@one_test
@pytest.mark.parametrize(
    ("output", "target", "weight"),
    [
        ((4,), (4,), (4,)),
        ((4, 1), (4,), (4,)),
        ((4,), (4, 1), (4, 1)),
        ((4, 1), (4, 1), (4, 1)),
        ((4, 2), (4, 2), (4, 2)),
        ((4, 3, 2), (4, 3, 2), (4, 3)),
        ((4, 3, 2), (4, 3, 2), (4, 3, 2)),
        ((4, 3, 1), (4, 3), (4, 3)),
        ((0,), (0,), None),
    ],
    ids=str,
)
def test_shapes_meet_as_in_keras(output, target, weight):
    generator = np.random.default_rng(0)
    batch = (
        generator.integers(0, 5, output) / 4,
        generator.integers(0, 3, target),  # 2 is true as well
        None if weight is None else generator.uniform(size=weight),
    )
    for thresholds in (EVEN, UNEVEN):
        assert_counts_are_keras(batch, thresholds)


@one_test
@pytest.mark.parametrize(
    ("dtype", "num_thresholds", "positive"), [("float32", 14, 7), ("float64", 4, 0)]
)
def test_buckets_decide_as_keras_where_rounding_does(dtype, num_thresholds, positive):
    """float32(7 / 13) * 13 is a little more than 7: 7 / 13 is above itself.

    In float64, the number after 1 / 3, times 3, is 1: it is not above 1 / 3.
    """
    thresholds = [i / (num_thresholds - 1) for i in range(num_thresholds)]
    near = thresholds[7] if dtype == "float32" else np.nextafter(thresholds[1], 1)
    batch = np.array([near], dtype), np.array([1.0])
    ours, theirs = both("TruePositives", {"thresholds": thresholds}, [batch], dtype)
    expected = np.arange(num_thresholds) <= positive
    assert ours.tolist() == theirs.tolist() == expected.tolist()
    assert (batch[0] > np.array(thresholds, dtype)).tolist() != expected.tolist()


@each_row(
    "kind, options, shapes, message",
    [
        *(
            ("TruePositives", {"thresholds": given}, [], r"thresholds \[.*\]: expected numbers in")
            for given in (-0.1, [0.5, 1.1], [float("nan")])
        ),
        (
            *("Precision", {"class_id": 1}, [4, 4]),
            r"class_id=1 with y_pred of shape \(4,\): expected \(sampl",
        ),
        (
            *("Recall", {}, [(4, 2), (4, 3)]),
            r"y_true has shape \(4, 3\), y_pred \(4, 2\): expected the same",
        ),
        (
            *("Recall", {}, [(4, 2), (4, 2), 3]),
            r"sample_weight has shape \(3, 1\): expected a shape that broad",
        ),
    ],
)
def test_other_thresholds_and_shapes_that_do_not_fit_are_errors(kind, options, shapes, message):
    with pytest.raises(ValueError, match=message):
        getattr(metrics, kind)(**options).update(*map(torch.zeros, shapes))
