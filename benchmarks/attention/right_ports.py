"""Right ports of the models, in the ways in which people write attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, optim

STEPS, FEATURES, HEADS, SIZE = 5, 8, 2, 4


def port(net: nn.Module) -> Port:
    """Returns a port with Keras's initial distributions: each projection is Glorot-uniform."""
    for name, parameter in net.named_parameters():
        if parameter.ndim == 1:
            if "bias" in name:
                nn.init.zeros_(parameter)
        elif "in_proj" in name or "qkv" in name:
            for part in parameter.data.chunk(3):
                nn.init.xavier_uniform_(part)
        elif parameter.ndim == 2 and "bias" not in name:
            nn.init.xavier_uniform_(parameter)
        elif parameter.ndim == 3:  # (in, heads, size), or (heads, size, out)
            nn.init.xavier_uniform_(parameter.data.view(FEATURES, FEATURES))
        elif parameter.ndim == 4:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        feed=lambda *arrays: tuple(map(torch.from_numpy, arrays)),
    )


def split(x: torch.Tensor, heads: int = HEADS) -> torch.Tensor:
    """(N, T, heads * size) -> (N, heads, T, size)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def join(x: torch.Tensor) -> torch.Tensor:
    """(N, heads, T, size) -> (N, T, heads * size)."""
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


class ByHand(nn.Module):
    """Four linear layers, a softmax and a dropout; parts of it are what the faults change."""

    def __init__(self, rate: float = 0.0, features: int = FEATURES, inner: int = FEATURES) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(features, inner), nn.Linear(features, inner)
        self.v, self.out = nn.Linear(features, inner), nn.Linear(inner, features)
        self.drop = nn.Dropout(rate)

    def scale(self, scores: torch.Tensor, size: int) -> torch.Tensor:
        """Divides the scores."""
        return scores / math.sqrt(size)

    def mask(self, scores: torch.Tensor, shown: torch.Tensor | None) -> torch.Tensor:
        """Hides what may not be seen."""
        return scores if shown is None else scores.masked_fill(~shown, float("-inf"))

    def weights(self, scores: torch.Tensor) -> torch.Tensor:
        """Makes weights of scores."""
        return self.drop(scores.softmax(dim=-1))

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        scores = self.mask(self.scale(q @ k.transpose(-2, -1), q.shape[-1]), shown)
        y: torch.Tensor = self.out(join(self.weights(scores) @ v))
        return y


class Sdpa(ByHand):
    """The same with torch's function."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        rate = self.drop.p if self.training else 0.0
        y: torch.Tensor = self.out(
            join(F.scaled_dot_product_attention(q, k, v, shown, dropout_p=rate))
        )
        return y


class Module(nn.Module):
    """torch.nn.MultiheadAttention."""

    def __init__(self, rate: float = 0.0, batch_first: bool = True) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(FEATURES, HEADS, rate, batch_first=batch_first)

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        hidden = None if shown is None else ~shown
        if not self.mha.batch_first:
            x = x.transpose(0, 1)
        y: torch.Tensor = self.mha(x, x, x, attn_mask=hidden, need_weights=False)[0]
        return y if self.mha.batch_first else y.transpose(0, 1)


