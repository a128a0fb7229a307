"""Right ports of the models with masks, in differing styles."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_impl import Port

from ..initial import begin, glorot


def port(net, loss, **parts):
    return Port(net, loss, torch.optim.SGD(net.parameters(), lr=0.05), **parts)


def pack(x, there):
    return pack_padded_sequence(x, there.sum(1).cpu(), batch_first=True, enforce_sorted=False)


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.head = nn.Linear(6, 3)
        begin(self)

    def forward(self, tokens):
        there = (tokens != 0).unsqueeze(-1).to(self.words.weight.dtype)
        x = self.words(tokens)
        return self.head((x * there).sum(1) / there.sum(1))


def bag_mean():
    return port(Bag(), lambda y, t: F.cross_entropy(y, t.long().reshape(-1)))


class EmbeddingBag(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.EmbeddingBag(20, 6, mode="mean", padding_idx=0)
        self.head = nn.Linear(6, 3)
        begin(self)

    def forward(self, tokens):
        return F.log_softmax(self.head(self.words(tokens)), -1)


def bag_embedding_bag():
    return port(EmbeddingBag(), lambda y, t: F.nll_loss(y, t.long().flatten()))


class Sentiment(nn.Module):
    """Packed; the hidden state of the last valid step."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.memory = nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 1)
        begin(self)

    def forward(self, tokens):
        _, (h, _) = self.memory(pack(self.words(tokens), tokens != 0))
        return self.head(h[-1])


def sentiment_packed():
    return port(
        Sentiment(), lambda y, t: F.binary_cross_entropy_with_logits(y, t.reshape(y.shape).to(y))
    )


class SentimentGather(Sentiment):
    """All steps, then the output of the last valid one."""

    def forward(self, tokens):
        out, _ = self.memory(self.words(tokens))
        last = (tokens != 0).sum(1) - 1
        x = out[torch.arange(len(out)), last]
        return torch.sigmoid(self.head(x))


def sentiment_gather():
    return port(SentimentGather(), lambda y, t: F.binary_cross_entropy(y, t.reshape(y.shape).to(y)))


class SentimentCell(nn.Module):
    """A loop that keeps the state where a step is padding."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.cell = nn.LSTMCell(6, 5)
        self.head = nn.Linear(5, 1)
        begin(self)

    def forward(self, tokens):
        x, there = self.words(tokens), (tokens != 0).unsqueeze(-1)
        h = c = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            new_h, new_c = self.cell(x[:, t], (h, c))
            h = torch.where(there[:, t], new_h, h)
            c = torch.where(there[:, t], new_c, c)
        return self.head(h)


def sentiment_cell():
    return port(
        SentimentCell(),
        lambda y, t: F.binary_cross_entropy_with_logits(y, t.reshape(y.shape).to(y)),
    )


class BothMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.both = nn.LSTM(6, 4, batch_first=True, bidirectional=True)
        self.head = nn.Linear(8, 3)
        begin(self)

    def forward(self, tokens):
        there = tokens != 0
        out, _ = self.both(pack(self.words(tokens), there))
        out, lengths = pad_packed_sequence(out, batch_first=True, total_length=tokens.shape[1])
        return self.head(out.sum(1) / lengths.unsqueeze(1))


def both_mean_packed():
    return port(BothMean(), nn.MSELoss())


class BothLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.both = nn.GRU(6, 3, batch_first=True, bidirectional=True)
        self.head = nn.Linear(6, 2)
        begin(self)

    def forward(self, tokens):
        _, h = self.both(pack(self.words(tokens), tokens != 0))
        return self.head(torch.cat([h[0], h[1]], dim=1))


def both_last_packed():
    return port(BothLast(), nn.MSELoss())


class BothByHand(nn.Module):
    """Two layers; the text is turned around within its length for the second."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.forth = nn.GRU(6, 3, batch_first=True)
        self.back = nn.GRU(6, 3, batch_first=True)
        self.head = nn.Linear(6, 2)
        begin(self)

    def forward(self, tokens):
        x, lengths = self.words(tokens), (tokens != 0).sum(1)
        steps, rows = torch.arange(x.shape[1]), torch.arange(len(x))
        turned = (lengths[:, None] - 1 - steps).clamp(min=0)
        a = self.forth(x)[0][rows, lengths - 1]
        b = self.back(x[rows[:, None], turned])[0][rows, lengths - 1]
        return self.head(torch.cat([a, b], 1))


