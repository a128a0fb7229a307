import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, H, W)."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, dim, eps, approximate):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU(approximate=approximate)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 0.1))

    def forward(self, x):
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = self.pwconv2(self.act(self.pwconv1(self.norm(y))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self, num_classes=5, eps=1e-6, approximate="none"):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 4, stride=4), LayerNorm2d(6, eps=eps))
        self.stage0 = nn.Sequential(Block(6, eps, approximate))
        self.down = nn.Sequential(LayerNorm2d(6, eps=eps), nn.Conv2d(6, 10, 2, stride=2))
        self.stage1 = nn.Sequential(Block(10, eps, approximate), Block(10, eps, approximate))
        self.norm = nn.LayerNorm(10, eps=eps)
        self.head = nn.Linear(10, num_classes)
        self.apply(self._init)

    @staticmethod
    def _init(m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.stage1(self.down(self.stage0(self.stem(x))))
        return self.head(self.norm(x.mean((2, 3))))


def warmup_cosine(step, peak=4e-3, warmup=4, decay=20, alpha=0.01):
    if step < warmup:
        return peak * step / warmup
    t = min(step - warmup, decay) / decay
    return peak * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * t)) + alpha)


class KerasAdamW(torch.optim.Optimizer):
    """AdamW with Keras's place for epsilon, and the learning rate of each step from a function."""

    def __init__(self, params, schedule, betas=(0.9, 0.999), eps=1e-7, weight_decay=0.05):
        super().__init__(
            params, dict(lr=schedule(0), betas=betas, eps=eps, weight_decay=weight_decay)
        )
        self.schedule = schedule
        self.t = 0

    @torch.no_grad()
    def step(self, closure=None):
        lr = self.schedule(self.t)
        self.t += 1
        for group in self.param_groups:
            group["lr"] = lr
            b1, b2 = group["betas"]
            alpha = lr * math.sqrt(1 - b2**self.t) / (1 - b1**self.t)
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["m"], s["v"] = torch.zeros_like(p), torch.zeros_like(p)
                p.mul_(1 - lr * group["weight_decay"])
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].lerp_(p.grad.square(), 1 - b2)
                p.sub_(alpha * s["m"] / (s["v"].sqrt() + group["eps"]))


def smoothed_ce(logits, target):
    return F.cross_entropy(logits, target.to(logits.dtype), label_smoothing=0.1)


def _port(eps=1e-6, approximate="none", weight_decay=0.05, schedule=warmup_cosine):
    net = ConvNeXt(eps=eps, approximate=approximate)
    optimizer = KerasAdamW(net.parameters(), schedule, weight_decay=weight_decay)
    return Port(net, loss=smoothed_ce, optimizer=optimizer, metrics=["accuracy"])


def right():
    return _port()


def wrong_1():
    return _port(approximate="tanh")


def wrong_2():
    return _port(weight_decay=0.01)  # torch's default


def wrong_3():
    # warmup counted into the length of the decay
    def schedule(step):
        if step < 4:
            return 4e-3 * step / 4
        t = min(step, 20) / 20
        return 4e-3 * (0.99 * 0.5 * (1 + math.cos(math.pi * t)) + 0.01)

    return _port(schedule=schedule)
