"""Right ports of the second set."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_impl import Port

from ..initial import begin, glorot


def port(net, loss=None, **parts):
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.05)
    return Port(net, loss or nn.MSELoss(), optimizer, **parts)


def labels(t):
    return t.long().reshape(-1)


class GatedText(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.mixed = nn.Embedding(18, 5), nn.Linear(5, 6)
        self.both = nn.RNN(6, 4, batch_first=True, bidirectional=True)
        self.memory = nn.LSTM(4, 3, batch_first=True)
        self.head = nn.Linear(3, 1)
        begin(self)

    def pack(self, x, there):
        return pack_padded_sequence(x, there.sum(1), batch_first=True, enforce_sorted=False)

    def merge(self, out):
        a, b = out.chunk(2, -1)
        return (a + b) / 2

    def forward(self, tokens):
        there = tokens != 0
        x = torch.tanh(self.mixed(self.words(tokens)))
        out, _ = pad_packed_sequence(self.both(self.pack(x, there))[0], batch_first=True)
        _, (h, _) = self.memory(self.pack(self.merge(out), there))
        return self.head(h[-1])


def binary(y, t):
    return F.binary_cross_entropy_with_logits(y, t.reshape(y.shape).to(y))


def masks_gated_text():
    return port(GatedText(), binary)


class Steps(nn.Module):
    """Two layers, the second on a text that is turned within its length."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(18, 5)
        self.there, self.back = (nn.LSTM(5, 3, batch_first=True) for _ in range(2))
        self.tags = nn.Linear(6, 3)
        begin(self)

    def turn(self, x, lengths):
        steps = torch.arange(x.shape[1])
        places = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
        return x.gather(1, places[..., None].expand_as(x))

    def forward(self, tokens):
        self.mask = tokens != 0
        x, lengths = self.words(tokens), self.mask.sum(1)
        a = self.there(x)[0]
        b = self.turn(self.back(self.turn(x, lengths))[0], lengths)
        return self.tags(torch.cat([a, b], -1))


def masks_labelled_steps():
    net = Steps()

    def loss(y, t):
        return F.cross_entropy(y[net.mask], t.long().reshape(y.shape[:2])[net.mask])

    return port(net, loss)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.own = nn.MultiheadAttention(6, 3, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(6, eps=1e-3), nn.LayerNorm(6, eps=1e-3)
        self.q, self.kv, self.out = nn.Linear(6, 8), nn.Linear(6, 16), nn.Linear(8, 6)
        self.head = nn.Linear(6, 4)
        begin(self)
        glorot(self.own.in_proj_weight, 6, 6)
        glorot(self.kv.weight, 6, 8)

    def look(self, x, memory):
        n = len(x)
        q = self.q(x).view(n, -1, 2, 4).transpose(1, 2)
        k, v = (y.view(n, -1, 2, 4).transpose(1, 2) for y in self.kv(memory).chunk(2, -1))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).reshape(n, -1, 8))

    def forward(self, x, memory):
        mask = torch.full((5, 5), float("-inf"), dtype=x.dtype).triu(1)
        x = self.norm1(x + self.own(x, x, x, attn_mask=mask)[0])
        return self.head(self.norm2(x + self.look(x, memory)))


def attention_decoder():
    return port(Decoder())


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.score = nn.Linear(5, 6), nn.Linear(6, 1, bias=False)
        self.head = nn.Linear(5, 3)
        begin(self)

    def share(self, scores):
        return scores.softmax(1)

    def forward(self, x):
        share = self.share(self.score(torch.tanh(self.hidden(x))).squeeze(-1))
        return self.head((share.unsqueeze(1) @ x).squeeze(1))


def attention_pooled():
    return port(Pooled())


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.GRU(3, 5, batch_first=True), nn.LSTM(5, 4, batch_first=True)
        self.steps = nn.Linear(4, 2)
        begin(self)

    def forward(self, past):
        _, h = self.encoder(past)
        return self.steps(self.decoder(h[-1].unsqueeze(1).repeat(1, 4, 1))[0])


def recurrent_forecaster():
    return port(Forecaster(), feed=torch.from_numpy)


class BothStates(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(3, 3, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(3, 6, batch_first=True)
        self.head = nn.Linear(6, 2)
        begin(self)

    def begun(self, states):
        return tuple(torch.cat([s[0], s[1]], -1)[None] for s in states)

    def forward(self, first, second):
        _, states = self.encoder(first)
        out, _ = self.decoder(second, self.begun(states))
        return self.head(out[:, -1])


def recurrent_both_states():
    return port(BothStates())


class ThreeHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(5, 7)
        self.kind, self.flags, self.size = nn.Linear(7, 4), nn.Linear(7, 3), nn.Linear(7, 1)
        begin(self)

    def forward(self, x):
        x = F.relu(self.body(x))
        return {"kind": self.kind(x), "flags": self.flags(x), "size": F.softplus(self.size(x))}


def kind_loss(y, t):
    return F.cross_entropy(y, labels(t))


def log_cosh(y, t):
    return torch.log(torch.cosh(y - t)).mean()


WEIGHTS = {"kind": 1.0, "flags": 2.0, "size": 0.5}


def outputs_three_heads():
    losses = {"kind": kind_loss, "flags": nn.BCEWithLogitsLoss(), "size": log_cosh}
    return port(ThreeHeads(), losses, loss_weights=WEIGHTS)


class Centred(nn.Module):
    def __init__(self):
        super().__init__()
        self.code, self.head = nn.Linear(6, 4), nn.Linear(4, 2)
        begin(self)

    def added(self, code):
        return 0.3 * code.mean(0).square().sum()

    def forward(self, x):
        code = self.code(x)
        self.extra = self.added(code)
        return self.head(code)


def absolute(y, t, sample_weight):
    return ((y - t).abs().mean(-1) * sample_weight).mean()


def outputs_centred():
    return port(Centred(), absolute, added_loss=lambda net: net.extra)
