"""AdamW, and Adam with amsgrad, move weights as Keras's do, up to rounding."""

import copy

import numpy as np
import pytest
import torch
from optimizer_runs import (
    TorchRun,
    keras_alone,
    make_gradients,
    make_weights,
    run_steps,
)

from torch_impl.optim import Adam, AdamW


def test_without_amsgrad_a_run_with_it_is_not_matched():
    theirs = keras_alone("Adam", amsgrad=True, beta_2=0.5)
    plain = TorchRun("Adam", make_weights("float64"), learning_rate=0.01, beta_2=0.5)
    run_steps(plain, make_gradients("float64", 40), changes_rate=True)
    worst = max(
        np.max(np.abs(a - b)) for a, b in zip(plain.weights(), theirs.weights(), strict=True)
    )
    assert worst > 1e-3


def test_the_greatest_velocity_of_each_entry_is_kept():
    run = TorchRun("Adam", [np.zeros(2)], amsgrad=True, beta_2=0.5)
    for gradient in ([2.0, 1.0], [0.0, 4.0]):
        run.step([np.array(gradient)])
    # v: (2, 0.5), then (1, 8.25).
    assert run.slots()[0]["velocity"].tolist() == [1.0, 8.25]
    assert run.slots()[0]["velocity_hat"].tolist() == [2.0, 8.25]


def test_a_state_that_was_saved_before_there_was_amsgrad_is_loaded():
    old = run_steps(TorchRun("Adam", make_weights("float64")), make_gradients("float64", 3))
    state = copy.deepcopy(old.optimizer.state_dict())
    kept = ("lr", "betas", "eps", "step", "weight_decay", "params")
    state["param_groups"] = [{key: group[key] for key in kept} for group in state["param_groups"]]
    new = TorchRun("Adam", old.weights())
    new.optimizer.load_state_dict(state)
    for run in (old, new):
        run_steps(run, make_gradients("float64", 3, seed=5))
    for ours, expected in zip(new.weights(), old.weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_adamw_is_adam_with_a_decay():
    runs = [
        run_steps(
            TorchRun(kind, make_weights("float32"), weight_decay=0.1), make_gradients("float32", 9)
        )
        for kind in (Adam, AdamW)
    ]
    for ours, expected in zip(runs[1].weights(), runs[0].weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_no_decay_at_all_is_an_error_of_adamw():
    with pytest.raises(ValueError, match="weight_decay=None: expected a number"):
        AdamW([torch.nn.Parameter(torch.ones(1))], weight_decay=None)
