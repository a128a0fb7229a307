"""F scores are Keras's, with every average and with ties."""

import pytest
import torch
from covering import one_test
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_metrics import SHARES, assert_is_keras, batches
from rows import each_row

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


def test_a_row_of_zeros_has_no_greatest_output():
    metric = metrics.F1Score(average="micro")
    metric.update(torch.zeros(1, 2), torch.tensor([[1, 0]]))
    assert metric.state_dict()["false_negatives"] == 1
    assert metric.state_dict()["false_positives"] == 0


@each_row(
    "options, shapes, message",
    [
        ({"average": "mean"}, [], "average='mean': expected one of"),
        ({"beta": 0.0}, [], "beta=0.0: expected a number greater than 0"),
        ({"threshold": 0.0}, [], r"threshold=0.0: expected a number in \(0, 1\], or None"),
        ({"threshold": 1.5}, [], r"threshold=1.5: expected a number in \(0, 1\], or None"),
        ({}, [4, 4], r"fbeta_score: y_true has shape \(4,\), y_pred \(4,\): expect"),
        (
            *({}, [(4, 2), (4, 2), (4, 1)]),
            r"sample_weight has shape \(4, 1\): expected a shape that",
        ),
    ],
)
def test_arguments_that_mean_nothing_and_other_shapes_are_errors(options, shapes, message):
    with pytest.raises(ValueError, match=message):
        metrics.FBetaScore(**options).update(*map(torch.zeros, shapes))
