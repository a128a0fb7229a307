"""Ports of the second set with one mistake each; `cases.py` says which."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_packed_sequence

from . import right
from .right import binary, port


class Summed(right.GatedText):
    def merge(self, out):
        a, b = out.chunk(2, -1)
        return a + b


def masks_merged_by_sum():
    return port(Summed(), binary)


class SecondNotPacked(right.GatedText):
    def forward(self, tokens):
        x = torch.tanh(self.mixed(self.words(tokens)))
        out, _ = self.both(self.pack(x, tokens != 0))
        out, _ = pad_packed_sequence(out, batch_first=True, total_length=tokens.shape[1])
        return self.head(self.memory(self.merge(out))[0][:, -1])


def masks_second_layer_not_packed():
    return port(SecondNotPacked(), binary)


class TurnedWhole(right.Steps):
    """The text is turned with its padding in front."""

    def turn(self, x, lengths):
        return x.flip(1)


def masks_turned_with_padding():
    net = TurnedWhole()

    def loss(y, t):
        return F.cross_entropy(y[net.mask], t.long().reshape(y.shape[:2])[net.mask])

    return port(net, loss)


def masks_loss_by_samples():
    """The sum over the steps of a sample, and the mean over samples."""
    net = right.Steps()

    def loss(y, t):
        each = F.cross_entropy(y.transpose(1, 2), t.long().reshape(y.shape[:2]), reduction="none")
        return (each * net.mask).sum(1).mean()

    return port(net, loss)


class MemoryIsQuery(right.Decoder):
    """Keys and values are taken of the decoder, not of the memory."""

    def look(self, x, memory):
        return super().look(x, x)


def attention_memory_not_read():
    return port(MemoryIsQuery())


class ValuesFirst(right.Decoder):
    def look(self, x, memory):
        n = len(x)
        q = self.q(x).view(n, -1, 2, 4).transpose(1, 2)
        v, k = (y.view(n, -1, 2, 4).transpose(1, 2) for y in self.kv(memory).chunk(2, -1))
        y = F.scaled_dot_product_attention(q, k, v, scale=0.25)
        return self.out(y.transpose(1, 2).reshape(n, -1, 8))


def attention_scaled_by_key_dim():
    """1 / key_dim for 1 / sqrt(key_dim)."""
    return port(ValuesFirst())


class SoftmaxOverBatch(right.Pooled):
    def share(self, scores):
        return scores.softmax(0)


def attention_softmax_over_batch():
    return port(SoftmaxOverBatch())


class SigmoidShare(right.Pooled):
    def share(self, scores):
        return scores.sigmoid()


def attention_sigmoid_for_softmax():
    return port(SigmoidShare())


class AllSteps(right.Forecaster):
    """The decoder reads the outputs of the encoder, not its last state again and again."""

    def forward(self, past):
        out, _ = self.encoder(past)
        return self.steps(self.decoder(out[:, -4:])[0])


def recurrent_not_repeated():
    return port(AllSteps(), feed=torch.from_numpy)


class FirstOnly(right.Forecaster):
    """The last state is the first step of the decoder; the others are zeros."""

    def forward(self, past):
        _, h = self.encoder(past)
        x = torch.cat([h[-1][:, None], h.new_zeros(h.shape[1], 3, 5)], 1)
        return self.steps(self.decoder(x)[0])


def recurrent_zeros_behind_the_first():
    return port(FirstOnly(), feed=torch.from_numpy)


class BackwardFirst(right.BothStates):
    def begun(self, states):
        return tuple(torch.cat([s[1], s[0]], -1)[None] for s in states)


def recurrent_backward_states_first():
    return port(BackwardFirst())


class Viewed(right.BothStates):
    """(2, N, units) is viewed as (1, N, 2 * units)."""

    def begun(self, states):
        return tuple(s.reshape(1, s.shape[1], -1) for s in states)


def recurrent_states_viewed():
    return port(Viewed())


def heads(**losses):
    own = {"kind": right.kind_loss, "flags": nn.BCEWithLogitsLoss(), "size": right.log_cosh}
    return port(right.ThreeHeads(), {**own, **losses}, loss_weights=right.WEIGHTS)


def outputs_flags_summed():
    """The crossentropies of the flags of a sample are added up."""
    return heads(
        flags=lambda y, t: F.binary_cross_entropy_with_logits(y, t, reduction="none").sum(1).mean()
    )


def outputs_size_is_mse():
    return heads(size=nn.MSELoss())


class CentredBySample(right.Centred):
    """The mean of squares, not the square of the mean."""

    def added(self, code):
        return 0.3 * code.square().mean(0).sum()


def outputs_mean_of_squares():
    return port(CentredBySample(), right.absolute, added_loss=lambda net: net.extra)


def outputs_added_loss_weighted():
    """The weights of the samples count by their sum."""

    def loss(y, t, sample_weight):
        return ((y - t).abs().mean(-1) * sample_weight).sum() / sample_weight.sum()

    return port(right.Centred(), loss, added_loss=lambda net: net.extra)
