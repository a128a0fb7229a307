import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class ChannelAttention(nn.Module):
    def __init__(self, c, ratio=2):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(c, c // ratio, bias=False), nn.ReLU(), nn.Linear(c // ratio, c, bias=False)
        )

    def forward(self, x):  # (N, C, T)
        gate = torch.sigmoid(self.mlp(x.mean(2)) + self.mlp(x.amax(2)))
        return x * gate.unsqueeze(2)


class TemporalBlock(nn.Module):
    def __init__(self, cin, cout, dilation, slope):
        super().__init__()
        self.pad = 2 * dilation
        self.conv = nn.Conv1d(cin, cout, 3, dilation=dilation)
        self.norm = nn.GroupNorm(4, cout, eps=1e-3)
        self.act = nn.LeakyReLU(slope)
        self.drop = nn.Dropout1d(0.1)
        self.match = nn.Conv1d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x):
        y = self.conv(F.pad(x, (self.pad, 0)))
        return self.match(x) + self.drop(self.act(self.norm(y)))


class SensorNet(nn.Module):
    def __init__(self, slope=0.3, count_pads=False):
        super().__init__()
        self.count_pads = count_pads
        self.conv_in = nn.Conv1d(6, 8, 4, groups=2)
        self.attention = ChannelAttention(8)
        self.tcn = nn.Sequential(TemporalBlock(8, 8, 1, slope), TemporalBlock(8, 12, 2, slope))
        self.activity = nn.Linear(24, 5)
        self.calories = nn.Linear(24, 1)
        for m in self.modules():
            if isinstance(m, (nn.Conv1d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
        nn.init.constant_(self.calories.bias, 0.5)

    def avg_pool(self, x):
        """Window 3, stride 2, 'same': one value of padding at the end, which Keras does not count."""
        total = F.avg_pool1d(F.pad(x, (0, 1)), 3, 2)
        if self.count_pads:
            return total
        share = F.avg_pool1d(F.pad(torch.ones_like(x[:1, :1]), (0, 1)), 3, 2)
        return total / share

    def forward(self, x):
        x = F.leaky_relu(
            self.conv_in(F.pad(x, (1, 2))), 0.2
        )  # the activation's slope; that of the layer is 0.3
        x = self.tcn(self.attention(self.avg_pool(x)))
        x = torch.cat([x.amax(2), x.mean(2)], dim=1)
        return self.activity(x), F.relu(self.calories(x))


def log_cosh(pred, target):
    d = pred - target.to(pred.dtype).view_as(pred)
    return (d + F.softplus(-2 * d) - math.log(2)).mean()


def joint_loss(outputs, targets):
    logits, calories = outputs
    classes, burnt = targets
    return F.cross_entropy(logits, classes.to(logits.dtype)) + 0.4 * log_cosh(calories, burnt)


class KerasAdamW(torch.optim.Optimizer):
    """Keras's epsilon; lr / (1 + rate * step / decay_steps)."""

    def __init__(
        self,
        params,
        lr=2e-3,
        decay_steps=2,
        decay_rate=0.5,
        betas=(0.9, 0.999),
        eps=1e-7,
        weight_decay=4e-3,
        correct=True,
    ):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))
        self.first, self.per_step, self.correct, self.t = lr, decay_rate / decay_steps, correct, 0

    @torch.no_grad()
    def step(self, closure=None):
        lr = self.first / (1 + self.per_step * self.t)
        self.t += 1
        for group in self.param_groups:
            group["lr"] = lr
            b1, b2 = group["betas"]
            alpha = lr * math.sqrt(1 - b2**self.t) / (1 - b1**self.t) if self.correct else lr
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["m"], s["v"] = torch.zeros_like(p), torch.zeros_like(p)
                p.sub_(p * group["weight_decay"] * lr)
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].lerp_(p.grad.square(), 1 - b2)
                p.sub_(alpha * s["m"] / (s["v"].sqrt() + group["eps"]))


def _port(net, **optimizer):
    return Port(net, loss=joint_loss, optimizer=KerasAdamW(net.parameters(), **optimizer))


def right():
    return _port(SensorNet())


def wrong_1():
    return _port(SensorNet(slope=0.01))  # torch's default


def wrong_2():
    return _port(SensorNet(count_pads=True))


def wrong_3():
    return _port(SensorNet(), correct=False)
