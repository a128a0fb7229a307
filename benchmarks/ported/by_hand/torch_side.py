"""The networks of `keras_side` in plain torch, as a person wrote them.

Weights need not be interchangeable, and what torch lacks of Keras's training is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence


class LSTMClassifier(nn.Module):
    """Binary sequence classifier with a two-layer LSTM."""

    def __init__(
        self,
        vocab_size: int = 20000,
        embedding_dim: int = 128,
        hidden_size: int = 64,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        # Drops whole embedding channels, i.e. the same mask at every time step.
        self.input_dropout = nn.Dropout1d(0.2)
        self.lstm = nn.LSTM(embedding_dim, hidden_size, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(hidden_size, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Takes (N, T) tokens."""
        x = self.embedding(tokens)  # (N, T, E)
        x = self.input_dropout(x.transpose(1, 2)).transpose(1, 2)
        _, (h_n, _) = self.lstm(x)
        x = self.dropout(h_n[-1])  # (N, H)
        return torch.sigmoid(self.classifier(x))  # (N, 1)


class MaskedBiLSTMClassifier(nn.Module):
    """Sequence classifier with two bidirectional LSTMs that skip zero tokens."""

    def __init__(
        self,
        vocab_size: int = 20000,
        embedding_dim: int = 128,
        encoder_size: int = 64,
        summary_size: int = 32,
        hidden_size: int = 64,
        num_classes: int = 5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=0)
        self.encoder = nn.LSTM(embedding_dim, encoder_size, batch_first=True, bidirectional=True)
        self.summary = nn.LSTM(2 * encoder_size, summary_size, batch_first=True, bidirectional=True)
        self.hidden = nn.Linear(2 * summary_size, hidden_size)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(hidden_size, num_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Takes (N, T) tokens."""
        # Move the zero tokens to the end, wherever they are, so they can be packed.
        mask = tokens != 0  # (N, T)
        order = mask.int().argsort(dim=1, descending=True, stable=True)
        lengths = mask.sum(dim=1)
        x = self.embedding(tokens.gather(1, order))  # (N, T, E)

        # Packing needs lengths >= 1; rows without any token get a zero summary below.
        packed = pack_padded_sequence(
            x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        packed, _ = self.encoder(packed)
        _, (h_n, _) = self.summary(packed)
        x = torch.cat([h_n[0], h_n[1]], dim=1)  # (N, 2 * summary_size)
        x = x * (lengths > 0).unsqueeze(1)

        x = self.dropout(torch.relu(self.hidden(x)))
        return torch.softmax(self.classifier(x), dim=1)  # (N, num_classes)


class BiLSTMClassifier(nn.Module):
    """Binary sequence classifier with a two-layer bidirectional LSTM."""

    def __init__(
        self,
        vocab_size: int = 20000,
        embedding_dim: int = 128,
        hidden_size: int = 64,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.lstm = nn.LSTM(
            embedding_dim,
            hidden_size,
            num_layers=2,
            batch_first=True,
            bidirectional=True,
        )
        self.classifier = nn.Linear(2 * hidden_size, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Takes (N, T) tokens."""
        x = self.embedding(tokens)  # (N, T, E)
        _, (h_n, _) = self.lstm(x)
        # Last layer's final forward and backward states.
        x = torch.cat([h_n[-2], h_n[-1]], dim=1)  # (N, 2 * H)
        return torch.sigmoid(self.classifier(x))  # (N, 1)


class SelfAttention(nn.Module):
    """Multi-head self-attention whose head size is independent of the model width."""

    def __init__(self, dim: int, num_heads: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * num_heads * head_dim)
        self.out = nn.Linear(num_heads * head_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Takes (N, L, dim); returns the same."""
        # (N, L, 3 * H * D) -> three tensors of (N, H, L, D)
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        dropout_p = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout_p)
        return self.out(x.transpose(1, 2).flatten(2))


class EncoderBlock(nn.Module):
    """Pre-norm transformer encoder block."""

    def __init__(
        self, dim: int, num_heads: int, head_dim: int, mlp_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attention = SelfAttention(dim, num_heads, head_dim, dropout)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, dim),
            nn.GELU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Takes (N, L, dim); returns the same."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Vision transformer image classifier with a flattened MLP head."""

    def __init__(
        self,
        image_size: int = 72,
        patch_size: int = 6,
        dim: int = 64,
        depth: int = 8,
        num_heads: int = 4,
        head_dim: int = 64,
        mlp_dim: int = 128,
        head_hidden_dim: int = 256,
        num_classes: int = 100,
    ) -> None:
        super().__init__()
        num_patches = (image_size // patch_size) ** 2
        self.patches = nn.Conv2d(3, dim, patch_size, stride=patch_size)
        self.position_embedding = nn.Parameter(0.02 * torch.randn(num_patches, dim))
        self.blocks = nn.Sequential(
            *(EncoderBlock(dim, num_heads, head_dim, mlp_dim, dropout=0.1) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(num_patches * dim, head_hidden_dim),
            nn.GELU(),
            nn.Dropout(0.5),
            nn.Linear(head_hidden_dim, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Takes (N, 3, H, W); returns a score for each class."""
        x = self.patches(images).flatten(2).transpose(1, 2)  # (N, L, dim)
        x = self.blocks(x + self.position_embedding)
        return self.head(self.norm(x))  # (N, num_classes) logits
