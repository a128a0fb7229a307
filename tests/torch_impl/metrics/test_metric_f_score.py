"""F scores are Keras's, with every average and with ties."""

import numpy as np
import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SHARES, assert_is_keras, batches

from torch_impl import metrics

BITS = st.sampled_from([0.0, 1.0])
OUTPUTS = SHARES | st.sampled_from([1e-10, -0.3])


@one_test
@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
def test_a_score_is_keras(average):
    @settings(max_examples=10)
    @given(
        batches(OUTPUTS, BITS, columns=(2, 3), weights=("none", "vector")),
        st.sampled_from([1.0, 0.5, 2.0]),
        st.sampled_from([None, 0.5, 0.3, 1.0]),
    )
    def same(made, beta, threshold):
        options = {"average": average, "beta": beta, "threshold": threshold}
        assert_is_keras("FBetaScore", options, made)

    same()


def test_f1_is_keras():
    generator = np.random.default_rng(0)
    batch = generator.uniform(size=(9, 3)), np.eye(3)[generator.integers(0, 3, 9)]
    for average in (None, "weighted"):
        assert_is_keras("F1Score", {"average": average, "threshold": 0.4}, [batch])


def test_recall_counts_beta_times_as_much():
    """Precision 1 and recall 1/2: 5 / (4 / 0.5 + 1 / 1) for beta = 2."""
    y_pred, y_true = torch.tensor([[0.9], [0.1]]), torch.tensor([[1], [1]])
    metric = metrics.FBetaScore(beta=2.0, threshold=0.5, dtype="float64")
    assert metric(y_pred, y_true).item() == pytest.approx(5 / 9, abs=1e-6)


def test_a_perfect_score_is_a_little_less_than_1():
    """p = r = 1 / (1 + e), and p * r / (p + r + e) * 2 is 1 - 1.5e, with e = 1e-7."""
    y = torch.tensor([[1.0]], dtype=torch.float64)
    score = metrics.F1Score(dtype="float64")(y, y).item()
    assert 1 - score == pytest.approx(1.5e-7, rel=1e-5)


def test_a_row_of_zeros_has_no_greatest_output():
    metric = metrics.F1Score(average="micro")
    metric.update(torch.zeros(1, 2), torch.tensor([[1, 0]]))
    assert metric.state_dict()["false_negatives"] == 1
    assert metric.state_dict()["false_positives"] == 0


def test_the_greatest_of_negative_outputs_is_positive():
    batch = np.array([[-0.5, -0.3], [-2.0, -7.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert_is_keras("F1Score", {}, [batch])
    assert metrics.F1Score()(*map(torch.tensor, batch))[1] > 0.6


@one_test
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"average": "mean"}, "average='mean': expected one of"),
        ({"beta": 0.0}, "beta=0.0: expected a number greater than 0"),
        ({"threshold": 0.0}, r"threshold=0.0: expected a number in \(0, 1\], or None"),
        ({"threshold": 1.5}, r"threshold=1.5: expected a number in \(0, 1\], or None"),
    ],
)
def test_an_argument_that_means_nothing_is_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        metrics.FBetaScore(**options)


def test_outputs_and_targets_have_rows_of_columns():
    with pytest.raises(
        ValueError, match=r"f1_score: y_true has shape \(4,\), y_pred \(4,\): expect"
    ):
        metrics.F1Score().update(torch.zeros(4), torch.zeros(4))
    with pytest.raises(
        ValueError, match=r"sample_weight has shape \(4, 1\): expected a shape that"
    ):
        metrics.F1Score().update(torch.zeros(4, 2), torch.zeros(4, 2), torch.ones(4, 1))
