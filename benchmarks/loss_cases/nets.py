"""The modules of the ports."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

Tensor = torch.Tensor


def drawn(net: nn.Module) -> nn.Module:
    """Draws the weights as Keras does."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


class Heads(nn.Module):
    """Three outputs, as a mapping in the order of `names`, whose values are those of `order`."""

    names = ("kind", "place", "seen")

    def __init__(self, order: tuple[str, ...] = names, *, detached: str = "") -> None:
        super().__init__()
        self.body, self.drop = nn.Linear(5, 7), nn.Dropout(0.3)
        self.kind = nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 4))
        self.place, self.seen = nn.Linear(7, 4), nn.Linear(7, 1)
        self.order, self.detached = order, detached

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Returns the outputs by name."""
        h = self.drop(torch.tanh(self.body(x)))
        made = {
            name: getattr(self, name)(h.detach() if name == self.detached else h)
            for name in self.names
        }
        return {name: made[other] for name, other in zip(self.names, self.order, strict=True)}


class InTuple(Heads):
    """The same in a tuple."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Returns them in order."""
        return tuple(super().forward(x).values())


class Nested(nn.Module):
    """Outputs in outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.size = nn.Linear(5, 7), nn.Linear(7, 2)
        self.place, self.score = nn.Linear(7, 3), nn.Linear(7, 1)

    def forward(self, x: Tensor) -> dict[str, object]:
        """Returns a mapping in a mapping."""
        h = torch.tanh(self.body(x))
        return {"box": {"size": self.size(h), "place": self.place(h)}, "score": self.score(h)}


class Weighted(nn.Module):
    """A sequence and one number of it."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.steps, self.whole = nn.Linear(3, 5), nn.Linear(5, 4), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Returns logits of the steps, and a probability."""
        h = torch.tanh(self.body(x))
        return {"steps": self.steps(h), "whole": torch.sigmoid(self.whole(h.mean(1)))}


class Autoencoder(nn.Module):
    """Keeps the divergence of its last pass, as a mean or a sum over the samples."""

    def __init__(self, *, is_sum: bool = False) -> None:
        super().__init__()
        self.encode, self.code, self.decode = nn.Linear(5, 8), nn.Linear(8, 6), nn.Linear(3, 5)
        self.drop, self.is_sum = nn.Dropout(0.4), is_sum
        self.divergence = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Returns the decoded input."""
        mean, log = self.code(self.drop(torch.tanh(self.encode(x)))).chunk(2, 1)
        each = -0.5 * (1 + log - mean**2 - log.exp()).sum(1)
        self.divergence = 0.3 * (each.sum() if self.is_sum else each.mean())
        return self.decode(mean)


class Returning(Autoencoder):
    """Returns the divergence beside its output."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Returns both."""
        made = super().forward(x)
        return made, self.divergence


class Letters(nn.Module):
    """Logits of the letters of a sequence, (N, T, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.letters = nn.Linear(3, 6), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits."""
        return self.letters(torch.tanh(self.body(x)))


class Cells(nn.Module):
    """A detector, (N, H, W, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Conv2d(2, 8, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Returns channels last, as the loss takes them."""
        return self.cells(F.pad(x, (0, 1, 0, 1))).movedim(1, -1)


class Both(nn.Module):
    """Classes and values, in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.kind, self.place = nn.Linear(5, 7), nn.Linear(7, 4), nn.Linear(7, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits and values."""
        h = torch.tanh(self.body(x))
        return self.kind(h), self.place(h)