def both_last_by_hand():
    return port(BothByHand(), nn.MSELoss())


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.memory = nn.GRU(6, 5, batch_first=True)
        self.tags = nn.Linear(5, 4)
        begin(self)

    def forward(self, tokens):
        self.there = tokens != 0
        return self.tags(self.memory(self.words(tokens))[0])


def tagger_masked_mean():
    net = Tagger()

    def loss(y, t):
        each = F.cross_entropy(y.transpose(1, 2), t.long().reshape(y.shape[:2]), reduction="none")
        there = net.there.to(each)
        return (each * there).sum() / there.sum()

    return port(net, loss)


def tagger_selected():
    net = Tagger()

    def loss(y, t):
        return F.cross_entropy(y[net.there], t.long().reshape(y.shape[:2])[net.there])

    return port(net, loss)


class Sensor(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.RNN(3, 4, batch_first=True)
        self.head = nn.Linear(4, 1)
        begin(self)

    def forward(self, series):
        there = (series != -1.0).any(-1)
        _, h = self.memory(pack(series, there))
        return self.head(h.squeeze(0))


def sensor_packed():
    return port(Sensor(), nn.MSELoss(), feed=torch.from_numpy)


class Forecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)
        begin(self)

    def forward(self, series):
        there = (series != 0).any(-1)
        out, _ = self.memory(series)
        return self.head(out), there


def masked_mse(outputs, targets):
    y, there = outputs
    return ((y - targets).square().mean(-1) * there).sum() / there.sum()


def forecast_pair():
    """The module returns the mask beside its output."""
    return port(Forecast(), masked_mse, feed=torch.from_numpy)


class TwoFloors(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.lower = nn.LSTM(6, 5, batch_first=True)
        self.upper = nn.LSTM(5, 4, batch_first=True)
        self.head = nn.Linear(4, 2)
        begin(self)

    def forward(self, tokens):
        x, _ = self.lower(pack(self.words(tokens), tokens != 0))
        _, (h, _) = self.upper(x)
        return self.head(h[0])


def two_floors_packed():
    return port(TwoFloors(), nn.MSELoss())


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, 2)
        begin(self)
        glorot(self.attention.in_proj_weight, 6, 6)

    def forward(self, tokens):
        x, padding = self.words(tokens), tokens == 0
        x, _ = self.attention(x, x, x, key_padding_mask=padding, need_weights=False)
        x = x.masked_fill(padding[..., None], 0)
        return self.head(x.sum(1) / (~padding).sum(1, keepdim=True))


def attentive_module():
    return port(Attentive(), nn.MSELoss())


class Scored(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.score = nn.Linear(6, 1)
        self.head = nn.Linear(6, 3)
        begin(self)

    def forward(self, tokens):
        x = self.words(tokens)
        scores = self.score(x).squeeze(-1).masked_fill(tokens == 0, float("-inf"))
        return self.head(torch.einsum("bt,btd->bd", scores.softmax(1), x))


def scored_infinite():
    return port(Scored(), nn.MSELoss())


class Question(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.text_words = nn.Embedding(15, 6)
        self.head = nn.Linear(6, 2)
        begin(self)

    def forward(self, tokens, text):
        q, v = self.words(tokens), self.text_words(text)
        scores = torch.bmm(q, v.transpose(1, 2)).masked_fill((text == 0)[:, None, :], -1e9)
        x = torch.bmm(scores.softmax(-1), v)
        there = (tokens != 0)[..., None]
        return self.head((x * there).sum(1) / there.sum(1))


def question_bmm():
    return port(Question(), nn.MSELoss())


class WeightedTagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.memory = nn.LSTM(6, 4, batch_first=True)
        self.value = nn.Linear(4, 1)
        begin(self)

    def forward(self, tokens):
        self.there = tokens != 0
        return self.value(self.memory(self.words(tokens))[0])


def weighted_tagger_mean():
    net = WeightedTagger()

    def loss(y, t, sample_weight):
        each = (y - t).abs().squeeze(-1)
        return (each * sample_weight * net.there).sum() / net.there.sum()

    return port(net, loss)
