"""A loss that makes more numbers of an output and targets than either has is seen in its calls."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from one_layer import Arrays
from rows import each_row
from torch import nn
from torch.nn import functional as F

from parity.halves.torch.check.loss import Loss, see_targets, watched_broadcasts
from parity.halves.torch.port.feeding import PortFeed
from torch_impl import Port

IMAGES, TURNED = (8, 12, 12, 1), (8, 1, 12, 12)
SEEN = {
    "a class": (nn.MSELoss(), TURNED, IMAGES),
    "a function": (F.l1_loss, (8, 1), (8,)),
    "labels of a column": (F.l1_loss, (8,), (8, 1)),
    "by hand": (lambda o, t: ((o - t) ** 2).sum() / len(o), TURNED, IMAGES),
    "by hand, of logarithms": (lambda o, t: -(t * o.sigmoid().log()).mean(), TURNED, IMAGES),
    "the other way round": (lambda o, t: (1 - t - o).abs().mean(), (8, 1), (8,)),
    "steps": (nn.SmoothL1Loss(), (8, 8), (8, 8, 1)),
}
NOT_SEEN = {
    "one shape": (nn.MSELoss(), IMAGES, IMAGES),
    "turned in the loss": (lambda o, t: F.mse_loss(o, t.movedim(-1, 1)), TURNED, IMAGES),
    "of three quantiles": (lambda o, t: (o - t).abs().mean(), (8, 3), (8, 1)),
    "one weight for all": (lambda o, t: (o * t.mean()).sum(), (8, 1), (8,)),
    "of pairs of outputs": (lambda o, t: (o[:, None] - o).abs().mean() + t.mean(), (8, 1), (8, 1)),
    "classes": (lambda o, t: F.cross_entropy(o, t.long()), (8, 8), (8,)),
    "a product of matrices": (lambda o, t: (o @ t).sum(), (8, 1), (1, 8)),
}


def seen(loss, output, target):
    given = torch.rand(output, requires_grad=True), torch.rand(target)
    with watched_broadcasts(*given) as found:
        loss(*given)
    return found[:1]


@pytest.mark.filterwarnings("ignore:Using a target size")
@each_row("name", SEEN)
def test_shapes_that_broadcast_are_seen(name):
    _, output, target = SEEN[name]
    assert seen(*SEEN[name]) == [(list(output), list(target))]


@each_row("name", NOT_SEEN)
def test_other_losses_are_left(name):
    assert seen(*NOT_SEEN[name]) == []


class Fed(PortFeed):
    """A port that has made an output, before targets whose number of axes in `fit` is given."""

    device, dtype, returned = "cpu", "float64", None

    def __init__(self, loss, output, targets, axes, **how):
        self.built = Port(nn.Identity(), loss=loss, **how)
        self.keras = Arrays({"loss": {"target_axes": axes}}, {"target/probe": targets})
        self.nest = self.output = output
        self.outputs = SimpleNamespace(names=[], raw=lambda nest: {"": nest})


VALUES, LABELS = np.linspace(0, 1, 8)[:, None], np.arange(8) % 2
OUTPUTS = {"column": torch.zeros(8, 1), "vector": torch.zeros(8), "classes": torch.zeros(8, 2)}
OUTPUTS = {name: output.double() for name, output in OUTPUTS.items()}


def squeezing(output, target):
    assert target.shape == (len(output), 1)
    return F.cross_entropy(output, target.squeeze())


@pytest.mark.filterwarnings("ignore:Using a target size")
@each_row(
    "loss, output, targets, given, fed, broadcasts",
    [
        (nn.MSELoss(), "column", VALUES, 2, 2, False),
        (nn.MSELoss(), "column", VALUES, 1, 1, True),  # as in the training of such a port
        (nn.MSELoss(), "vector", VALUES, 1, 1, False),
        (nn.MSELoss(), "vector", VALUES, 2, 2, True),
        (nn.MSELoss(), "column", VALUES, None, 2, False),  # nobody knows what `fit` gets
        (nn.MSELoss(), "vector", VALUES, None, 1, False),
        (nn.CrossEntropyLoss(), "classes", LABELS, 2, 1, False),  # a loss that refuses columns
        (F.binary_cross_entropy, "column", LABELS / 1.0, 1, 2, False),
        (squeezing, "classes", LABELS, None, 1, False),  # takes no form: the error is told later
    ],
)
def test_targets_are_fed_as_fit_gets_them_or_as_the_loss_takes_them(
    loss, output, targets, given, fed, broadcasts
):
    port = Fed(loss, OUTPUTS[output], targets, {} if given is None else {"": given})
    see_targets(port, Loss(port, "linear"))
    assert port.target_of(targets).ndim == fed
    if loss is not squeezing:
        found = Loss(port, "linear").broadcasts(port.nest, {"": targets})
        assert bool(found) == broadcasts


def test_the_ports_own_change_of_targets_gets_them_as_fit_does():
    def as_column(y):
        return torch.from_numpy(y)[:, None]

    port = Fed(nn.MSELoss(), OUTPUTS["column"], VALUES, {"": 1}, target=as_column)
    see_targets(port, Loss(port, "linear"))
    assert port.target_of(VALUES).shape == (8, 1)
