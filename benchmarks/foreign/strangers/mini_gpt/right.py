"""Text generation with a miniature GPT; the embedding is tied to the output."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, optim

from ..compat import clip_by_global_norm_

VOCAB, MAXLEN, DIM, HEADS, FEED_FORWARD = 23, 8, 12, 3, 20


class Block(nn.Module):
    def __init__(self, rate=0.1):
        super().__init__()
        self.attention = nn.MultiheadAttention(DIM, HEADS, dropout=rate, batch_first=True)
        self.ffn1 = nn.Linear(DIM, FEED_FORWARD)
        self.ffn2 = nn.Linear(FEED_FORWARD, DIM)
        self.norm1 = nn.LayerNorm(DIM, eps=1e-6)
        self.norm2 = nn.LayerNorm(DIM, eps=1e-6)
        self.dropout1 = nn.Dropout(rate)
        self.dropout2 = nn.Dropout(rate)

    def forward(self, x, mask):
        attended, _ = self.attention(x, x, x, attn_mask=mask, need_weights=False)
        x = self.norm1(x + self.dropout1(attended))
        return self.norm2(x + self.dropout2(self.ffn2(F.relu(self.ffn1(x)))))


class MiniGPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCAB, DIM)
        self.positions = nn.Embedding(MAXLEN, DIM)
        self.blocks = nn.ModuleList([Block(), Block()])
        mask = torch.triu(torch.ones(MAXLEN, MAXLEN, dtype=torch.bool), diagonal=1)
        self.register_buffer("mask", mask, persistent=False)
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.normal_(self.tokens.weight, std=0.05)
        nn.init.uniform_(self.positions.weight, -0.05, 0.05)
        for block in self.blocks:
            # Keras draws query, key and value by themselves.
            for kernel in block.attention.in_proj_weight.chunk(3):
                nn.init.xavier_uniform_(kernel)
            nn.init.zeros_(block.attention.in_proj_bias)
            for layer in (block.attention.out_proj, block.ffn1, block.ffn2):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, tokens):
        length = tokens.shape[1]
        x = self.tokens(tokens) + self.positions.weight[:length]
        for block in self.blocks:
            x = block(x, self.mask[:length, :length])
        return x @ self.tokens.weight.T


def build():
    net = MiniGPT()
    return Port(
        net,
        loss=lambda logits, targets: F.cross_entropy(logits.transpose(1, 2), targets.long()),
        optimizer=optim.Adam(net.parameters(), learning_rate=2e-3),
        before_step=lambda net: clip_by_global_norm_(list(net.parameters()), 1.0),
    )
