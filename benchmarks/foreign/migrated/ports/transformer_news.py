import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class SelfAttention(nn.Module):
    """Heads of any width (Keras's key_dim), with a mask of the keys that count."""

    def __init__(self, dim, heads, head_dim):
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.q = nn.Linear(dim, heads * head_dim)
        self.k = nn.Linear(dim, heads * head_dim)
        self.v = nn.Linear(dim, heads * head_dim)
        self.out = nn.Linear(heads * head_dim, dim)
        for m in (self.q, self.k, self.v, self.out):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x, keep=None):
        def split(t):
            return t.unflatten(2, (self.heads, self.head_dim)).transpose(1, 2)

        mask = None if keep is None else keep[:, None, None, :]
        y = F.scaled_dot_product_attention(
            split(self.q(x)), split(self.k(x)), split(self.v(x)), attn_mask=mask
        )
        return self.out(y.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    def __init__(self, dim, heads, ff, rate, pre_norm=False):
        super().__init__()
        self.pre_norm = pre_norm
        self.attn = SelfAttention(dim, heads, dim)
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.ff1 = nn.Linear(dim, ff)
        self.ff2 = nn.Linear(ff, dim)
        self.drop1 = nn.Dropout(rate)
        self.drop2 = nn.Dropout(rate)

    def forward(self, x, keep):
        if self.pre_norm:
            x = x + self.drop1(self.attn(self.norm1(x), keep))
            return x + self.drop2(self.ff2(F.relu(self.ff1(self.norm2(x)))))
        x = self.norm1(x + self.drop1(self.attn(x, keep)))
        return self.norm2(x + self.drop2(self.ff2(F.relu(self.ff1(x)))))


class NewsClassifier(nn.Module):
    def __init__(self, vocab=60, maxlen=8, dim=8, pre_norm=False, use_mask=True):
        super().__init__()
        self.use_mask = use_mask
        self.tok = nn.Embedding(vocab, dim)
        self.pos = nn.Embedding(maxlen, dim)
        self.encoder = EncoderLayer(dim, 2, 12, 0.1, pre_norm)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(dim, 10)
        self.head = nn.Linear(10, 4)
        for e in (self.tok, self.pos):
            nn.init.uniform_(e.weight, -0.05, 0.05)
        for m in (self.encoder.ff1, self.encoder.ff2, self.fc, self.head):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, tokens):
        tokens = tokens.long()
        x = self.tok(tokens) + self.pos(torch.arange(tokens.shape[1], device=tokens.device))
        x = self.encoder(x, tokens != 0 if self.use_mask else None)
        x = self.drop(x.mean(1))  # over all positions, also padded ones, as in the Keras model
        return self.head(F.relu(self.fc(x)))


class NoamAdam(torch.optim.Optimizer):
    def __init__(self, params, d_model=8, warmup=5, betas=(0.9, 0.98), eps=1e-9, first=1):
        self.d_model, self.warmup, self.first, self.t = d_model, warmup, first, 0
        super().__init__(params, dict(lr=self.rate(0), betas=betas, eps=eps))

    def rate(self, iteration):
        step = max(iteration + self.first, 1e-9)
        return 0.01 * self.d_model**-0.5 * min(step**-0.5, step * self.warmup**-1.5)

    @torch.no_grad()
    def step(self, closure=None):
        lr = self.rate(self.t)
        self.t += 1
        for group in self.param_groups:
            group["lr"] = lr
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["m"], s["v"] = torch.zeros_like(p), torch.zeros_like(p)
                s["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                p.sub_(
                    lr
                    * math.sqrt(1 - b2**self.t)
                    / (1 - b1**self.t)
                    * s["m"]
                    / (s["v"].sqrt() + group["eps"])
                )


def _port(net, **optimizer):
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=NoamAdam(net.parameters(), **optimizer),
        metrics=["accuracy"],
    )


def right():
    return _port(NewsClassifier())


def wrong_1():
    return _port(NewsClassifier(pre_norm=True))


def wrong_2():
    return _port(NewsClassifier(use_mask=False))


def wrong_3():
    return _port(NewsClassifier(), first=0)  # the first step has the rate of step 0
