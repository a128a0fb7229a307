"""Causes of masks are named by the port's numbers, and a right port has none."""

import numpy as np
import one_layer
import pytest
from scipy import special

from parity.divergences import recognised
from parity.divergences.masks import other_masks, other_means, values_of

MASK = np.array([[True, True, True], [True, False, False]])
X = np.random.default_rng(4).normal(size=(2, 3, 5))


def mean_of(mask):
    return np.where(mask[..., None], X, 0).sum(1) / np.maximum(mask.sum(1), 1)[:, None]


def at_mean(ours, mask=MASK):
    """Evidence of a mean over steps that makes something else of Keras's input."""
    found = one_layer.at_layer("global_average_pool", {}, X, mean_of(MASK), ours)
    if mask is not None:
        found.keras["counted/eval/here/given/0"] = mask
        found.keras["counted/eval/here/input/0"] = mask
    return found


OTHERS = dict(other_masks(MASK))


def test_a_mean_of_all_steps_misses_the_mask():
    found = one_layer.names(at_mean(X.mean(1)))
    assert found["A64"] == "in the port, here takes all steps, the masked ones too"


@pytest.mark.parametrize("text", OTHERS)
def test_another_mask_is_told(text):
    if text == "leaves out the last step that counts":
        assert OTHERS[text].tolist() == [[True, True, False], [True, False, False]]
    found = one_layer.names(at_mean(mean_of(OTHERS[text])))
    assert found["A65"] == f"in the port, here {text}"


def test_a_sum_over_all_steps_is_told():
    found = one_layer.names(at_mean(np.where(MASK[..., None], X, 0).sum(1) / 3))
    assert found["A65"].endswith("divides by all 3 steps, Keras by those that count")


@pytest.mark.parametrize(
    ("ours", "mask"), [(mean_of(MASK), MASK), (mean_of(MASK) * 1.01, MASK), (X.mean(1), None)]
)
def test_other_numbers_and_no_mask_have_none_of_these_causes(ours, mask):
    names = {entry.id for entry, _ in recognised(at_mean(ours, mask))}
    assert not names & {"A64", "A65", "A66", "A67"}


def test_replaced_steps_are_told_where_they_count_in_keras():
    before, after = (
        one_layer.node("words", "embedding", [-1]),
        one_layer.node("most", "global_max_pool", [0]),
    )
    keras, port = one_layer.facts(
        [before, after], [one_layer.call("e", "embedding", [-1]), one_layer.call("m", "amax", [0])]
    )
    key = "forward/eval/most/input/0"
    ours = np.where(MASK[..., None], X, -1e9)
    arrays = {key: X, "counted/eval/most/given/0": MASK}
    found = one_layer.evidence(
        (keras, arrays), (port, {key: ours}), "input of most (eval)", X, ours
    )
    text = one_layer.names(found)["A66"]
    assert text == "the masked steps of the input of most are replaced in the port"


EACH = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 60.0]])


def test_means_of_a_masked_loss_by_hand():
    """Masked losses: 1, 2, 3 and 10."""
    found = {text.partition(",")[0]: value for text, value in other_means(EACH, MASK)}
    assert found == {
        "counts masked steps": 16.0,
        "divides by all 6 steps": pytest.approx(16 / 6),
        "is the mean of the means of the samples": 6.0,
        "counts the masked steps alone": 40.0,
        "divides by the number of samples": 8.0,
        "is a sum": 16.0,
        "takes the mask of the next step for that of a step": (1 + 2) / 2,
        "takes the mask of the step before for that of a step": pytest.approx((2 + 3 + 20) / 3),
        "takes the masked steps in the place of the others": 40.0,
        "leaves out the last step that counts": pytest.approx((1 + 2 + 10) / 3),
        "takes one step more": pytest.approx((1 + 2 + 3 + 10 + 20) / 5),
        "leaves out the first step that counts": 5.0,
    }


def test_values_of_steps_by_hand():
    output = np.array([[[0.2, 0.8], [0.5, 0.5]]])
    labels = np.array([[1, 1]])
    assert values_of("accuracy", output, labels).tolist() == [[1.0, 0.0]]
    squares = values_of("mse", output, np.zeros_like(output))
    np.testing.assert_allclose(squares, [[0.34, 0.25]], rtol=1e-12)
    assert values_of("mae", output, np.zeros_like(output)).tolist() == [[0.5, 0.5]]
    made = values_of("sparse_categorical_crossentropy", output, labels)
    np.testing.assert_allclose(made, -special.log_softmax(np.log(output), -1)[..., 1])
    assert values_of("auc", output, labels) is None
    assert values_of("mse", None, labels) is None


def at_metric(ours):
    output = np.array([[[0.2, 0.8], [0.9, 0.1], [0.9, 0.1]], [[0.3, 0.7], [0.9, 0.1], [0.9, 0.1]]])
    y = np.ones((2, 3), int)
    keras, port = one_layer.facts([], [])
    arrays = {"forward/eval/output": output, "target/probe": y, "counted/eval/output": MASK}
    arrays["metric/eval/accuracy"] = np.array([0.5])  # of 1, 0, 0 and 1
    own = {"metric/eval/accuracy": np.array([ours]), "forward/eval/output": output}
    found = one_layer.evidence(
        (keras, arrays), (port, own), "accuracy (eval)", [0.5], [ours], "metrics"
    )
    return one_layer.names(found)


def test_a_metric_of_all_steps_counts_padding():
    assert at_metric(1 / 3)["I8"] == "the mean over all 6 steps gives the port's number"
    assert "I8" not in at_metric(0.4)
