"""Right ports of these, as people write them."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_impl import Port

WORDS = 12


def _port(net, loss=F.cross_entropy, **given):
    for name, parameter in net.named_parameters():
        if "lstm.bias_hh" in name:  # Keras's LSTM has one bias
            nn.init.zeros_(parameter).requires_grad_(False)
    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), **given)


class Classifier(nn.Module):
    """Packs its sequences; `sort` says how."""

    def __init__(self, sort=False):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.out = nn.Linear(5, 3)
        self.sort = sort

    def forward(self, x):
        lengths = (x != 0).sum(1)
        if self.sort:
            lengths, order = lengths.sort(descending=True)
            x = x[order]
        packed = pack_padded_sequence(
            self.embedding(x), lengths.cpu(), batch_first=True, enforce_sorted=self.sort
        )
        _, (h, _) = self.lstm(packed)
        h = h[-1]
        return self.out(h[order.argsort()] if self.sort else h)


def classifier__packed():
    return _port(Classifier())


def classifier__packed_sorted():
    return _port(Classifier(sort=True))


class Stacked(nn.Module):
    """Two recurrent layers in one module, packed."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.gru = nn.GRU(6, 5, num_layers=2, batch_first=True)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        lengths = (x != 0).sum(1).cpu()
        packed = pack_padded_sequence(
            self.embedding(x), lengths, batch_first=True, enforce_sorted=False
        )
        return self.out(self.gru(packed)[1][-1])


def stacked__packed():
    return _port(Stacked())


class Gathered(Classifier):
    """Takes the output at the last real step."""

    def forward(self, x):
        y, _ = self.lstm(self.embedding(x))
        last = (x != 0).sum(1) - 1
        return self.out(y[torch.arange(len(x)), last])


def classifier__gathered():
    return _port(Gathered())


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.gru = nn.GRU(6, 5, batch_first=True)
        self.out = nn.Linear(5, 4)

    def forward(self, x):
        lengths = (x != 0).sum(1).cpu()
        packed = pack_padded_sequence(
            self.embedding(x), lengths, batch_first=True, enforce_sorted=False
        )
        y, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=x.shape[1])
        return self.out(y)


class PlainTagger(Tagger):
    """Goes over the padding, which follows all that counts."""

    def forward(self, x):
        self.mask = x != 0
        return self.out(self.gru(self.embedding(x))[0])


def ignoring(output, y):
    return F.cross_entropy(output.transpose(1, 2), y.long(), ignore_index=0)


def tagger__packed():
    return _port(Tagger(), ignoring)


def tagger__plain():
    return _port(PlainTagger(), ignoring)


def tagger__loss_of_kept_mask():
    net = PlainTagger()

    def loss(output, y):
        each = F.cross_entropy(output.transpose(1, 2), y.long(), reduction="none")
        return (each * net.mask).sum() / net.mask.sum()

    return _port(net, loss)


class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        mask = (x != 0).unsqueeze(-1).to(self.out.weight.dtype)
        return self.out((self.embedding(x) * mask).sum(1) / mask.sum(1))


def mean__by_hand():
    return _port(Mean())


class BothWays(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.lstm = nn.LSTM(6, 4, batch_first=True, bidirectional=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        lengths = (x != 0).sum(1).cpu()
        packed = pack_padded_sequence(
            self.embedding(x), lengths, batch_first=True, enforce_sorted=False
        )
        _, (h, _) = self.lstm(packed)
        return self.out(torch.cat([h[0], h[1]], 1))


def both_ways__packed():
    return _port(BothWays())


class Maximum(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        return self.out(self.embedding(x).amax(1))


def maximum__of_all():
    return _port(Maximum())


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        mask = x != 0
        e = self.embedding(x)
        scores = (e @ e.transpose(1, 2)).masked_fill(~mask[:, None], float("-inf"))
        y = scores.softmax(-1) @ e
        weight = mask.unsqueeze(-1).to(y.dtype)
        return self.out((y * weight).sum(1) / weight.sum(1))


def attention__by_hand():
    return _port(Attention())


class Forecaster(nn.Module):
    """Steps whose features are all 0 do not count, wherever they are."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 5, batch_first=True)
        self.out = nn.Linear(5, 2)

    def counted(self, x):
        return (x != 0).any(-1)

    def forward(self, x):
        self.mask = self.counted(x)
        order = (~self.mask).to(torch.int64).argsort(dim=1, stable=True)  # what counts comes first
        turned = x.gather(1, order[..., None].expand_as(x))
        y, _ = self.lstm(turned)
        back = y.gather(1, order.argsort(1)[..., None].expand_as(y))
        return self.out(back)


def squared_of_kept_mask(net):
    """The mean over the steps that the last batch of a module counts."""

    def loss(output, y):
        each = ((output - y) ** 2).mean(-1)
        return (each * net.mask).sum() / net.mask.sum()

    return loss


def forecaster__moved_together():
    net = Forecaster()
    return _port(net, squared_of_kept_mask(net))


class Normalised(nn.Module):
    """Normalises by the statistics of the steps that count."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.norm = nn.BatchNorm1d(6, eps=1e-3, momentum=0.01)
        self.out = nn.Linear(6, 4)

    def normalise(self, y, mask):
        flat = y[mask]
        if self.training:  # Keras keeps the biased variance
            mean, variance = flat.mean(0), flat.var(0, correction=0)
            with torch.no_grad():
                self.norm.running_mean.lerp_(mean, 0.01)
                self.norm.running_var.lerp_(variance, 0.01)
        else:
            mean, variance = self.norm.running_mean, self.norm.running_var
        y = (y - mean) * (variance + 1e-3).rsqrt()
        return y * self.norm.weight + self.norm.bias

    def forward(self, x):
        return self.out(self.normalise(self.embedding(x), x != 0))


def normalised__of_what_counts():
    return _port(Normalised(), ignoring)


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.gru = nn.GRU(6, 5, batch_first=True)
        self.tags = nn.Linear(5, 4)
        self.kind = nn.Linear(5, 3)

    def forward(self, x):
        y = self.gru(self.embedding(x))[0]
        mask = (x != 0)[..., None].to(y.dtype)
        return {"tags": self.tags(y), "kind": self.kind((y * mask).sum(1) / mask.sum(1))}


def two_heads__losses_of_keras():
    return _port(TwoHeads(), None)


def two_heads__ignoring():
    return _port(TwoHeads(), {"tags": ignoring, "kind": F.cross_entropy})
