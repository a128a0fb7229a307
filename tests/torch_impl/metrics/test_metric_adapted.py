"""Metrics of other libraries: objects with update, compute and reset."""

import pytest
import torch
from covering import one_test

from torch_impl.metrics import metric


class Share:
    """How often outputs are above 0, in the manner of torchmetrics."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.total = self.count = 0

    def update(self, output, target):
        self.total, self.count = self.total + int((output > 0).sum()), self.count + len(output)

    def compute(self):
        return torch.tensor(self.total / self.count)


class Weighted(Share):
    name = "share"

    def update(self, output, target, sample_weight=None):
        weight = torch.ones(len(output)) if sample_weight is None else sample_weight
        self.total += float((weight * (output > 0)).sum())
        self.count += float(weight.sum())


OUT, Y = torch.tensor([1.0, -1.0, 2.0]), torch.zeros(3)


def test_it_adds_batches_up_and_forgets_them():
    found = metric(Share(), dtype=torch.float64)
    found.update(OUT, Y)
    found.update(OUT[:1], Y[:1])
    assert (float(found.result()), found.result().dtype) == (0.75, torch.float64)
    found.reset()
    assert float(found(OUT[1:], Y[1:])) == 0.5


def test_its_name_is_its_own_or_that_of_its_class():
    assert (metric(Weighted()).name, metric(Share()).name) == ("share", "share")
    other = Share()
    other.name = "accuracy"
    assert metric(other).name == "accuracy"


def test_weights_go_to_an_update_that_takes_them():
    found = metric(Weighted())
    found.update(OUT, Y, torch.tensor([1.0, 3.0, 0.0]))
    assert float(found.result()) == 0.25
    with pytest.raises(ValueError, match="its update takes no weights"):
        metric(Share()).update(OUT, Y, torch.ones(3))


@one_test
@pytest.mark.parametrize("given", [3, Share])
def test_what_is_no_metric_is_an_error(given):
    with pytest.raises(ValueError, match="expected a name, a metric, a function"):
        metric(given)
