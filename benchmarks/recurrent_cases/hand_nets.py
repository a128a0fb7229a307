"""Recurrent layers by hand, as people write them; an argument chooses what a wrong one has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Tensor = torch.Tensor


def drawn(features: int, units: int, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns what Keras draws by default: kernel, recurrent kernel and bias of all gates."""
    rows = number * units
    bias = torch.zeros(rows)
    if number == 4:
        bias[units : 2 * units] = 1
    kernel = nn.init.xavier_uniform_(torch.empty(features, rows))
    return kernel, nn.init.orthogonal_(torch.empty(units, rows)), bias


class Gates(nn.Module):
    """What input and state give of each gate, in Keras's order, without an activation.

    Args:
        features: of the input.
        units: of the state.
        number: of the gates.
        style: "linears", "gates" (a linear layer for each), "parameters" (as torch has them),
            "keras" (x @ kernel), "joined" (one linear layer of both).
        order: of the gates in the weights.
        has_second: whether the state has a bias of its own.
    """

    def __init__(
        self,
        features: int,
        units: int,
        number: int,
        style: str,
        order: Sequence[int],
        *,
        has_second: bool = False,
    ) -> None:
        super().__init__()
        self.style, self.order, self.number = style, list(order), number
        rows = number * units
        if style == "linears":
            self.of_x = nn.Linear(features, rows)
            self.of_h = nn.Linear(units, rows, bias=has_second)
        elif style == "gates":
            self.of_x = nn.ModuleList(nn.Linear(features, units) for _ in range(number))
            self.of_h = nn.ModuleList(nn.Linear(units, units, bias=has_second) for _ in order)
        elif style == "joined":
            self.of_both = nn.Linear(features + units, rows)
        else:
            is_keras = style == "keras"
            shapes = [(features, rows), (units, rows)]
            self.w, self.u = (
                nn.Parameter(torch.empty(shape if is_keras else shape[::-1])) for shape in shapes
            )
            self.b = nn.Parameter(torch.empty(rows))
            self.b2 = nn.Parameter(torch.empty(rows)) if has_second else None

    @torch.no_grad()
    def set_from(self, kernel: Tensor, recurrent: Tensor, bias: Tensor) -> None:
        """Takes weights that are as in Keras."""
        w, u, b = (
            torch.cat([v.chunk(self.number, -1)[n] for n in self.order], -1)
            for v in (kernel, recurrent, bias)
        )
        for parameter in self.parameters():
            parameter.zero_()
        if self.style == "gates":
            for pair, value in ((self.of_x, w), (self.of_h, u)):
                for layer, part in zip(pair, value.chunk(self.number, -1), strict=True):
                    layer.weight.copy_(part.T)
            for layer, part in zip(self.of_x, b.chunk(self.number), strict=True):
                layer.bias.copy_(part)
        elif self.style == "joined":
            self.of_both.weight.copy_(torch.cat([w, u]).T)
            self.of_both.bias.copy_(b)
        elif self.style == "linears":
            self.of_x.weight.copy_(w.T)
            self.of_h.weight.copy_(u.T)
            self.of_x.bias.copy_(b)
        else:
            is_keras = self.style == "keras"
            self.w.copy_(w if is_keras else w.T)
            self.u.copy_(u if is_keras else u.T)
            self.b.copy_(b)

    def forward(self, x: Tensor, h: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Returns the parts of the input, and those of the state."""
        if self.style == "linears":
            a, b = self.of_x(x), self.of_h(h)
        elif self.style == "gates":
            a, b = (
                torch.cat([each(v) for each in m], -1) for m, v in ((self.of_x, x), (self.of_h, h))
            )
        elif self.style == "joined":
            a = self.of_both(torch.cat([x, h], -1))
            b = torch.zeros_like(a)
        elif self.style == "keras":
            a, b = x @ self.w + self.b, h @ self.u + (0 if self.b2 is None else self.b2)
        else:
            a, b = F.linear(x, self.w, self.b), F.linear(h, self.u, self.b2)
        back = [self.order.index(n) for n in range(self.number)]
        halves = ([v.chunk(self.number, -1)[n] for n in back] for v in (a, b))
        return next(halves), next(halves)


class HandGRU(nn.Module):
    """A GRU; `fault` is what is wrong."""

    def __init__(
        self,
        features: int,
        units: int,
        style: str = "linears",
        order: Sequence[int] = (0, 1, 2),
        fault: str = "",
        *,
        after: bool = True,
    ) -> None:
        super().__init__()
        self.features, self.units, self.fault, self.after = features, units, fault, after
        if after:
            self.cell = Gates(features, units, 3, style, order, has_second=True)
        else:
            self.cell = Gates(features, units, 2, style, [0, 1])
            self.new = Gates(features, units, 1, style, [0])

    def begin_as_keras(self) -> None:
        """Draws what Keras draws."""
        parts = drawn(self.features, self.units, 3)
        if self.after:
            self.cell.set_from(*parts)
            return
        cut = 2 * self.units
        self.cell.set_from(*(part[..., :cut] for part in parts))
        self.new.set_from(*(part[..., cut:] for part in parts))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns all outputs, and the last one."""
        h, outs, fault = x.new_zeros(len(x), self.units), [], self.fault
        gate = F.hardsigmoid if fault == "hard gate" else torch.sigmoid
        for step in x.unbind(1):
            before = h
            if self.after:
                (az, ar, ag), (bz, br, bg) = self.cell(step, h)
            else:
                (az, ar), (bz, br) = self.cell(step, h)
            z, r = gate(az + bz), gate(ar + br)
            if fault == "no reset":
                r = torch.ones_like(r)
            if not self.after:
                (ag,), (part,) = self.new(step, r * h)
            elif fault == "reset before":
                _, (_, _, part) = self.cell(step, r * h)
            elif fault == "input reset":
                ag, part = r * ag, r * bg
            else:
                part = r * bg
            g = (torch.sigmoid if fault == "sigmoid" else torch.tanh)(ag + part)
            if fault == "z exchanged":
                h = (1 - z) * h + z * g
            elif fault == "no 1 - z":
                h = z * h + g
            else:
                h = z * h + (1 - z) * g
            outs.append(before if fault == "late" else h)
        return torch.stack(outs, 1), h


class HandLSTM(nn.Module):
    """An LSTM; `fault` is what is wrong."""

    def __init__(
        self,
        features: int,
        units: int,
        style: str = "linears",
        order: Sequence[int] = (0, 1, 2, 3),
        fault: str = "",
    ) -> None:
        super().__init__()
        self.features, self.units, self.fault = features, units, fault
        self.cell = Gates(features, units, 4, style, order)

    def begin_as_keras(self) -> None:
        """Draws what Keras draws."""
        self.cell.set_from(*drawn(self.features, self.units, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Returns all outputs, and the last states."""
        h = c = x.new_zeros(len(x), self.units)
        outs, fault = [], self.fault
        for step in x.unbind(1):
            parts = self.cell(step, torch.zeros_like(h) if fault == "gates of input" else h)
            i, f, g, o = (a + b for a, b in zip(*parts, strict=True))
            old = c
            forget = torch.sigmoid(f + (1 if fault == "forget + 1" else 0))
            enter, new = torch.sigmoid(i), g if fault == "plain g" else torch.tanh(g)
            c = (1 if fault == "no forget" else forget) * c
            c = c + ((1 - forget) if fault == "coupled" else enter) * new
            seen = old if fault == "c before" else c
            if fault == "o inside":
                h = torch.tanh(torch.sigmoid(o) * c)
            else:
                h = torch.sigmoid(o) * (seen if fault == "plain c" else torch.tanh(seen))
            outs.append(h)
        return torch.stack(outs, 1), (h, c)


class HandRNN(nn.Module):
    """A simple recurrent layer; `fault` is what is wrong."""

    def __init__(
        self, features: int, units: int, style: str = "linears", fault: str = "", **_: Any
    ) -> None:
        super().__init__()
        self.features, self.units, self.fault = features, units, fault
        self.cell = Gates(features, units, 1, style, [0])

    def begin_as_keras(self) -> None:
        """Draws what Keras draws."""
        self.cell.set_from(*drawn(self.features, self.units, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns all outputs, and the last one."""
        h, outs, fault = x.new_zeros(len(x), self.units), [], self.fault
        for step in x.unbind(1):
            before = h
            (a,), (b,) = self.cell(step, torch.zeros_like(h) if fault == "no state" else h)
            if fault == "partly":
                h = torch.tanh(a) + b
            else:
                h = (torch.relu if fault == "relu" else torch.tanh)(a + b)
            if fault == "residual":
                h = h + before
            outs.append(before if fault == "late" else h)
        return torch.stack(outs, 1), h


class Stacked(nn.Module):
    """Two layers, and a dense one of the last state."""

    def __init__(self, lower: nn.Module, upper: nn.Module) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper
        self.targets = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Returns what the network gives."""
        _, state = self.upper(self.lower(x)[0])
        return self.targets(state[0] if isinstance(state, tuple) else state)


class Inline(nn.Module):
    """Two GRUs or LSTMs of which only the lower one is a module; the loop of the upper is here."""

    def __init__(self, lower: nn.Module, number: int, fault: str = "") -> None:
        super().__init__()
        self.lower, self.number, self.fault = lower, number, fault
        self.of_x, self.of_h = nn.Linear(5, 4 * number), nn.Linear(4, 4 * number, bias=False)
        self.targets = nn.Linear(4, 2)

    @torch.no_grad()
    def begin_as_keras(self) -> None:
        """Draws what Keras draws by default."""
        _, recurrent, bias = drawn(5, 4, self.number)
        self.of_h.weight.copy_(recurrent.T)
        self.of_x.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Returns what the network gives."""
        x = self.lower(x)[0]
        h = c = x.new_zeros(len(x), 4)
        for step in x.unbind(1):
            a, b = self.of_x(step), self.of_h(h)
            if self.number == 4:
                i, f, g, o = (a + b).chunk(4, -1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * (c if self.fault == "plain c" else torch.tanh(c))
            else:
                h = (torch.relu if self.fault == "relu" else torch.tanh)(a + b)
        return self.targets(h)
