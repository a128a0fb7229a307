import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class BatchNorm2d(nn.BatchNorm2d):
    """Without gamma, and with Keras's biased moving variance."""

    def __init__(self, channels):
        super().__init__(channels, eps=1e-3, momentum=0.01)
        self.weight = None

    def forward(self, x):
        if self.training:
            var, mean = torch.var_mean(x, (0, 2, 3), unbiased=False)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var, self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        x = (x - mean[:, None, None]) * torch.rsqrt(var + self.eps)[:, None, None]
        return x + self.bias[:, None, None]


class CRNN(nn.Module):
    def __init__(self, channel_major=False, backwards=True):
        super().__init__()
        self.channel_major, self.backwards = channel_major, backwards
        self.conv1 = nn.Conv2d(1, 5, 3, padding=1)
        self.conv2 = nn.Conv2d(5, 6, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(6)
        self.fc = nn.Linear(18, 8)
        self.drop = nn.Dropout(0.2)
        self.gru = nn.GRU(8, 5, batch_first=True, bidirectional=True)
        self.lstm = nn.LSTM(5, 6, batch_first=True)
        self.head = nn.Linear(6, 11)
        std = math.sqrt(2 / 9) / 0.87962566103423978
        nn.init.trunc_normal_(self.conv1.weight, std=std, a=-2 * std, b=2 * std)
        nn.init.zeros_(self.conv1.bias)
        nn.init.xavier_uniform_(self.conv2.weight)
        for m in (self.fc, self.head):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)
        for rnn in (self.gru, self.lstm):
            for name, p in rnn.named_parameters():
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(p)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(p)
                else:
                    nn.init.zeros_(p)
        self.lstm.bias_ih_l0.data[6:12] = 1.0  # forget gate
        self.lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, x):  # (N, 1, H, W)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        if self.channel_major:
            x = x.permute(0, 3, 1, 2).flatten(2)  # a step is (C, H)
        else:
            x = x.permute(0, 3, 2, 1).flatten(2)  # a step is (H, C), as in Keras
        x = self.drop(F.relu(self.fc(x)))
        x, _ = self.gru(x)
        a, b = x.chunk(2, dim=-1)
        x = a + b
        if self.backwards:
            x = x.flip(1)  # go_backwards: Keras leaves the outputs in turned order
        x, _ = self.lstm(x)
        return self.head(x)


def per_step_ce(logits, target):
    return F.cross_entropy(logits.transpose(1, 2), target.long().reshape(logits.shape[:2]))


class KerasAmsgrad(torch.optim.Optimizer):
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
                    s["t"] = 0
                    s["m"], s["v"], s["vmax"] = (torch.zeros_like(p) for _ in range(3))
                s["t"] += 1
                s["m"].lerp_(p.grad, 1 - b1)
                s["v"].lerp_(p.grad.square(), 1 - b2)
                torch.maximum(s["vmax"], s["v"], out=s["vmax"])
                rate = group["lr"] * math.sqrt(1 - b2 ** s["t"]) / (1 - b1 ** s["t"])
                p.sub_(rate * s["m"] / (s["vmax"].sqrt() + group["eps"]))


def clip_value(net):
    nn.utils.clip_grad_value_(net.parameters(), 0.02)


def _port(net, clip=clip_value):
    params = [p for p in net.parameters() if p.requires_grad]
    return Port(
        net,
        loss=per_step_ce,
        optimizer=KerasAmsgrad(params),
        before_step=clip,
    )


def right():
    return _port(CRNN())


def wrong_1():
    return _port(CRNN(channel_major=True))


def wrong_2():
    return _port(CRNN(), clip=lambda net: nn.utils.clip_grad_norm_(net.parameters(), 0.02))


def wrong_3():
    return _port(CRNN(backwards=False))
