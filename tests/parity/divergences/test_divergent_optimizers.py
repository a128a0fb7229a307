"""Optimizers are named by the rule that gives the port's weights, computed here by hand."""

import check_pairs
import numpy as np
import pytest
from check_evidence import evidence_of, names

from parity.data import probe_inputs

DECAY = 0.125  # which float32 has as it is


def optimized(parts, update, only=None):
    """Sets the weights of the probe; `update(w, g, rate, step, state)` returns the next ones."""
    seed, rates = 3, parts.arrays["optimizer/learning_rate"]
    for name, shape in check_pairs.SHAPES.items():
        if only is not None and not name.endswith(only):
            continue
        w, state = parts.arrays[f"weights/{name}"], {}
        for step, rate in enumerate(rates, start=1):
            w = update(w, probe_inputs.gradient(seed, step, name, shape), rate, step, state)
            if step in probe_inputs.OPTIMIZER_STEPS:
                parts.arrays[f"optimizer/{step}/weights/{name}"] = w


def optimizer(kind, **config):
    """Names the optimizer of the Keras model, but for what it computes."""

    def change(recorded):
        recorded.facts["optimizer"] = {"class": kind, "config": {"learning_rate": 0.25, **config}}

    return change


def decayed(w, g, rate, step, state):
    return w - rate * DECAY * w - rate * g


def test_a_decay_of_weights_that_keras_excludes_is_told(tmp_path):
    def reference(recorded):
        optimizer("SGD", momentum=0.0, weight_decay=DECAY)(recorded)
        optimized(recorded, decayed, only="kernel")

    def port(parts):
        optimized(parts, decayed)

    evidence = evidence_of(tmp_path, reference, port)
    assert evidence.item.name == "dense1.bias"
    found = names(evidence)
    assert next(iter(found)) == "C11"
    assert found["C11"].startswith("dense1.bias: none in Keras, which excludes it")


def accumulated(divisor, num_steps=3):
    """Plain descent that collects the gradients of some steps."""

    def update(w, g, rate, step, state):
        state["sum"] = state.get("sum", 0.0) + g
        if step % num_steps:
            return w
        return w - rate * state.pop("sum") / divisor

    return update


def accumulating(recorded):
    optimizer("SGD", momentum=0.0, gradient_accumulation_steps=3)(recorded)
    optimized(recorded, accumulated(3))


def test_the_sum_of_accumulated_gradients_is_told_from_their_mean(tmp_path):
    evidence = evidence_of(tmp_path, accumulating, lambda parts: optimized(parts, accumulated(1)))
    found = names(evidence)
    assert next(iter(found)) == "E3"
    assert found["E3"] == "the mean gradient of 3 steps in Keras, their sum in the port"


def adam(beta_2=0.999, clip=None, rates=None, decay=0.0):
    """Keras's Adam with the second beta as it is given, and a rate of its own at each step."""

    def update(w, g, rate, step, state):
        rate = rate if rates is None else rates(step)
        g = np.clip(g, -clip, clip) if clip else g
        w = w - rate * decay * w
        m = state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
        v = state["v"] = 0.999 * state.get("v", 0.0) + (1 - 0.999) * g * g
        b1 = 0.9 if beta_2 == 0.999 else float(np.float32(0.9))
        root = np.sqrt(1 - beta_2**step) / (1 - b1**step)
        return w - rate * root * m / (np.sqrt(v) + 1e-7)

    return update


AS_WRITTEN, ROUNDED = 0.999, float(np.float32(0.999))
OF_ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}


@pytest.mark.parametrize("beta_2", [AS_WRITTEN, ROUNDED], ids=["as_written", "rounded"])
@pytest.mark.parametrize(
    ("keras", "port", "cause", "told"),
    [
        (
            {"weight_decay": DECAY},
            {"decay": 0.01},
            "F9",
            "decoupled 0.125 in Keras, decoupled 0.01",
        ),
        ({}, {"clip": 0.5}, "E8", "no clipping in Keras, value 0.5 in the port"),
        ({"clipvalue": 0.5}, {}, "E8", "clips by value 0.5 in Keras, not at all in the port"),
    ],
    ids=["decay", "clipped", "not_clipped"],
)
def test_an_optimizer_by_hand_is_named_whether_it_rounds_its_betas_or_not(
    beta_2, keras, port, cause, told, tmp_path
):
    """Keras has 0.999 in float32, also in float64, which moves a weight by 1e-5 of its change."""
    of_keras = {"decay": keras.get("weight_decay", 0.0), "clip": keras.get("clipvalue")}

    def reference(recorded):
        optimizer("Adam", **OF_ADAM, **keras)(recorded)
        optimized(recorded, adam(ROUNDED, **of_keras))

    found = names(
        evidence_of(tmp_path, reference, lambda parts: optimized(parts, adam(beta_2, **port)))
    )
    assert next(iter(found)) == cause
    assert found[cause].startswith(told)
