import copy

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


def _keras_statistics(bn, x, dims):
    """Moving statistics of a batch as Keras keeps them: the variance is biased."""
    with torch.no_grad():
        bn.running_mean.lerp_(x.mean(dims), bn.momentum)
        bn.running_var.lerp_(x.var(dims, unbiased=False), bn.momentum)
    return F.batch_norm(x, None, None, bn.weight, bn.bias, True, 0.0, bn.eps)


class BatchNorm2d(nn.BatchNorm2d):
    def forward(self, x):
        return _keras_statistics(self, x, (0, 2, 3)) if self.training else super().forward(x)


class BatchNorm1d(nn.BatchNorm1d):
    def forward(self, x):
        return _keras_statistics(self, x, (0,)) if self.training else super().forward(x)


BN = dict(eps=1e-3, momentum=0.01)


class Embedding(nn.Module):
    def __init__(self, count_include_pad=False):
        super().__init__()
        self.bn_in = BatchNorm2d(1, **BN)
        self.conv1 = nn.Conv2d(1, 4, 5)
        self.conv2 = nn.Conv2d(4, 8, 3)
        # 5 -> 3 -> 2: 'same' pads one row and column at the end
        self.pool2 = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=count_include_pad)
        self.bn_flat = BatchNorm1d(32, **BN)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = torch.tanh(self.conv1(self.bn_in(x)))
        x = F.avg_pool2d(x, 2)
        x = torch.tanh(self.conv2(x))
        x = self.pool2(x)
        return torch.tanh(self.fc(self.bn_flat(x.flatten(1))))


class Siamese(nn.Module):
    def __init__(self, shared=True):
        super().__init__()
        self.net = Embedding()
        for m in self.net.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)
        self.other = self.net if shared else copy.deepcopy(self.net)
        self.bn = BatchNorm1d(1, **BN)
        self.score = nn.Linear(1, 1)
        nn.init.xavier_uniform_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, left, right):
        a, b = self.net(left), self.other(right)
        d = (a - b).square().sum(1, keepdim=True).clamp(min=1e-7).sqrt()
        return torch.sigmoid(self.score(self.bn(d)))


def contrastive(swapped=False):
    def loss(output, target):
        target = target.to(output.dtype).view_as(output)
        same, other = output.square(), (1.0 - output).clamp(min=0).square()
        if swapped:  # the paper's convention: 1 is a pair of the same class
            return (target * same + (1 - target) * other).mean()
        return ((1 - target) * same + target * other).mean()

    return loss


class NesterovSGD(torch.optim.Optimizer):
    def __init__(self, params, lr=0.05, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                v = s.setdefault("velocity", torch.zeros_like(p))
                v.mul_(group["momentum"]).sub_(group["lr"] * p.grad)
                p.add_(group["momentum"] * v - group["lr"] * p.grad)


def _port(net, optimizer=None, loss=None):
    return Port(
        net, loss=loss or contrastive(), optimizer=optimizer or NesterovSGD(net.parameters())
    )


def right():
    return _port(Siamese())


def wrong_1():
    return _port(Siamese(shared=False))


def wrong_2():
    net = Siamese()
    return _port(net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9))


def wrong_3():
    return _port(Siamese(), loss=contrastive(swapped=True))
