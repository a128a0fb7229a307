"""Right ports of the models with attention, in differing styles."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..initial import begin, glorot


def port(net, loss=None, **parts):
    return Port(net, loss or nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.05), **parts)


def split(x, heads):
    """(N, T, heads * d) -> (N, heads, T, d)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


class Narrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(8, 6)
        self.out = nn.Linear(6, 8)
        self.head = nn.Linear(8, 3)
        begin(self)

    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(3)

    def forward(self, x):
        q, k, v = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        x = self.scores(q, k).softmax(-1) @ v
        x = self.out(x.transpose(1, 2).flatten(2))
        return self.head(x.mean(1))


def narrow_by_hand():
    return port(Narrow())


class NarrowFused(nn.Module):
    """One linear layer for query, key and value, and torch's attention."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 18)
        self.out = nn.Linear(6, 8)
        self.head = nn.Linear(8, 3)
        begin(self)
        glorot(self.qkv.weight, 8, 6)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, 2, 3).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.head(self.out(x.transpose(1, 2).reshape(n, t, 6)).mean(1))


def narrow_fused():
    return port(NarrowFused())


class PreNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(8, eps=1e-3), nn.LayerNorm(8, eps=1e-3)
        self.attention = nn.MultiheadAttention(8, 4, batch_first=True)
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)
        self.head = nn.Linear(8, 3)
        begin(self)
        glorot(self.attention.in_proj_weight, 8, 8)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(x.mean(1))


def pre_norm_module():
    return port(PreNorm())


class Encoder(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            8, 2, 16, **{"dropout": 0.2, "layer_norm_eps": 1e-6, "batch_first": True, **settings}
        )
        self.head = nn.Linear(8, 3)
        begin(self)
        glorot(self.layer.self_attn.in_proj_weight, 8, 8)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


def post_norm_encoder():
    return port(Encoder())


class PostNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(8, eps=1e-6), nn.LayerNorm(8, eps=1e-6)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 3)
        self.drop = nn.Dropout(0.2)
        begin(self)

    def attend(self, x):
        q, k, v = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        weights = self.drop(torch.softmax(q @ k.mT * 4**-0.5, -1))
        return self.out((weights @ v).transpose(1, 2).flatten(2))

    def forward(self, x):
        x = self.norm1(x + self.drop(self.attend(x)))
        x = self.norm2(x + self.drop(self.down(self.drop(F.relu(self.up(x))))))
        return self.head(x.mean(1))


def post_norm_by_hand():
    return port(PostNorm())


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(12, 8)
        self.positions = nn.Parameter(torch.randn(7, 8) * 0.05)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8, eps=1e-3)
        self.head = nn.Linear(8, 12)
        begin(self)
        glorot(self.attention.in_proj_weight, 8, 8)

    def mask(self, steps):
        """True is ignored."""
        return torch.triu(torch.ones(steps, steps, dtype=torch.bool), diagonal=1)

    def embed(self, tokens):
        return self.words(tokens) * math.sqrt(8) + self.positions

    def forward(self, tokens):
        x = self.embed(tokens)
        x = x + self.attention(x, x, x, attn_mask=self.mask(tokens.shape[1]))[0]
        return self.head(self.norm(x))


def next_token(y, t):
    return F.cross_entropy(y.flatten(0, 1), t.long().flatten())


def language_module():
    return port(Language(), next_token)


class LanguageFused(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(12, 8), nn.Embedding(7, 8)
        self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.norm = nn.LayerNorm(8, eps=1e-3)
        self.head = nn.Linear(8, 12)
        begin(self)
        nn.init.normal_(self.positions.weight, std=0.05)

    def forward(self, tokens):
        x = self.words(tokens) * 8**0.5 + self.positions(torch.arange(tokens.shape[1]))
        q, k, v = (split(each(x), 2) for each in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return self.head(self.norm(x))


def language_fused():
    return port(
        LanguageFused(),
        lambda y, t: F.cross_entropy(y.transpose(1, 2), t.long().reshape(y.shape[:2])),
    )


class Cross(nn.Module):
    """einsum over kernels of three axes."""

    def __init__(self):
        super().__init__()
        self.wq = nn.Parameter(torch.empty(8, 2, 3))
        self.wk = nn.Parameter(torch.empty(6, 2, 3))
        self.wv = nn.Parameter(torch.empty(6, 2, 4))
        self.wo = nn.Parameter(torch.empty(2, 4, 8))
        self.bq, self.bk = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(2, 3))
        self.bv, self.bo = nn.Parameter(torch.zeros(2, 4)), nn.Parameter(torch.zeros(8))
        for weight in (self.wq, self.wk, self.wv):
            glorot(weight, weight.shape[0], weight[0].numel())
        glorot(self.wo, 2 * 4, 8)
        self.norm = nn.LayerNorm(8, eps=1e-3)
        self.head = nn.Linear(8, 3)
        begin(self.head)

    def forward(self, queries, memory):
        q = torch.einsum("btd,dhk->bhtk", queries, self.wq) + self.bq[:, None]
        k = torch.einsum("bsd,dhk->bhsk", memory, self.wk) + self.bk[:, None]
        v = torch.einsum("bsd,dhk->bhsk", memory, self.wv) + self.bv[:, None]
        weights = torch.softmax(torch.einsum("bhtk,bhsk->bhts", q, k) / 3**0.5, -1)
        x = torch.einsum("bhts,bhsk->bthk", weights, v)
        x = torch.einsum("bthk,hkd->btd", x, self.wo) + self.bo
        return self.head(self.norm(queries + x).mean(1))


def cross_einsum():
    return port(Cross())


class CrossLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q, self.to_k, self.to_v = nn.Linear(8, 6), nn.Linear(6, 6), nn.Linear(6, 8)
        self.to_out = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8, eps=1e-3)
        self.head = nn.Linear(8, 3)
        begin(self)

    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)

    def forward(self, queries, memory):
        q = split(self.to_q(queries), 2)
        k, v = split(self.to_k(memory), 2), split(self.to_v(memory), 2)
        x = self.attend(q, k, v).transpose(1, 2).flatten(2)
        return self.head(self.norm(queries + self.to_out(x)).mean(1))


def cross_linear():
    return port(CrossLinear())


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 12), nn.Linear(8, 6), nn.Linear(8, 6)
        self.out = nn.Linear(12, 8)
        self.head = nn.Linear(8, 3)
        begin(self)

    def spread(self, x):
        return x.repeat_interleave(2, dim=1)

    def forward(self, x):
        q, k, v = (
            split(self.q(x), 4),
            self.spread(split(self.k(x), 2)),
            self.spread(split(self.v(x), 2)),
        )
        x = (q @ k.transpose(-1, -2) / 3**0.5).softmax(-1) @ v
        return self.head(self.out(x.transpose(1, 2).flatten(2)).mean(1))


def grouped_repeat():
    return port(Grouped())


class GroupedFused(Grouped):
    def forward(self, x):
        q, k, v = split(self.q(x), 4), split(self.k(x), 2), split(self.v(x), 2)
        x = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return self.head(self.out(x.transpose(1, 2).flatten(2)).mean(1))


def grouped_fused():
    return port(GroupedFused())


class Dots(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(4, 5)
        self.scale = nn.Parameter(torch.ones(()))
        self.head = nn.Linear(5, 3)
        begin(self)

    def scores(self, q, k):
        return torch.bmm(q, k.transpose(1, 2)) * self.scale

    def forward(self, a, b):
        weights = torch.softmax(self.scores(self.q(a), self.k(b)), dim=-1)
        return self.head(torch.bmm(weights, self.v(b)).mean(1))


def dots_bmm():
    return port(Dots())


class Additive(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.v = nn.Linear(4, 6), nn.Linear(4, 6)
        self.scale = nn.Parameter(torch.empty(6))
        self.head = nn.Linear(6, 3)
        begin(self)
        glorot(self.scale, 6, 6)

    def scores(self, q, v):
        return (self.scale * torch.tanh(q.unsqueeze(2) + v.unsqueeze(1))).sum(-1)

    def forward(self, a, b):
        q, v = self.q(a), self.v(b)
        return self.head((self.scores(q, v).softmax(-1) @ v).mean(1))


def additive_tanh():
    return port(Additive())


class Concatenated(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(5, 6, batch_first=True)
        self.head = nn.Linear(12, 2)
        begin(self)

    def forward(self, x):
        h, _ = self.memory(x)
        y = F.scaled_dot_product_attention(h, h, h, scale=1.0)
        return torch.tanh(self.head(torch.cat([y, h], -1)))


def concatenated_fused():
    return port(Concatenated(), feed=torch.from_numpy)
