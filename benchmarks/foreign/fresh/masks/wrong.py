"""Ports of the models with masks with one mistake each; `cases.py` says which."""

import dataclasses

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_packed_sequence

from . import right
from .right import masked_mse, pack, port


def cross_entropy(y, t):
    return F.cross_entropy(y, t.long().reshape(-1))


class PaddingInMean(right.Bag):
    def forward(self, tokens):
        return self.head(self.words(tokens).mean(1))


def bag_padding_in_mean():
    return port(PaddingInMean(), cross_entropy)


class MaskInverted(right.Bag):
    def forward(self, tokens):
        there = (tokens == 0).unsqueeze(-1).to(self.words.weight)
        return self.head((self.words(tokens) * there).sum(1) / there.sum(1).clamp(min=1))


def bag_mask_inverted():
    return port(MaskInverted(), cross_entropy)


class PaddingIdx(nn.Module):
    """padding_idx makes the row zero, and the mean still counts it."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6, padding_idx=0)
        self.head = nn.Linear(6, 3)
        right.begin(self)
        with torch.no_grad():
            self.words.weight[0] = 0

    def forward(self, tokens):
        return self.head(self.words(tokens).mean(1))


def bag_padding_idx():
    return port(PaddingIdx(), cross_entropy)


class SumOverSteps(right.Bag):
    def forward(self, tokens):
        there = (tokens != 0).unsqueeze(-1)
        return self.head((self.words(tokens) * there).sum(1) / tokens.shape[1])


def bag_divided_by_all_steps():
    return port(SumOverSteps(), cross_entropy)


def binary(y, t):
    return F.binary_cross_entropy_with_logits(y, t.reshape(y.shape).to(y))


class LastStep(right.Sentiment):
    def forward(self, tokens):
        out, _ = self.memory(self.words(tokens))
        return self.head(out[:, -1])


def sentiment_last_step():
    return port(LastStep(), binary)


class OneTooLate(right.Sentiment):
    def forward(self, tokens):
        out, _ = self.memory(self.words(tokens))
        last = (tokens != 0).sum(1).clamp(max=tokens.shape[1] - 1)
        return self.head(out[torch.arange(len(out)), last])


def sentiment_one_step_too_late():
    return port(OneTooLate(), binary)


class CellForgets(right.SentimentCell):
    """h is kept where a step is padding, c is not."""

    def forward(self, tokens):
        x, there = self.words(tokens), (tokens != 0).unsqueeze(-1)
        h = c = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            new_h, c = self.cell(x[:, t], (h, c))
            h = new_h * there[:, t]
        return self.head(h)


def sentiment_cell_zeroed():
    return port(CellForgets(), binary)


class BackwardInPadding(right.BothMean):
    def forward(self, tokens):
        out, _ = self.both(self.words(tokens))
        there = (tokens != 0).unsqueeze(-1)
        return self.head((out * there).sum(1) / there.sum(1))


def both_mean_backward_starts_in_padding():
    return port(BackwardInPadding(), nn.MSELoss())


class PoolsAllSteps(right.BothMean):
    def forward(self, tokens):
        out, _ = self.both(pack(self.words(tokens), tokens != 0))
        out, _ = pad_packed_sequence(out, batch_first=True, total_length=tokens.shape[1])
        return self.head(out.mean(1))


def both_mean_over_all_steps():
    return port(PoolsAllSteps(), nn.MSELoss())


class LastOfBoth(right.BothLast):
    """The backward output of the last valid step has seen one token."""

    def forward(self, tokens):
        there = tokens != 0
        out, _ = self.both(pack(self.words(tokens), there))
        out, lengths = pad_packed_sequence(out, batch_first=True)
        return self.head(out[torch.arange(len(out)), lengths - 1])


def both_last_valid_step_of_backward():
    return port(LastOfBoth(), nn.MSELoss())


class NotPacked(right.BothLast):
    def forward(self, tokens):
        _, h = self.both(self.words(tokens))
        return self.head(torch.cat([h[0], h[1]], 1))


def both_last_not_packed():
    return port(NotPacked(), nn.MSELoss())


def tagger_loss_over_all_tokens():
    return port(right.Tagger(), lambda y, t: F.cross_entropy(y.flatten(0, 1), t.long().flatten()))


def tagger_masked_sum_over_all():
    net = right.Tagger()

    def loss(y, t):
        each = F.cross_entropy(y.transpose(1, 2), t.long().reshape(y.shape[:2]), reduction="none")
        return (each * net.there).mean()

    return port(net, loss)


def tagger_mean_of_means():
    net = right.Tagger()

    def loss(y, t):
        each = F.cross_entropy(y.transpose(1, 2), t.long().reshape(y.shape[:2]), reduction="none")
        return ((each * net.there).sum(1) / net.there.sum(1)).mean()

    return port(net, loss)


class Accuracy:
    """Counts all steps."""

    name = "accuracy"

    def __init__(self):
        self.reset()

    def reset(self):
        self.right = self.all = 0

    def update(self, outputs, targets):
        equal = outputs.argmax(-1) == targets.reshape(outputs.shape[:2])
        self.right += int(equal.sum())
        self.all += equal.numel()

    def compute(self):
        return self.right / max(self.all, 1)


def tagger_accuracy_over_all_tokens():
    return dataclasses.replace(right.tagger_masked_mean(), weighted_metrics=[Accuracy()])


class GapIsZero(right.Sensor):
    def forward(self, series):
        there = (series != 0.0).any(-1)
        _, h = self.memory(pack(series, there))
        return self.head(h.squeeze(0))


def sensor_other_mask_value():
    return port(GapIsZero(), nn.MSELoss(), feed=torch.from_numpy)


class AnyIsGap(right.Sensor):
    """A step with one value of the gaps counts as a gap."""

    def forward(self, series):
        there = (series != -1.0).all(-1)
        _, h = self.memory(pack(series, there))
        return self.head(h.squeeze(0))


def sensor_any_value_is_a_gap():
    return port(AnyIsGap(), nn.MSELoss(), feed=torch.from_numpy)


class ShiftedMask(right.Forecast):
    """The mask of the next step."""

    def forward(self, series):
        there = (series != 0).any(-1)
        there = torch.cat([there[:, 1:], torch.zeros_like(there[:, :1])], 1)
        return self.head(self.memory(series)[0]), there


def forecast_mask_shifted():
    return port(ShiftedMask(), masked_mse, feed=torch.from_numpy)


def forecast_loss_mask_missing():
    return port(
        right.Forecast(), lambda outputs, t: F.mse_loss(outputs[0], t), feed=torch.from_numpy
    )


class OneFloorPacked(right.TwoFloors):
    def forward(self, tokens):
        x, _ = self.lower(pack(self.words(tokens), tokens != 0))
        x, _ = pad_packed_sequence(x, batch_first=True, total_length=tokens.shape[1])
        _, (h, _) = self.upper(x)
        return self.head(h[0])


def two_floors_mask_in_the_first():
    return port(OneFloorPacked(), nn.MSELoss())


class AttentionInverted(right.Attentive):
    def forward(self, tokens):
        x, there = self.words(tokens), tokens != 0
        x, _ = self.attention(x, x, x, key_padding_mask=there, need_weights=False)
        x = torch.nan_to_num(x).masked_fill(~there[..., None], 0)
        return self.head(x.sum(1) / there.sum(1, keepdim=True))


def attentive_mask_inverted():
    return port(AttentionInverted(), nn.MSELoss())


class AttentionUnmasked(right.Attentive):
    def forward(self, tokens):
        x, there = self.words(tokens), (tokens != 0)[..., None]
        x, _ = self.attention(x, x, x)
        return self.head((x * there).sum(1) / there.sum(1))


def attentive_no_mask():
    return port(AttentionUnmasked(), nn.MSELoss())


class ScoresZero(right.Scored):
    def forward(self, tokens):
        x = self.words(tokens)
        scores = self.score(x).squeeze(-1) * (tokens != 0)
        return self.head(torch.einsum("bt,btd->bd", scores.softmax(1), x))


def scored_zero_for_infinity():
    return port(ScoresZero(), nn.MSELoss())


class MaskOnQueries(right.Question):
    """The mask of the first text on the scores, in the place of that of the second."""

    def forward(self, tokens, text):
        q, v = self.words(tokens), self.text_words(text)
        scores = torch.bmm(q, v.transpose(1, 2)).masked_fill((tokens == 0)[:, :, None], -1e9)
        x = torch.bmm(scores.softmax(-1), v)
        there = (tokens != 0)[..., None]
        return self.head((x * there).sum(1) / there.sum(1))


def question_mask_on_queries():
    return port(MaskOnQueries(), nn.MSELoss())


class QueriesPooled(right.Question):
    def forward(self, tokens, text):
        q, v = self.words(tokens), self.text_words(text)
        scores = torch.bmm(q, v.transpose(1, 2)).masked_fill((text == 0)[:, None, :], -1e9)
        return self.head(torch.bmm(scores.softmax(-1), v).mean(1))


def question_pooled_over_padding():
    return port(QueriesPooled(), nn.MSELoss())


def weighted_tagger_mask_forgotten():
    """Weights of steps without the mask."""

    def loss(y, t, sample_weight):
        return ((y - t).abs().squeeze(-1) * sample_weight).mean()

    return port(right.WeightedTagger(), loss)
