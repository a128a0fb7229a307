import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class OldGRU(nn.Module):
    """A GRU whose reset gate acts before the recurrent product (reset_after=False), with Keras 3's hard sigmoid."""

    def __init__(self, nin, units, reset_after=False):
        super().__init__()
        self.units = units
        self.reset_after = reset_after
        self.x2h = nn.Linear(nin, 3 * units)  # z, r, candidate
        self.h2h = nn.Linear(units, 3 * units, bias=False)

    def forward(self, x):
        h = x.new_zeros(x.shape[0], self.units)
        wz, wr, wh = self.h2h.weight.chunk(3)
        for step in self.x2h(x).unbind(1):
            xz, xr, xh = step.chunk(3, dim=1)
            z = F.hardsigmoid(xz + h @ wz.T)
            r = F.hardsigmoid(xr + h @ wr.T)
            if self.reset_after:
                n = torch.tanh(xh + r * (h @ wh.T))
            else:
                n = torch.tanh(xh + (r * h) @ wh.T)
            h = z * h + (1 - z) * n
        return h


class Forecaster(nn.Module):
    def __init__(self, eps=1e-3, reset_after=False):
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 3, stride=2)
        self.gru1 = nn.GRU(8, 6, batch_first=True)
        self.norm = nn.LayerNorm(6, eps=eps)
        self.drop = nn.Dropout(0.1)
        self.gru2 = OldGRU(6, 6, reset_after)
        self.head = nn.Linear(6, 6)
        for w in (self.conv.weight, self.gru1.weight_ih_l0, self.gru2.x2h.weight, self.head.weight):
            nn.init.xavier_uniform_(w)
        for w in (self.gru1.weight_hh_l0, self.gru2.h2h.weight):
            nn.init.orthogonal_(w)
        for b in (
            self.conv.bias,
            self.gru1.bias_ih_l0,
            self.gru1.bias_hh_l0,
            self.gru2.x2h.bias,
            self.head.bias,
        ):
            nn.init.zeros_(b)

    def forward(self, x):  # (N, C, T)
        x = F.elu(self.conv(F.pad(x, (2, 0)))).transpose(1, 2)
        x, _ = self.gru1(x)
        x = self.gru2(self.drop(self.norm(x)))
        return self.head(x).unflatten(1, (2, 3))


class KerasAdam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-7):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["t"], s["m"], s["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                s["t"] += 1
                s["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                step = group["lr"] * math.sqrt(1 - b2 ** s["t"]) / (1 - b1 ** s["t"])
                p.sub_(step * s["m"] / (s["v"].sqrt() + group["eps"]))


@torch.no_grad()
def clip_each(net, limit=0.1):
    """Keras's clipnorm clips each gradient by its own norm. The two biases of its GRU are one weight of shape (2, 3 * units)."""
    pair = [net.gru1.bias_ih_l0, net.gru1.bias_hh_l0]
    groups = [pair] + [[p] for p in net.parameters() if not any(p is q for q in pair)]
    for group in groups:
        norm = torch.cat([p.grad.flatten() for p in group]).norm()
        if norm > limit:
            for p in group:
                p.grad.mul_(limit / norm)


def clip_global(net, limit=0.1):
    nn.utils.clip_grad_norm_(net.parameters(), limit)


def _port(net, clip=clip_each, delta=0.5):
    return Port(
        net,
        loss=nn.HuberLoss(delta=delta),
        optimizer=KerasAdam(net.parameters(), lr=5e-3),
        before_step=clip,
        added_loss=lambda net: 1e-3 * net.head.weight.square().sum(),
    )


def right():
    return _port(Forecaster())


def wrong_1():
    return _port(Forecaster(reset_after=True))


def wrong_2():
    return _port(Forecaster(), clip=clip_global)


def wrong_3():
    return _port(Forecaster(), delta=1.0)
