"""A loss that makes more numbers of an output and targets than either has is seen in its calls."""

import pytest
import torch
from rows import each_row
from torch import nn
from torch.nn import functional as F

from parity.halves.torch.check.loss import watched_broadcasts

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
