"""Normalisations of a sample, by their formula; torch computes the port's numbers."""

import numpy as np
import one_layer
import pytest
import torch
from torch.nn import functional as F

from parity.divergences.normalization import normalised, tried_epsilons

X = np.random.default_rng(0).normal(size=(3, 5, 4)) * 0.02
SCALE = np.linspace(0.5, 1.5, 4)


def rms(epsilon):
    return F.rms_norm(torch.tensor(X), (4,), torch.tensor(SCALE), epsilon).numpy()


def evidence(ours, settings=None):
    weights = {"scale": SCALE}
    config = {"epsilon": 1e-6}
    return one_layer.at_layer("rms_norm", config, X, rms(1e-6), ours, weights, settings)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-8, 2.0**-52])
def test_another_epsilon_is_named(epsilon):
    assert f"{epsilon:g} in the port" in tried_epsilons(evidence(rms(epsilon))).detail


def test_an_epsilon_that_the_port_says_is_tried_first():
    assert "3e-05" in tried_epsilons(evidence(rms(3e-5), {"eps": 3e-5})).detail


def test_right_numbers_and_unknown_ones_have_no_name():
    assert tried_epsilons(evidence(rms(1e-6))) is None
    assert tried_epsilons(evidence(rms(1e-6) * 1.1)) is None


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_formula_of_groups_is_torchs(groups):
    found = one_layer.at_layer(
        "group_norm", {"epsilon": 1e-3, "groups": groups}, X, X, X, {"gamma": SCALE, "beta": SCALE}
    )
    ours = normalised(found, found.node, X, {})
    given, scale = torch.tensor(X).movedim(-1, 1), torch.tensor(SCALE)
    theirs = F.group_norm(given.contiguous(), groups, scale, scale, 1e-3).movedim(1, -1)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-14)
