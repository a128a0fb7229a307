"""A mel spectrogram of torch.stft, a causal convolution and an nn.GRU.

The mistake: the mel bands are sums of magnitudes, and not of powers.
Others: natural logarithms in the place of decibels; a window that is symmetric.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port, optim


def mel_filters(bins, bands, rate, lowest):
    """Triangles on the mel scale, as HTK has them; the first frequency is left out."""

    def mel(hertz):
        return 1127.0 * np.log(1 + hertz / 700.0)

    edges = np.linspace(mel(lowest), mel(rate / 2), bands + 2)
    at = mel(np.linspace(0, rate / 2, bins))[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0, np.minimum(rising, falling))
    filters[0] = 0
    return torch.tensor(filters, dtype=torch.float32)


class LogMel(nn.Module):
    def __init__(self, power, decibels, periodic):
        super().__init__()
        self.power, self.decibels = power, decibels
        self.register_buffer("window", torch.hann_window(64, periodic=periodic))
        self.register_buffer("filters", mel_filters(33, 10, 8000, 50.0))

    def forward(self, audio):
        spectrum = torch.stft(audio, 64, hop_length=32, window=self.window, return_complex=True)
        mel = spectrum.abs().pow(self.power).transpose(1, 2) @ self.filters
        if not self.decibels:
            return mel.clamp(min=1e-10).log()
        decibel = 10 * mel.clamp(min=1e-10).log10()
        return torch.maximum(decibel, decibel.max() - 80.0)  # (N, T, bands)


class Keywords(nn.Module):
    def __init__(self, power=2, decibels=True, periodic=True):
        super().__init__()
        self.mel = LogMel(power, decibels, periodic)
        self.norm = nn.LayerNorm(10, eps=1e-3)
        self.conv = nn.Conv1d(10, 6, 3)
        self.gru = nn.GRU(6, 5, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(5, 4)
        for layer in (self.conv, self.fc):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.xavier_uniform_(self.gru.weight_ih_l0)
        nn.init.orthogonal_(self.gru.weight_hh_l0)
        nn.init.zeros_(self.gru.bias_ih_l0)
        nn.init.zeros_(self.gru.bias_hh_l0)

    def forward(self, audio):
        x = self.norm(self.mel(audio)).transpose(1, 2)
        x = F.relu(self.conv(F.pad(x, (2, 0)))).transpose(1, 2)
        _, last = self.gru(x)
        return self.fc(self.drop(last[0]))


def port(net):
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Nadam(net.parameters(), learning_rate=1e-3),
        metrics=["accuracy"],
    )


def right():
    return port(Keywords())


def wrong():
    return port(Keywords(power=1))


def wrong_logarithm():
    return port(Keywords(decibels=False))


def wrong_window():
    return port(Keywords(periodic=False))
