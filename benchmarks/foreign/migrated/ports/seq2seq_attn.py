import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class KerasLSTM(nn.Module):
    """An LSTM with one bias, step by step."""

    def __init__(self, nin, units):
        super().__init__()
        self.units = units
        self.x2h = nn.Linear(nin, 4 * units)
        self.h2h = nn.Linear(units, 4 * units, bias=False)
        nn.init.xavier_uniform_(self.x2h.weight)
        nn.init.orthogonal_(self.h2h.weight)
        with torch.no_grad():
            self.x2h.bias.zero_()
            self.x2h.bias[units : 2 * units] = 1

    def forward(self, x, state=None):
        if state is None:
            h = c = x.new_zeros(len(x), self.units)
        else:
            h, c = state
        outputs = []
        for step in self.x2h(x).unbind(1):
            i, f, g, o = (step + self.h2h(h)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class Seq2Seq(nn.Module):
    def __init__(self, tied=True, pass_state=True, detach_state=False):
        super().__init__()
        self.tied, self.pass_state, self.detach_state = tied, pass_state, detach_state
        self.src = nn.Embedding(24, 6)
        self.tgt = nn.Embedding(26, 6)
        self.encoder = KerasLSTM(6, 5)
        self.decoder = KerasLSTM(6, 5)
        self.scale = nn.Parameter(torch.ones(()))
        self.drop = nn.Dropout1d(0.25)
        self.combine = nn.Linear(10, 6)
        self.bias = nn.Parameter(torch.zeros(26))
        for e in (self.src, self.tgt):
            nn.init.uniform_(e.weight, -0.05, 0.05)
        nn.init.xavier_uniform_(self.combine.weight)
        nn.init.zeros_(self.combine.bias)

    def forward(self, source, target):
        enc, (h, c) = self.encoder(self.src(source.long()))
        if self.detach_state:
            h, c = h.detach(), c.detach()
        dec, _ = self.decoder(self.tgt(target.long()), (h, c) if self.pass_state else None)
        scores = torch.bmm(dec, enc.transpose(1, 2)) * self.scale
        context = torch.bmm(scores.softmax(-1), enc)
        x = torch.cat([dec, context], dim=-1)
        x = self.drop(x.transpose(1, 2)).transpose(1, 2)  # one mask for all steps
        x = torch.tanh(self.combine(x))
        table = self.tgt.weight if self.tied else self.tgt.weight.detach()
        return F.linear(x, table, self.bias)


def masked_ce(divide_by_valid):
    def loss(logits, target):
        target = target.long().reshape(logits.shape[:2])
        total = F.cross_entropy(logits.transpose(1, 2), target, ignore_index=0, reduction="sum")
        count = (target != 0).sum() if divide_by_valid else target.numel()
        return total / count

    return loss


class KerasSGD(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, momentum=0.5, weight_decay=1e-2):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            lr = group["lr"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.sub_(p * group["weight_decay"] * lr)
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["momentum"]).sub_(lr * p.grad)
                p.add_(v)


def _port(net, loss=None):
    return Port(
        net,
        loss=loss or masked_ce(True),
        optimizer=KerasSGD(net.parameters()),
        before_step=lambda net: nn.utils.clip_grad_value_(net.parameters(), 0.05),
    )


def right():
    return _port(Seq2Seq())


def wrong_1():
    return _port(Seq2Seq(pass_state=False))


def wrong_2():
    return _port(Seq2Seq(detach_state=True))


def wrong_3():
    return _port(Seq2Seq(tied=False))
