"""Ports with one mistake about masks each."""

import torch
from masked_torch import (
    Attention,
    BothWays,
    Classifier,
    Forecaster,
    Maximum,
    Mean,
    Normalised,
    PlainTagger,
    Tagger,
    TwoHeads,
    _port,
    ignoring,
    squared_of_kept_mask,
)
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def _packed(x, lengths):
    return pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)


def classifier__no_mask():
    class Net(Classifier):
        def forward(self, x):
            return self.out(self.lstm(self.embedding(x))[0][:, -1])

    return _port(Net())


def classifier__last_index():
    class Net(Classifier):
        def forward(self, x):
            packed = _packed(self.embedding(x), (x != 0).sum(1))
            y, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
            return self.out(y[:, -1])

    return _port(Net())


def classifier__lengths_off_by_one():
    class Net(Classifier):
        def forward(self, x):
            lengths = ((x != 0).sum(1) - 1).clamp(min=1)
            _, (h, _) = self.lstm(_packed(self.embedding(x), lengths))
            return self.out(h[-1])

    return _port(Net())


def classifier__gathered_off_by_one():
    class Net(Classifier):
        def forward(self, x):
            y, _ = self.lstm(self.embedding(x))
            last = (x != 0).sum(1).clamp(max=x.shape[1] - 1)
            return self.out(y[torch.arange(len(x)), last])

    return _port(Net())


def classifier__padding_idx():
    class Net(Classifier):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(12, 6, padding_idx=0)

        def forward(self, x):
            return self.out(self.lstm(self.embedding(x))[0][:, -1])

    return _port(Net())


def mean__of_all_steps():
    class Net(Mean):
        def forward(self, x):
            return self.out(self.embedding(x).mean(1))

    return _port(Net())


def mean__inverted():
    class Net(Mean):
        def forward(self, x):
            mask = (x == 0).unsqueeze(-1).to(self.out.weight.dtype)
            return self.out((self.embedding(x) * mask).sum(1) / mask.sum(1).clamp(min=1))

    return _port(Net())


def mean__over_whole_length():
    class Net(Mean):
        def forward(self, x):
            mask = (x != 0).unsqueeze(-1).to(self.out.weight.dtype)
            return self.out((self.embedding(x) * mask).mean(1))

    return _port(Net())


def both_ways__forward_only():
    class Net(BothWays):
        def forward(self, x):
            e = self.embedding(x)
            _, (h, _) = self.lstm(_packed(e, (x != 0).sum(1)))
            _, (g, _) = self.lstm(e)
            return self.out(torch.cat([h[0], g[1]], 1))

    return _port(Net())


def both_ways__no_mask():
    class Net(BothWays):
        def forward(self, x):
            _, (h, _) = self.lstm(self.embedding(x))
            return self.out(torch.cat([h[0], h[1]], 1))

    return _port(Net())


def attention__no_mask():
    class Net(Attention):
        def forward(self, x):
            e = self.embedding(x)
            y = (e @ e.transpose(1, 2)).softmax(-1) @ e
            weight = (x != 0).unsqueeze(-1).to(y.dtype)
            return self.out((y * weight).sum(1) / weight.sum(1))

    return _port(Net())


def attention__inverted():
    class Net(Attention):
        def forward(self, x):
            e = self.embedding(x)
            scores = (e @ e.transpose(1, 2)).masked_fill((x != 0)[:, None], -1e9)
            y = scores.softmax(-1) @ e
            weight = (x != 0).unsqueeze(-1).to(y.dtype)
            return self.out((y * weight).sum(1) / weight.sum(1))

    return _port(Net())


def maximum__of_real_steps():
    class Net(Maximum):
        def forward(self, x):
            e = self.embedding(x).masked_fill((x == 0).unsqueeze(-1), float("-inf"))
            return self.out(e.amax(1))

    return _port(Net())


def tagger__loss_over_whole_length():
    def loss(output, y):
        return (
            F.cross_entropy(output.transpose(1, 2), y.long(), ignore_index=0, reduction="sum")
            / y.numel()
        )

    return _port(Tagger(), loss)


def tagger__loss_not_masked():
    return _port(Tagger(), lambda output, y: F.cross_entropy(output.transpose(1, 2), y.long()))


def tagger__loss_of_sample_means():
    def loss(output, y):
        each = F.cross_entropy(output.transpose(1, 2), y.long(), ignore_index=0, reduction="none")
        return (each.sum(1) / (y != 0).sum(1)).mean()

    return _port(Tagger(), loss)


def tagger__loss_inverted():
    net = PlainTagger()

    def loss(output, y):
        each = F.cross_entropy(output.transpose(1, 2), y.long(), reduction="none")
        return (each * ~net.mask).sum() / (~net.mask).sum().clamp(min=1)

    return _port(net, loss)


def tagger__metric_counts_padding():
    return _port(Tagger(), ignoring, weighted_metrics=["accuracy"])


def forecaster__other_value():
    class Net(Forecaster):
        def counted(self, x):
            return (x != -1).any(-1)

    net = Net()
    return _port(net, squared_of_kept_mask(net))


def forecaster__no_mask():
    class Net(Forecaster):
        def forward(self, x):
            self.mask = self.counted(x)
            return self.out(self.lstm(x)[0])

    net = Net()
    return _port(net, squared_of_kept_mask(net))


def normalised__statistics_of_padding():
    class Net(Normalised):
        def normalise(self, y, mask):
            return self.norm(y.transpose(1, 2)).transpose(1, 2)

    return _port(Net(), ignoring)


def two_heads__loss_not_masked():
    def loss(output, y):
        return F.cross_entropy(output.transpose(1, 2), y.long())

    return _port(TwoHeads(), {"tags": loss, "kind": F.cross_entropy})


def two_heads__metric_counts_padding():
    losses = {"tags": ignoring, "kind": F.cross_entropy}
    return _port(TwoHeads(), losses, weighted_metrics={"tags": ["accuracy"]})
