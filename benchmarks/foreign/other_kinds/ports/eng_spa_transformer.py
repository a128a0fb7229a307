"""A translator: padding is hidden from attention, and the future from the decoder.

The mistake: the decoder looks at padded words of the source as well.
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import Attention, keras_init
from torch import nn

from torch_impl import Port, optim

DIM, HEADS, HIDDEN, WORDS, LONGEST = 8, 2, 14, 40, 9


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.word = nn.Embedding(WORDS, DIM)
        self.place = nn.Embedding(LONGEST, DIM)

    def forward(self, ids):
        return self.word(ids.long()) + self.place(torch.arange(ids.shape[1]))


def mlp():
    return nn.Sequential(nn.Linear(DIM, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIM))


def norm():
    return nn.LayerNorm(DIM, eps=1e-3)


class EncoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.mlp = Attention(DIM, HEADS, DIM), mlp()
        self.norm_1, self.norm_2 = norm(), norm()

    def forward(self, x, real):
        x = self.norm_1(x + self.attention(x, x, real[:, None, :]))
        return self.norm_2(x + self.mlp(x))


class DecoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.own, self.cross, self.mlp = (
            Attention(DIM, HEADS, DIM),
            Attention(DIM, HEADS, DIM),
            mlp(),
        )
        self.norm_1, self.norm_2, self.norm_3 = norm(), norm(), norm()

    def forward(self, x, memory, mask_own, mask_memory):
        x = self.norm_1(x + self.own(x, x, mask_own))
        x = self.norm_2(x + self.cross(x, memory, mask_memory))
        return self.norm_3(x + self.mlp(x))


class Translator(nn.Module):
    def __init__(self, hide_source=True):
        super().__init__()
        self.hide_source = hide_source
        self.source, self.target = Embedder(), Embedder()
        self.encoder, self.decoder = EncoderLayer(), DecoderLayer()
        self.drop = nn.Dropout(0.5)
        self.words = nn.Linear(DIM, WORDS)

    def forward(self, encoder_inputs, decoder_inputs):
        real = encoder_inputs != 0
        memory = self.encoder(self.source(encoder_inputs), real)
        target_real = decoder_inputs != 0
        steps = decoder_inputs.shape[1]
        past = torch.ones(steps, steps, dtype=torch.bool).tril()
        # Keras hides padding as a key of self-attention, too, since the value carries its mask.
        own = past & target_real[:, None, :]
        own = own | ~target_real[:, :, None]  # rows of padding look anywhere; nothing uses them
        cross = real[:, None, :] if self.hide_source else None
        x = self.decoder(self.target(decoder_inputs), memory, own, cross)
        return self.words(self.drop(x))


def loss(logits, words):
    # With `ignore_class`, Keras loses the logits, and clips the probabilities.
    p = logits.softmax(-1).clamp(1e-7, 1 - 1e-7)
    return F.cross_entropy(p.log().flatten(0, 1), words.long().flatten(), ignore_index=0)


def port(net):
    keras_init(net)
    return Port(net, loss=loss, optimizer=optim.RMSprop(net.parameters()))


def right():
    return port(Translator())


def wrong():
    return port(Translator(hide_source=False))