class Fused(nn.Module):
    """One projection for all three, as timm and others have it."""

    def __init__(self, rate: float = 0.0, layout: str = "blocks") -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(FEATURES, 3 * FEATURES), nn.Linear(FEATURES, FEATURES)
        self.attn_drop, self.layout = nn.Dropout(rate), layout

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        n, t, c = x.shape
        if self.layout == "blocks":
            y = self.qkv(x).reshape(n, t, 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
            q, k, v = y.unbind(0)
        elif self.layout == "heads":
            y = self.qkv(x).reshape(n, t, HEADS, 3 * SIZE).transpose(1, 2)
            q, k, v = y.chunk(3, dim=-1)
        else:
            k, v, q = (split(part) for part in self.qkv(x).split(c, dim=-1))
        attn = (q * SIZE**-0.5) @ k.transpose(-2, -1)
        if shown is not None:
            attn = attn.masked_fill(~shown, torch.finfo(attn.dtype).min)
        z: torch.Tensor = self.proj(join(self.attn_drop(attn.softmax(dim=-1)) @ v))
        return z


class Einsum(nn.Module):
    """Kernels of three axes, as in Keras."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        for name in ("q", "k", "v"):
            setattr(self, f"w{name}", nn.Parameter(torch.empty(FEATURES, HEADS, SIZE)))
            setattr(self, f"bias_{name}", nn.Parameter(torch.empty(HEADS, SIZE)))
        self.wo = nn.Parameter(torch.empty(HEADS, SIZE, FEATURES))
        self.bias_o = nn.Parameter(torch.empty(FEATURES))
        self.rate = rate

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = (
            torch.einsum("btc,chd->bthd", x, getattr(self, f"w{name}"))
            + getattr(self, f"bias_{name}")
            for name in ("q", "k", "v")
        )
        scores = torch.einsum("bthd,bshd->bhts", q, k) / SIZE**0.5
        if shown is not None:
            scores = torch.where(shown, scores, float("-inf"))
        weights = F.dropout(scores.softmax(-1), self.rate, self.training)
        heads = torch.einsum("bhts,bshd->bthd", weights, v)
        return torch.einsum("bthd,hdc->btc", heads, self.wo) + self.bias_o


class Encoder(nn.Module):
    """The block around an attention."""

    def __init__(self, attn: nn.Module) -> None:
        super().__init__()
        self.attn, self.norm1, self.norm2 = attn, nn.LayerNorm(FEATURES), nn.LayerNorm(FEATURES)
        self.linear1, self.linear2 = nn.Linear(FEATURES, 12), nn.Linear(12, FEATURES)
        self.head = nn.Linear(FEATURES, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        y = self.norm1(x + self.attn(x))
        z: torch.Tensor = self.norm2(y + self.linear2(F.relu(self.linear1(y))))
        return self.head(z.mean(1))


class Layer(nn.Module):
    """torch's own block."""

    def __init__(self, norm_first: bool = False) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(
            FEATURES, HEADS, 12, dropout=0.0, batch_first=True, norm_first=norm_first
        )
        self.block.self_attn.dropout = 0.3  # of the weights alone, as in Keras
        self.head = nn.Linear(FEATURES, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        return self.head(self.block(x).mean(1))


class Decoder(nn.Module):
    """Causal attention behind a normalisation."""

    def __init__(self, attn: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(FEATURES, eps=1e-6) if norm is None else norm
        self.attn, self.head = attn, nn.Linear(FEATURES, 3)

    def shown(self) -> torch.Tensor:
        """Returns where a step may look."""
        return torch.ones(STEPS, STEPS, dtype=torch.bool).tril()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        return self.head((x + self.attn(self.norm(x), self.shown())).mean(1))


class RmsByHand(nn.Module):
    """The root of the mean square, as language models write it."""

    def __init__(self, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(FEATURES)), eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class IsCausal(ByHand):
    """torch's function makes the mask."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        y: torch.Tensor = self.out(
            join(F.scaled_dot_product_attention(q, k, v, is_causal=shown is not None))
        )
        return y


class Cross(nn.Module):
    """torch's module with other features of key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(6, HEADS, kdim=5, vdim=5, batch_first=True)
        self.head = nn.Linear(6, 3)

    def attend(self, q: torch.Tensor, v: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, 6): torch's order is query, key, value."""
        y: torch.Tensor = self.mha(q, k, v)[0]
        return y

    def forward(self, q: torch.Tensor, v: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        return self.head((q + self.attend(q, v, k)).mean(1))


class CrossLinears(Cross):
    """The same by hand; the names tell nothing, and the value comes first."""

    def __init__(self) -> None:
        super().__init__()
        del self.mha
        self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(5, 6), nn.Linear(6, 6)
        self.d = nn.Linear(6, 6)

    def attend(self, q: torch.Tensor, v: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, 6)."""
        value, key, query = split(self.a(v)), split(self.b(k)), split(self.c(q))
        y: torch.Tensor = self.d(join(F.scaled_dot_product_attention(query, key, value)))
        return y


class Masked(nn.Module):
    """The least step of each sample is hidden."""

    def __init__(self, attn: nn.Module) -> None:
        super().__init__()
        self.attn, self.head = attn, nn.Linear(FEATURES, 3)

    def attend(self, x: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, features)."""
        y: torch.Tensor = self.attn(x, shown[:, None, None])
        return y

    def forward(self, x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        return self.head((x + self.attend(x, m > m.amin(-1, keepdim=True))).mean(1))


class MaskedModule(Masked):
    """torch's module hides keys by another argument."""

    def attend(self, x: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, features)."""
        y: torch.Tensor = self.attn(x, x, x, key_padding_mask=~shown)[0]
        return y


class Grouped(nn.Module):
    """Heads of key and value are repeated by hand, or by torch's function."""

    def __init__(self, by_hand: bool = True) -> None:
        super().__init__()
        self.q_proj, self.k_proj = nn.Linear(FEATURES, 12), nn.Linear(FEATURES, 6)
        self.v_proj, self.o_proj = nn.Linear(FEATURES, 6), nn.Linear(12, FEATURES)
        self.head, self.by_hand = nn.Linear(FEATURES, 3), by_hand

    def repeated(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 2, T, 3) -> (N, 4, T, 3): each twice."""
        return x.repeat_interleave(2, dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        q, k, v = split(self.q_proj(x), 4), split(self.k_proj(x)), split(self.v_proj(x))
        if self.by_hand:
            y = F.scaled_dot_product_attention(q, self.repeated(k), self.repeated(v))
        else:
            y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return self.head((x + self.o_proj(join(y))).mean(1))


class LayerScale(nn.Module):
    """As in timm."""

    def __init__(self, dim: int, init_values: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(init_values * torch.ones(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        return x * self.gamma


class Scaled(nn.Module):
    """A residual block with a scale."""

    def __init__(self, init_values: float = 0.1, is_scaled: bool = True) -> None:
        super().__init__()
        self.norm, self.ls = nn.LayerNorm(FEATURES, eps=1e-6), LayerScale(FEATURES, init_values)
        self.fc1, self.fc2 = nn.Linear(FEATURES, 16), nn.Linear(16, FEATURES)
        self.head, self.is_scaled = nn.Linear(FEATURES, 3), is_scaled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        y = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return self.head((x + (self.ls(y) if self.is_scaled else y)).mean(1))


class DropPath(nn.Module):
    """As in timm."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        if not self.training:
            return x
        keep = 1 - self.drop_prob
        mask = x.new_empty((x.shape[0], *[1] * (x.ndim - 1))).bernoulli_(keep)
        return x * mask.div_(keep)


class Dropped(nn.Module):
    """A residual branch that is dropped for whole samples."""

    def __init__(self, drop_prob: float = 0.4) -> None:
        super().__init__()
        self.fc1, self.ls = nn.Linear(FEATURES, FEATURES), LayerScale(FEATURES, 0.1)
        self.drop_path, self.head = DropPath(drop_prob), nn.Linear(FEATURES, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        return self.head((x + self.drop_path(self.ls(F.gelu(self.fc1(x))))).mean(1))


class Norms(nn.Module):
    """Normalisations of torch, with Keras's epsilons."""

    def __init__(
        self, groups: int = 2, eps: float = 1e-3, instance: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.groups, self.conv = nn.GroupNorm(groups, 4, eps=eps), nn.Conv2d(4, 4, 2)
        self.instance = instance or nn.InstanceNorm2d(4, eps=1e-3, affine=True)
        self.rms, self.head = nn.RMSNorm(4, eps=1e-6), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3); x has channels last."""
        # Torch 2.13 crashes in the gradient of a float64 GroupNorm whose channels lie last.
        y = F.relu(self.instance(self.conv(self.groups(x.movedim(-1, 1).contiguous()))))
        # Not over the channels of y: torch 2.13 has a wrong gradient of InstanceNorm2d for a batch
        # of one whose upstream gradient has its channels last in memory. The check finds it.
        return self.head(self.rms(y.mean((2, 3))))


RATE = 0.3
ENCODERS: dict[str, Callable[[], Any]] = {
    "encoder_by_hand": lambda: Encoder(ByHand(RATE)),
    "encoder_sdpa": lambda: Encoder(Sdpa(RATE)),
    "encoder_module": lambda: Encoder(Module(RATE)),
    "encoder_module_steps_first": lambda: Encoder(Module(RATE, batch_first=False)),
    "encoder_layer": Layer,
    "encoder_fused": lambda: Encoder(Fused(RATE)),
    "encoder_fused_heads": lambda: Encoder(Fused(RATE, "heads")),
    "encoder_fused_kvq": lambda: Encoder(Fused(RATE, "kvq")),
    "encoder_einsum": lambda: Encoder(Einsum(RATE)),
}
DECODERS: dict[str, Callable[[], Any]] = {
    "decoder_by_hand": lambda: Decoder(ByHand()),
    "decoder_is_causal": lambda: Decoder(IsCausal()),
    "decoder_module": lambda: Decoder(Module()),
    "decoder_fused": lambda: Decoder(Fused(layout="heads")),
    "decoder_rms_by_hand": lambda: Decoder(Sdpa(), RmsByHand()),
}
OTHERS: dict[str, Callable[[], Any]] = {
    "cross_module": Cross,
    "cross_linears": CrossLinears,
    "masked_sdpa": lambda: Masked(Sdpa()),
    "masked_module": lambda: MaskedModule(nn.MultiheadAttention(FEATURES, HEADS, batch_first=True)),
    "grouped_repeated": Grouped,
    "grouped_enable_gqa": lambda: Grouped(by_hand=False),
    "scaled_timm": Scaled,
    "dropped_timm": Dropped,
    "norms_stock": Norms,
}


def __getattr__(name: str) -> Any:
    """Returns the factory of a port by its name."""
    made = {**ENCODERS, **DECODERS, **OTHERS}
    if name not in made:
        raise AttributeError(name)
    return lambda: port(made[name]())
