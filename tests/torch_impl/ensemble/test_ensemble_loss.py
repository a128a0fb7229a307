"""Losses and metrics of several runs are those of each."""

import pytest
import torch
from torch import nn

from torch_impl.data import Batch
from torch_impl.ensemble.batch import stacked
from torch_impl.ensemble.loss import StackedLoss, StackedMetrics
from torch_impl.losses import MeanSquaredError, SparseCategoricalCrossentropy
from torch_impl.penalty import Penalty, RegularizedLoss
from torch_impl.regularizers import L1L2, L2, OrthogonalRegularizer
from torch_impl.train import RunningMetrics

SIZES = [(4, 4), (4, 1), (2, 4)]


def batch_of(*sizes):
    images = torch.zeros(4, 1, 2, 2).double()
    labels = torch.arange(4) % 3
    return stacked([Batch(images[:size], labels[:size], labels[:size], None) for size in sizes])


def criterion(loss=None, regularizer=None, **penalties):
    """The loss of a Linear(3, 3), and its weights for two runs."""
    model = nn.Linear(3, 3).double()
    weights = {"weight": regularizer} if regularizer else {}
    loss = loss or SparseCategoricalCrossentropy(from_logits=True)
    return RegularizedLoss(loss, Penalty(model, weights, **penalties))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("regularizer", [None, L2(0.1), L1L2(0.1, 0.2)], ids=repr)
def test_the_loss_of_each_run_is_the_mean_over_its_samples_with_its_penalty(sizes, regularizer):
    logits, weights = torch.randn(2, 4, 3).double(), torch.randn(2, 3, 3).double()
    batch = batch_of(*sizes)
    losses = StackedLoss(criterion(regularizer=regularizer), {"weight": weights})(logits, batch)
    for number, size in enumerate(sizes):
        expected = criterion()(logits[number, :size], batch.y[number, :size])
        if regularizer is not None:
            expected = expected + regularizer(weights[number])
        torch.testing.assert_close(losses[number], expected, rtol=1e-13, atol=0)


def test_filling_has_no_gradient():
    logits = torch.randn(2, 4, 3).double().requires_grad_()
    StackedLoss(criterion(), {})(logits, batch_of(4, 1)).sum().backward()
    assert logits.grad[0].abs().min() > 0
    assert logits.grad[1, 1:].count_nonzero() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("sizes", SIZES)
def test_metrics_are_those_of_each_run(sizes, dtype):
    weight = torch.zeros(1, dtype=dtype)
    metrics = StackedMetrics(2, weight)
    alone = [RunningMetrics(nn.Linear(1, 1, dtype=dtype)) for _ in sizes]
    for batch in (batch_of(*sizes), batch_of(4, 4)):
        logits, losses = torch.randn(2, 4, 3, dtype=dtype), torch.rand(2, dtype=dtype)
        metrics.update(losses, logits, batch)
        for number, (part, size) in enumerate(zip(alone, batch.sizes or (4, 4), strict=True)):
            part.update(losses[number], logits[number, :size], batch.y[number, :size])
    assert metrics.result() == [part.result() for part in alone]
    assert metrics.losses() == [part.result()[0] for part in alone]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: SparseCategoricalCrossentropy(from_logits=True), "expected RegularizedLoss"),
        (lambda: criterion(MeanSquaredError()), "expected SparseCategoricalCrossentropy"),
        (
            lambda: criterion(SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)),
            "expected SparseCategoricalCrossentropy",
        ),
        (lambda: criterion(activities={"": L2(0.1)}), "expected penalties of weights"),
        (lambda: criterion(regularizer=OrthogonalRegularizer()), "expected L1 or L2"),
    ],
)
def test_a_loss_that_cannot_be_stacked_is_refused(made, told):
    with pytest.raises(ValueError, match=told):
        StackedLoss(made(), {"weight": torch.zeros(2, 3, 3)})
