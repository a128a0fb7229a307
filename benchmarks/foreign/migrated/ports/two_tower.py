import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class BatchNorm1d(nn.BatchNorm1d):
    """Keras's center=False: no shift. The moving variance is biased."""

    def __init__(self, n):
        super().__init__(n, eps=1e-3, momentum=0.1)
        self.bias = None

    def forward(self, x):
        if not self.training:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, None, False, 0.0, self.eps
            )
        with torch.no_grad():
            self.running_mean.lerp_(x.mean(0), self.momentum)
            self.running_var.lerp_(x.var(0, unbiased=False), self.momentum)
        return F.batch_norm(x, None, None, self.weight, None, True, 0.0, self.eps)


class Tower(nn.Sequential):
    def __init__(self, nin):
        super().__init__(nn.Linear(nin, 8), nn.Mish(), BatchNorm1d(8), nn.Linear(8, 5, bias=False))
        for m in (self[0], self[3]):
            nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(self[0].bias)


class TwoTower(nn.Module):
    def __init__(self, users=30, items=20, freeze=True, normalize=True):
        super().__init__()
        self.normalize = normalize
        self.user = nn.Embedding(users, 6)
        nn.init.uniform_(self.user.weight, -0.05, 0.05)
        self.item = nn.Embedding(items, 6)
        nn.init.normal_(self.item.weight, std=0.1)
        text = np.random.default_rng(7).normal(size=(items, 4)) / 2
        self.text = nn.Embedding.from_pretrained(
            torch.tensor(text, dtype=torch.get_default_dtype()), freeze=freeze
        )
        self.bias = nn.Embedding(users, 1)
        nn.init.zeros_(self.bias.weight)
        self.user_tower = Tower(8)
        self.item_tower = Tower(10)
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, user, item, age):
        user, item = user.long(), item.long()
        u = self.user_tower(torch.cat([self.user(user), age], dim=-1))
        i = self.item_tower(torch.cat([self.item(item), self.text(item)], dim=-1))
        if self.normalize:
            u, i = F.normalize(u, dim=-1), F.normalize(i, dim=-1)
        return (u * i).sum(-1, keepdim=True) * self.temperature.exp() + self.bias(user)


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.05):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.mul_(1 - group["lr"] * group["weight_decay"])
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.sub_(group["lr"] * torch.sign(m * b1 + p.grad * (1 - b1)))
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


def smoothed_bce(logits, target, eps=0.05):
    target = target.to(logits.dtype).view_as(logits)
    return F.binary_cross_entropy_with_logits(logits, target * (1 - eps) + 0.5 * eps)


def _port(net, betas=(0.9, 0.99)):
    return Port(
        net,
        loss=smoothed_bce,
        optimizer=Lion([p for p in net.parameters() if p.requires_grad], betas=betas),
        added_loss=lambda net: 1e-3 * net.user.weight.square().sum(),
    )


def right():
    return _port(TwoTower())


def wrong_1():
    return _port(TwoTower(freeze=False))


def wrong_2():
    return _port(TwoTower(normalize=False))


def wrong_3():
    return _port(TwoTower(), betas=(0.9, 0.999))  # Adam's betas
