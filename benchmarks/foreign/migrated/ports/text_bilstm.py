import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_impl import Port


class SpatialDropout1d(nn.Dropout1d):
    """Drops whole features of (N, T, C)."""

    def forward(self, x):
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def keras_lstm(nin, units, forget_one=True):
    lstm = nn.LSTM(nin, units, batch_first=True, bidirectional=True)
    for name, p in lstm.named_parameters():
        if "weight_ih" in name:
            nn.init.xavier_uniform_(p)
        elif "weight_hh" in name:
            nn.init.orthogonal_(p)
        else:
            nn.init.zeros_(p)
            if "bias_hh" in name:
                p.requires_grad_(False)  # Keras has one bias
            elif forget_one:
                p.data[units : 2 * units] = 1.0
    return lstm


class Sentiment(nn.Module):
    def __init__(self, vocab=40, forget_one=True, masked=True):
        super().__init__()
        self.masked = masked
        self.embed = nn.Embedding(vocab, 6)
        nn.init.uniform_(self.embed.weight, -0.05, 0.05)
        self.drop1 = SpatialDropout1d(0.2)
        self.lstm1 = keras_lstm(6, 5, forget_one)
        self.lstm2 = keras_lstm(10, 4, forget_one)
        self.fc = nn.Linear(8, 8)
        self.drop2 = nn.Dropout(0.4)
        self.out = nn.Linear(8, 1)
        for m in (self.fc, self.out):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, tokens):
        tokens = tokens.long()
        x = self.drop1(self.embed(tokens))
        if self.masked:
            lengths = (tokens != 0).sum(1).clamp(min=1).cpu()  # padding is at the end
        else:
            lengths = torch.full((len(tokens),), tokens.shape[1])
        x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        x, _ = self.lstm1(x)
        _, (h, _) = self.lstm2(x)
        x = torch.cat([h[-2], h[-1]], dim=1)
        x = self.drop2(torch.relu(self.fc(x)))
        return torch.sigmoid(self.out(x))


class KerasRMSprop(torch.optim.Optimizer):
    def __init__(self, params, lr=2e-3, rho=0.9, eps=1e-7):
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["square_avg"] = torch.zeros_like(p)
                s["square_avg"].mul_(group["rho"]).add_((1 - group["rho"]) * p.grad.square())
                p.sub_(group["lr"] * p.grad / (s["square_avg"] + group["eps"]).sqrt())


def bce(output, target):
    return nn.functional.binary_cross_entropy(output, target.to(output.dtype).view_as(output))


def _port(net, optimizer=None):
    params = [p for p in net.parameters() if p.requires_grad]
    return Port(net, loss=bce, optimizer=optimizer or KerasRMSprop(params), metrics=["accuracy"])


def right():
    return _port(Sentiment())


def wrong_1():
    return _port(Sentiment(masked=False))


def wrong_2():
    return _port(Sentiment(forget_one=False))


def wrong_3():
    net = Sentiment()
    params = [p for p in net.parameters() if p.requires_grad]
    return _port(
        net, torch.optim.RMSprop(params, lr=2e-3)
    )  # alpha 0.99, epsilon 1e-8 outside of the root
