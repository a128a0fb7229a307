"""The rule that cuts a rate on a plateau is torch's, or Keras's, whatever its settings."""

import itertools

import numpy as np
import pytest
import torch
from check_evidence import evidence_of, names

from parity.data import probe_inputs
from parity.divergences.schedules import plateau_rates
from torch_impl.schedule import ReduceLROnPlateau

FIRST = 0.125


def values(seed):
    """The probe's own metrics, or a walk with ties that crosses zero."""
    if seed == 0:
        return probe_inputs.metrics(3)["val_loss"]
    return np.round(np.random.default_rng(seed).normal(size=60).cumsum() * 0.05, 2)


SETTINGS = [
    {"factor": factor, "patience": patience, "cooldown": cooldown, "mode": mode}
    for factor, patience, cooldown, mode in itertools.product(
        (0.5, 0.1), (1, 3), (0, 1, 4), ("min", "max")
    )
]


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=FIRST)


def rates(scheduler, of, metrics):
    found = []
    for value in metrics:
        found.append(of.param_groups[0]["lr"])
        scheduler.step(float(value))
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_the_rule_of_torch_is_that_of_torch(seed, relative):
    for settings in SETTINGS:
        if relative and (settings["mode"] == "max" or seed):
            continue  # of a maximum, and below zero, torch's relative bound is another
        of = optimizer()
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            of,
            **settings,
            threshold=1e-3,
            threshold_mode="rel" if relative else "abs",
            min_lr=1e-4,
            eps=0.0,
        )
        s = {**settings, "min_delta": 1e-3, "min_lr": 1e-4, "torch": True, "relative": relative}
        found = plateau_rates(values(seed), FIRST, s)
        np.testing.assert_allclose(found, rates(scheduler, of, values(seed)), rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_rule_of_keras_is_that_of_keras(seed):
    """torch_impl.schedule is proved against Keras itself, in tests/torch_impl/schedule."""
    for settings in SETTINGS:
        of = optimizer()
        scheduler = ReduceLROnPlateau(of, **settings, min_delta=1e-3, min_lr=1e-4)
        s = {**settings, "min_delta": 1e-3, "min_lr": 1e-4, "torch": False, "relative": False}
        found = plateau_rates(values(seed), FIRST, s)
        # Keras keeps the rate in float32; six cuts of one in 1.7e7 each.
        np.testing.assert_allclose(found, rates(scheduler, of, values(seed)), rtol=1e-6)


PLATEAU = {"class": "ReduceLROnPlateau", "factor": 0.5, "patience": 2, "monitor": "val_loss"}
RULE = {
    **{"factor": 0.5, "patience": 2, "cooldown": 0, "mode": "min", "monitor": "val_loss"},
    **{"min_delta": 1e-4, "min_lr": 0.0, "torch": False, "relative": False},
}


def epochs(rule, seed=3):
    return plateau_rates(probe_inputs.metrics(seed)["val_loss"], FIRST, rule)


@pytest.mark.parametrize("falls", [1.0, 0.9], ids=["alone", "beside_a_scheduler"])
def test_a_plateau_explains_a_port_only_where_it_explains_keras(falls, tmp_path):
    """Another callback lowers the rate by a tenth in each epoch, which the port lacks."""

    def reference(recorded):
        kinds = [PLATEAU, *([{"class": "LearningRateScheduler"}] if falls < 1 else [])]
        recorded.facts["schedule"] |= {"kind": "epoch", "callbacks": kinds}
        own = epochs(RULE)
        recorded.arrays["schedule/epochs"] = own * falls ** np.arange(len(own))

    def port(parts):
        parts.arrays["schedule/epochs"] = epochs({**RULE, "patience": 1})
        parts.facts["given"]["schedulers"] = True

    found = names(evidence_of(tmp_path, reference, port))
    if falls == 1:
        assert found["G1"] == "one epoch of patience less"
    else:
        assert set(found) == {"G13"}
        told = "different rates; in Keras by ReduceLROnPlateau and LearningRateScheduler"
        assert found["G13"] == told
