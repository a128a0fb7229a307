"""Losses that differ are named by their own formula, written down here once more."""

import check_pairs
import numpy as np
import pytest
from check_evidence import evidence_of, names

SMOOTHING = 0.12


def sets(value):
    """The loss of confident outputs; a port that has another one."""

    def change(parts):
        parts.arrays["loss/confident/value"] = np.array(value)

    return change


def confident(recorded):
    """Probabilities and targets between 0 and 1, (8, outputs)."""
    linear = recorded.arrays["loss/confident/linear"]
    return check_pairs.sigmoid(linear), recorded.arrays["loss/confident/target"]


def crossentropy(p, y):
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


# --- binary crossentropy -------------------------------------------------------------------------


def binary(num_outputs, settings=None, class_weight=None):
    """Makes the loss of the model a binary crossentropy of so many outputs."""

    def change(recorded):
        recorded.facts["output_shape"] = [num_outputs]
        recorded.facts["loss"] = {
            "name": "binary_crossentropy",
            "config": {"config": settings or {}},
            "class_weight": class_weight,
        }
        arrays = recorded.arrays
        for mode in ("eval", "train"):
            arrays[f"forward/{mode}/output"] = arrays[f"forward/{mode}/output"][:, :num_outputs]
        for key in ("linear", "target", "gradient"):
            arrays[f"loss/confident/{key}"] = arrays[f"loss/confident/{key}"][:, :num_outputs]
        y = (np.arange(8 * num_outputs).reshape(8, -1) % 3 == 0).astype(float)
        arrays["loss/confident/target"] = y
        p, _ = confident(recorded)
        weights = np.ones_like(y)
        if class_weight is not None:
            weights = np.where(y == 1, class_weight["1"], class_weight["0"])
        s = (settings or {}).get("label_smoothing", 0.0)
        sets((weights * crossentropy(p, y * (1 - s) + s / 2)).mean())(recorded)

    return change


def port_of(reference, formula):
    """A port whose loss of confident outputs is a formula of p and y."""
    recorded = check_pairs.recorded()
    reference(recorded)
    return sets(formula(*confident(recorded)))


SMOOTHED = {
    "by_labels": (lambda y: y * (1 - SMOOTHING) + SMOOTHING / 3, "y * (1 - 0.12) + 0.12 / 3"),
    "whole": (lambda y: y * (1 - SMOOTHING) + SMOOTHING, "y * (1 - 0.12) + 0.12 / 1"),
    "none": (lambda y: y, "none"),
}


@pytest.mark.parametrize(("soft", "told"), SMOOTHED.values(), ids=SMOOTHED)
def test_a_binary_smoothing_is_told_by_its_formula(tmp_path, soft, told):
    reference = binary(3, {"label_smoothing": SMOOTHING})
    port = port_of(reference, lambda p, y: crossentropy(p, soft(y)).mean())
    evidence = evidence_of(tmp_path, reference, port)
    found = names(evidence)
    assert next(iter(found)) == "D4"
    assert found["D4"] == f"0.12 / 2 in Keras, {told} in the port"


WEIGHTS = {"0": 0.4, "1": 2.6}


def test_pos_weight_for_class_weights_is_told(tmp_path):
    reference = binary(1, class_weight=WEIGHTS)
    port = port_of(
        reference, lambda p, y: (np.where(y == 1, 2.6 / 0.4, 1.0) * crossentropy(p, y)).mean()
    )
    evidence = evidence_of(tmp_path, reference, port)
    found = names(evidence)
    assert next(iter(found)) == "D5"
    assert found["D5"] == "pos_weight=6.5 leaves label 0 a weight of 1"


@pytest.mark.parametrize("weights", [WEIGHTS, {"0": 0.0, "1": 1.5}], ids=["usual", "zero"])
def test_binary_class_weights_that_are_missing_are_told(tmp_path, weights):
    reference = binary(1, class_weight=weights)
    port = port_of(reference, lambda p, y: crossentropy(p, y).mean())
    evidence = evidence_of(tmp_path, reference, port)
    assert names(evidence)["D5"] == "the port has no class weights"


# --- penalties -----------------------------------------------------------------------------------

L1, L2 = 2e-3, 5e-3


def penalised(*nodes, variable="kernel"):
    """Gives the first kernel of the network an L1L2 regulariser, told by each of some nodes."""

    def change(recorded):
        config = {"class_name": "L1L2", "config": {"l1": L1, "l2": L2}}
        for number in nodes:
            recorded.facts["nodes"][number]["config"] = {f"{variable}_regularizer": config}
            recorded.facts["nodes"][number]["weights"] = ["dense1.kernel", "dense1.bias"]
        w = recorded.arrays["weights/dense1.kernel"]
        penalty = L1 * np.abs(w).sum() + L2 * (w**2).sum()
        recorded.arrays["loss/penalty"] = np.array(penalty)
        sets(recorded.arrays["loss/confident/value"] + penalty)(recorded)

    return change


def port_with_penalty(formula):
    recorded = check_pairs.recorded()
    value = recorded.arrays["loss/confident/value"]
    return sets(value + formula(recorded.arrays["weights/dense1.kernel"]))


PENALTIES = {
    "l1": (
        lambda w: L1 * np.abs(w).mean() + L2 * (w**2).sum(),
        "the port's penalty takes the mean of its l1 part",
    ),
    "l2": (
        lambda w: L1 * np.abs(w).sum() + L2 * (w**2).mean(),
        "the port's penalty takes the mean of its l2 part",
    ),
    "both": (
        lambda w: L1 * np.abs(w).mean() + L2 * (w**2).mean(),
        "the port's penalty takes the mean of both parts",
    ),
    "no_l1": (lambda w: L2 * (w**2).sum(), "the port's penalty has no l1 part"),
    "no_l2": (lambda w: L1 * np.abs(w).sum(), "the port's penalty has no l2 part"),
}


@pytest.mark.parametrize(("formula", "detail"), PENALTIES.values(), ids=PENALTIES)
def test_a_penalty_of_other_parts_is_told(tmp_path, formula, detail):
    evidence = evidence_of(tmp_path, penalised(0), port_with_penalty(formula))
    found = names(evidence)
    assert next(iter(found)) == "C8"
    assert found["C8"] == detail
