import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class BatchNorm1d(nn.BatchNorm1d):
    """Keras's moving variance is that of the batch, without Bessel's correction."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        var, mean = torch.var_mean(x, 0, unbiased=False)
        with torch.no_grad():
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (var - self.running_var)
        return (x - mean) / torch.sqrt(var + self.eps) * self.weight + self.bias


def lecun_normal_(w):
    std = math.sqrt(1 / w.shape[1]) / 0.87962566103423978
    nn.init.trunc_normal_(w, std=std, a=-2 * std, b=2 * std)


class CustomerNet(nn.Module):
    def __init__(self, bn_eps=1e-5, truncated=True, act=F.selu):
        super().__init__()
        self.act = act
        self.country = nn.Embedding(7, 4)
        self.device = nn.Embedding(4, 2)
        self.bn = BatchNorm1d(5, eps=bn_eps, momentum=0.05)
        self.hidden = nn.ModuleList([nn.Linear(11, 12), nn.Linear(12, 8)])
        self.drop = nn.ModuleList([nn.AlphaDropout(0.1), nn.AlphaDropout(0.1)])
        self.value = nn.Linear(8, 1)
        self.returns = nn.Linear(8, 1)
        for e in (self.country, self.device):
            nn.init.uniform_(e.weight, -0.05, 0.05)
        for m in self.hidden:
            lecun_normal_(m.weight) if truncated else nn.init.kaiming_normal_(
                m.weight, nonlinearity="linear"
            )
        for m in (self.value, self.returns):
            nn.init.xavier_uniform_(m.weight)
        for m in (*self.hidden, self.value, self.returns):
            nn.init.zeros_(m.bias)

    def forward(self, country, device, numbers):
        x = torch.cat(
            [
                self.country(country.long()).flatten(1),
                self.device(device.long()).flatten(1),
                self.bn(numbers),
            ],
            dim=1,
        )
        for linear, drop in zip(self.hidden, self.drop):
            x = drop(self.act(linear(x)))
        return {"value": F.softplus(self.value(x)), "returns": self.returns(x)}


def msle(pred, target):
    a = torch.log(pred.clamp(min=1e-7) + 1)
    b = torch.log(target.to(pred.dtype).view_as(pred).clamp(min=1e-7) + 1)
    return (a - b).square().mean()


def total_loss(weight=0.3):
    def loss(outputs, targets):
        logits = outputs["returns"]
        bce = F.binary_cross_entropy_with_logits(
            logits, targets["returns"].to(logits.dtype).view_as(logits)
        )
        return msle(outputs["value"], targets["value"]) + weight * bce

    return loss


class KerasNadam(torch.optim.Optimizer):
    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-7):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))
        self.t, self.product = 0, 1.0

    @torch.no_grad()
    def step(self, closure=None):
        self.t += 1
        t = self.t
        b1, b2 = self.param_groups[0]["betas"]
        mu, mu_next = b1 * (1 - 0.5 * 0.96**t), b1 * (1 - 0.5 * 0.96 ** (t + 1))
        self.product *= mu
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["m"], s["v"] = torch.zeros_like(p), torch.zeros_like(p)
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].lerp_(p.grad.square(), 1 - b2)
                m = mu_next * s["m"] / (1 - self.product * mu_next) + (1 - mu) * p.grad / (
                    1 - self.product
                )
                p.sub_(group["lr"] * m / ((s["v"] / (1 - b2**t)).sqrt() + group["eps"]))


def _port(net, loss=None, optimizer=None):
    return Port(net, loss=loss or total_loss(), optimizer=optimizer or KerasNadam(net.parameters()))


def right():
    return _port(CustomerNet())


def wrong_1():
    return _port(CustomerNet(act=F.elu))


def wrong_2():
    net = CustomerNet()
    return _port(net, optimizer=torch.optim.NAdam(net.parameters(), lr=2e-3, eps=1e-7))


def wrong_3():
    return _port(CustomerNet(truncated=False))
