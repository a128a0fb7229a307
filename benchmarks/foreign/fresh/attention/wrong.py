"""Ports of the models with attention with one mistake each; `cases.py` says which."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from . import right
from .right import next_token, port, split


class ScaledByModel(right.Narrow):
    def scores(self, q, k):
        return q @ k.transpose(-2, -1) / math.sqrt(8)


def narrow_scaled_by_model_width():
    return port(ScaledByModel())


class HeadsInside(right.Narrow):
    """(key_dim, heads) in the place of (heads, key_dim)."""

    def split(self, x):
        return x.reshape(*x.shape[:2], 3, 2).permute(0, 3, 1, 2)

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        x = self.scores(q, k).softmax(-1) @ v
        return self.head(self.out(x.permute(0, 2, 3, 1).flatten(2)).mean(1))


def narrow_heads_inside():
    return port(HeadsInside())


class ViewForTranspose(right.Narrow):
    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = (each(x).view(n, 2, t, 3) for each in (self.q, self.k, self.v))
        x = (self.scores(q, k).softmax(-1) @ v).view(n, t, 6)
        return self.head(self.out(x).mean(1))


def narrow_view_for_transpose():
    return port(ViewForTranspose())


class NotTransposedBack(right.Narrow):
    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        x = (self.scores(q, k).softmax(-1) @ v).reshape(n, t, 6)
        return self.head(self.out(x).mean(1))


def narrow_not_transposed_back():
    return port(NotTransposedBack())


class SoftmaxOverQueries(right.Narrow):
    def forward(self, x):
        q, k, v = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        x = self.scores(q, k).softmax(2) @ v
        return self.head(self.out(x.transpose(1, 2).flatten(2)).mean(1))


def narrow_softmax_over_queries():
    return port(SoftmaxOverQueries())


class NoOutputBias(right.Narrow):
    def __init__(self):
        super().__init__()
        weight = self.out.weight
        self.out = nn.Linear(6, 8, bias=False)
        self.out.weight = weight


def narrow_no_output_bias():
    return port(NoOutputBias())


class ValueAndKey(right.Narrow):
    """The projection of values is used for keys, and that of keys for values."""

    def forward(self, x):
        q, v, k = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        x = (self.scores(q, k)).softmax(-1) @ v
        return self.head(self.out(x.transpose(1, 2).flatten(2)).mean(1))


def narrow_key_and_value_exchanged():
    return port(
        ValueAndKey(), layers={"attention.query": "q", "attention.key": "k", "attention.value": "v"}
    )


class ScaledTwice(right.Narrow):
    def forward(self, x):
        q, k, v = split(self.q(x) / 3**0.5, 2), split(self.k(x), 2), split(self.v(x), 2)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.head(self.out(x.transpose(1, 2).flatten(2)).mean(1))


def narrow_scaled_twice():
    return port(ScaledTwice())


class TorchEpsilon(right.PreNorm):
    def __init__(self):
        super().__init__()
        self.norm1.eps = self.norm2.eps = 1e-5


def pre_norm_epsilon():
    return port(TorchEpsilon())


class ResidualAfterNorm(right.PreNorm):
    def forward(self, x):
        x = self.norm1(x)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = self.norm2(x)
        x = x + self.down(F.gelu(self.up(x)))
        return self.head(x.mean(1))


def pre_norm_residual_after_norm():
    return port(ResidualAfterNorm())


class ApproximateGelu(right.PreNorm):
    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return self.head(x.mean(1))


def pre_norm_approximate_gelu():
    return port(ApproximateGelu())


class DropsOutput(right.PostNorm):
    """The dropout of the weights is on the output of attention."""

    def attend(self, x):
        q, k, v = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        weights = torch.softmax(q @ k.mT * 4**-0.5, -1)
        return self.drop(self.out((weights @ v).transpose(1, 2).flatten(2)))


def post_norm_dropout_on_the_output():
    return port(DropsOutput())


class NoDropout(right.PostNorm):
    def attend(self, x):
        q, k, v = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.out(x.transpose(1, 2).flatten(2))


def post_norm_no_dropout_of_weights():
    return port(NoDropout())


def post_norm_norm_first():
    return port(right.Encoder(norm_first=True))


def post_norm_gelu():
    return port(right.Encoder(activation="gelu"))


class AlwaysDrops(right.PostNorm):
    """dropout_p is used in eval, too."""

    def attend(self, x):
        q, k, v = split(self.q(x), 2), split(self.k(x), 2), split(self.v(x), 2)
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=0.2)
        return self.out(x.transpose(1, 2).flatten(2))


def post_norm_dropout_in_eval():
    return port(AlwaysDrops())


class Inverted(right.Language):
    def mask(self, steps):
        return torch.tril(torch.ones(steps, steps, dtype=torch.bool), diagonal=-1)


def language_mask_inverted():
    return port(Inverted(), next_token)


class OneMore(right.Language):
    def mask(self, steps):
        return torch.triu(torch.ones(steps, steps, dtype=torch.bool), diagonal=2)


def language_sees_the_next_token():
    return port(OneMore(), next_token)


class NoMask(right.Language):
    def mask(self, steps):
        return None


def language_not_causal():
    return port(NoMask(), next_token)


class NoPositions(right.Language):
    def __init__(self):
        super().__init__()
        del self.positions

    def embed(self, tokens):
        return self.words(tokens) * math.sqrt(8)


def language_no_positions():
    return port(NoPositions(), next_token)


class NotScaled(right.Language):
    def embed(self, tokens):
        return self.words(tokens) + self.positions


def language_embedding_not_scaled():
    return port(NotScaled(), next_token)


class PositionsScaled(right.Language):
    def embed(self, tokens):
        return (self.words(tokens) + self.positions) * math.sqrt(8)


def language_positions_scaled():
    return port(PositionsScaled(), next_token)


class ScaledByValue(right.CrossLinear):
    def attend(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, scale=v.shape[-1] ** -0.5)


def cross_scaled_by_value_width():
    return port(ScaledByValue())


class NormOfAttention(right.CrossLinear):
    """Adds the queries after the normalisation."""

    def forward(self, queries, memory):
        q = split(self.to_q(queries), 2)
        k, v = split(self.to_k(memory), 2), split(self.to_v(memory), 2)
        x = self.attend(q, k, v).transpose(1, 2).flatten(2)
        return self.head((queries + self.norm(self.to_out(x))).mean(1))


def cross_residual_outside_norm():
    return port(NormOfAttention())


class Tiled(right.Grouped):
    def spread(self, x):
        return x.repeat(1, 2, 1, 1)


def grouped_heads_tiled():
    return port(Tiled())


class DotsScaled(right.Dots):
    def scores(self, q, k):
        return torch.bmm(q, k.transpose(1, 2)) * self.scale / 6**0.5


def dots_scaled_by_width():
    return port(DotsScaled())


class DotsPlain(right.Dots):
    def __init__(self):
        super().__init__()
        del self.scale

    def scores(self, q, k):
        return torch.bmm(q, k.transpose(1, 2))


def dots_scale_not_learned():
    return port(DotsPlain())


class NoTanh(right.Additive):
    def scores(self, q, v):
        return (self.scale * (q.unsqueeze(2) + v.unsqueeze(1))).sum(-1)


def additive_no_tanh():
    return port(NoTanh())


class MeanOfScores(right.Additive):
    def scores(self, q, v):
        return (self.scale * torch.tanh(q.unsqueeze(2) + v.unsqueeze(1))).mean(-1)


def additive_mean_of_scores():
    return port(MeanOfScores())


class OtherOrder(right.Concatenated):
    def forward(self, x):
        h, _ = self.memory(x)
        y = F.scaled_dot_product_attention(h, h, h, scale=1.0)
        return torch.tanh(self.head(torch.cat([h, y], -1)))


def concatenated_other_order():
    return port(OtherOrder(), feed=torch.from_numpy)


class Scaled(right.Concatenated):
    def forward(self, x):
        h, _ = self.memory(x)
        y = F.scaled_dot_product_attention(h, h, h)
        return torch.tanh(self.head(torch.cat([y, h], -1)))


def concatenated_scaled_scores():
    return port(Scaled(), feed=torch.from_numpy)
