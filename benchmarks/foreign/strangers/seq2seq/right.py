"""Translation with teacher forcing: an LSTM encoder hands its states to an LSTM decoder."""

from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from torch_impl import Port, optim

from ..compat import glorot_, lstm_

SOURCE_TOKENS, TARGET_TOKENS, WIDTH = 20, 17, 10


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.source_embedding = nn.Embedding(SOURCE_TOKENS, 8)
        self.encoder = nn.LSTM(8, WIDTH, batch_first=True)
        self.target_embedding = nn.Embedding(TARGET_TOKENS, 8)
        self.decoder = nn.LSTM(8, WIDTH, batch_first=True)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-3)
        self.out = nn.Linear(WIDTH, TARGET_TOKENS)

    def forward(self, source, target):
        lengths = source.ne(0).sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(
            self.source_embedding(source), lengths, batch_first=True, enforce_sorted=False
        )
        _, (h, c) = self.encoder(packed)
        # Padding of the targets is at the end, so that no step that counts comes after it.
        y, _ = self.decoder(self.target_embedding(target), (h, c))
        return self.out(self.norm(y))


def masked_loss(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.long().flatten(), ignore_index=0)


def build():
    net = glorot_(Seq2Seq())
    lstm_(net.encoder)
    lstm_(net.decoder)
    trained = [p for p in net.parameters() if p.requires_grad]
    return Port(
        net,
        loss=masked_loss,
        optimizer=optim.Adam(trained, learning_rate=5e-3),
        before_step=lambda net: nn.utils.clip_grad_value_(net.parameters(), 0.05),
    )
