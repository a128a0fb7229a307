"""The twin of an FNet, with its two own layers in torch.

The mistake: the Fourier transform goes over the features alone, and not over the tokens as well.
Others: the sum comes behind the normalisation; the size of the transform in the place of its real
part.
"""

import torch
from blocks_by_hand import config_of
from torch import nn

from torch_impl import Port, from_keras_config, losses, optim


class Positional(nn.Module):
    def __init__(self, length, words, dim):
        super().__init__()
        self.token_embeddings = nn.Embedding(words, dim)
        self.position_embeddings = nn.Embedding(length, dim)
        for table in (self.token_embeddings, self.position_embeddings):
            nn.init.uniform_(table.weight, -0.05, 0.05)

    def forward(self, tokens):
        places = torch.arange(tokens.shape[-1], device=tokens.device)
        return self.token_embeddings(tokens.long()) + self.position_embeddings(places)


class Encoder(nn.Module):
    def __init__(self, dim, hidden, axes, part, norm_first):
        super().__init__()
        self.axes, self.part, self.norm_first = axes, part, norm_first
        self.dense_proj = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.layernorm_1 = nn.LayerNorm(dim, eps=1e-3)
        self.layernorm_2 = nn.LayerNorm(dim, eps=1e-3)
        for layer in (self.dense_proj[0], self.dense_proj[2]):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        mixed = self.part(torch.fft.fftn(x, dim=self.axes))
        x = x + self.layernorm_1(mixed) if self.norm_first else self.layernorm_1(x + mixed)
        return self.layernorm_2(x + self.dense_proj(x))


def port(axes=(-2, -1), part=torch.real, norm_first=False):
    def positional(entry):
        c = entry.config
        return Positional(c["sequence_length"], c["vocab_size"], c["embed_dim"])

    def encoder(entry):
        return Encoder(entry.config["embed_dim"], entry.config["dense_dim"], axes, part, norm_first)

    twin = from_keras_config(
        config_of("fnet_encoder"),
        custom={"fnet>PositionalEmbedding": positional, "fnet>FNetEncoder": encoder},
    )
    return Port(twin, losses.BinaryCrossentropy(), optim.Adam(twin.parameters()))


def right():
    return port()


def wrong():
    return port((-1,))


def wrong_order():
    return port(norm_first=True)


def wrong_part():
    return port(part=torch.abs)
