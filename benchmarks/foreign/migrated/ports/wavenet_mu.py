import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class CausalConv1d(nn.Conv1d):
    def __init__(self, cin, cout, k, dilation=1, causal=True):
        super().__init__(cin, cout, k, dilation=dilation)
        total = (k - 1) * dilation
        self.pad = (total, 0) if causal else (total // 2, total - total // 2)

    def forward(self, x):
        return super().forward(F.pad(x, self.pad))


class Residual(nn.Module):
    def __init__(self, channels, skip, dilation, causal=True):
        super().__init__()
        self.filter = CausalConv1d(channels, channels, 2, dilation, causal)
        self.gate = CausalConv1d(channels, channels, 2, dilation, causal)
        self.res = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, skip, 1)

    def forward(self, x):
        z = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        return x + self.res(z), self.skip(z)


class WaveNet(nn.Module):
    def __init__(self, channels=6, skip=8, levels=16, causal=True, add_input=True):
        super().__init__()
        self.add_input = add_input
        self.front = CausalConv1d(1, channels, 3, causal=causal)
        self.layers = nn.ModuleList(Residual(channels, skip, d, causal) for d in (1, 2, 4))
        self.post1 = nn.Conv1d(skip, skip, 1)
        self.post2 = nn.Conv1d(skip, levels, 1)
        for m in self.modules():
            if isinstance(m, nn.Conv1d):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

    def forward(self, x):
        x = self.front(x)
        total = 0
        for layer in self.layers:
            y, s = layer(x)
            x = y if self.add_input else y - x
            total = total + s
        x = F.relu(self.post1(F.relu(total)))
        return self.post2(x).transpose(1, 2)  # (N, T, levels)


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


def cross_entropy(logits, target):
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.long().reshape(-1))


def _port(net, gamma=lambda t: 0.5 ** (t // 3)):
    optimizer = KerasAdam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, gamma)
    optimizer.register_step_post_hook(
        lambda *_: schedule.step()
    )  # a schedule of steps, not of epochs
    return Port(net, loss=cross_entropy, optimizer=optimizer)


def right():
    return _port(WaveNet())


def wrong_1():
    return _port(WaveNet(causal=False))


def wrong_2():
    return _port(WaveNet(add_input=False))


def wrong_3():
    return _port(WaveNet(), gamma=lambda t: 0.5 ** (t / 3))
