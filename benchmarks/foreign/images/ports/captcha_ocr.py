"""OCR of captchas. Mistake: the blank of the CTC loss is the last class, not class 0."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import Adam


def lstm_init(lstm):
    """Glorot kernels, orthogonal recurrent kernels, and a forget gate that begins open."""
    for name, value in lstm.named_parameters():
        hidden = lstm.hidden_size
        if "weight_ih" in name:
            limit = (6 / (value.shape[1] + 4 * hidden)) ** 0.5
            nn.init.uniform_(value, -limit, limit)
        elif "weight_hh" in name:
            nn.init.orthogonal_(value)
        else:
            nn.init.zeros_(value)
            if "bias_ih" in name:
                value.data[hidden : 2 * hidden] = 1.0
            else:
                value.requires_grad_(False)  # Keras has one bias


class BothWays(nn.Module):
    """Two LSTMs, whose inputs are dropped by a mask each that is the same in all steps."""

    def __init__(self, features, hidden, rate):
        super().__init__()
        self.rate = rate
        self.forwards = nn.LSTM(features, hidden, batch_first=True)
        self.backwards = nn.LSTM(features, hidden, batch_first=True)

    def dropped(self, x):
        return x * F.dropout(torch.ones_like(x[:, :1]), self.rate, self.training)

    def forward(self, x):
        ahead, _ = self.forwards(self.dropped(x))
        back, _ = self.backwards(self.dropped(x).flip(1))
        return torch.cat([ahead, back.flip(1)], dim=-1)


class CaptchaNet(nn.Module):
    def __init__(self, classes=7):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.dense1 = nn.Linear(3 * 8, 10)
        self.lstm1 = BothWays(10, 7, 0.25)
        self.lstm2 = nn.LSTM(14, 5, batch_first=True, bidirectional=True)
        self.dense2 = nn.Linear(10, classes)

    def forward(self, x):  # (N, 1, width, height)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), (1, 2))
        x = x.permute(0, 2, 3, 1).flatten(2)
        x = F.dropout(F.relu(self.dense1(x)), 0.2, self.training)
        x, _ = self.lstm2(self.lstm1(x))
        return self.dense2(x)


def ctc(blank):
    def loss(logits, labels):
        log_probs = logits.log_softmax(-1).transpose(0, 1)
        labels = labels.long()
        lengths = (labels != 0).sum(1)  # 0 is padding in Keras's CTC
        targets = labels if blank == 0 else labels - 1
        steps = torch.full((len(labels),), len(log_probs), dtype=torch.long)
        losses = F.ctc_loss(
            log_probs, targets.clamp(min=0), steps, lengths, blank=blank, reduction="none"
        )
        return losses.mean()

    return loss


def build(mistake=False):
    net = keras_init(CaptchaNet())
    for conv in (net.conv1, net.conv2):
        std = (2 / conv.weight[0].numel()) ** 0.5 / 0.87962566103423978
        nn.init.trunc_normal_(conv.weight, std=std, a=-2 * std, b=2 * std)
    for lstm in (net.lstm1.forwards, net.lstm1.backwards, net.lstm2):
        lstm_init(lstm)
    trained = [p for p in net.parameters() if p.requires_grad]
    return Port(net, loss=ctc(blank=6 if mistake else 0), optimizer=Adam(trained))


def right():
    return build()


def wrong():
    return build(mistake=True)
