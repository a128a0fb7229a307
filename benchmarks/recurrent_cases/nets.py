"""The networks of the ports; an argument chooses what a wrong port has instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import layers as kl


def last(output: Any) -> torch.Tensor:
    """Returns the output of a module, or the first of several."""
    first: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return first


class Plain(nn.Module):
    """A recurrent layer of this package and a dense one."""

    def __init__(self, memory: nn.Module, units: int = 5) -> None:
        super().__init__()
        self.memory = memory
        self.targets = nn.Linear(units, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        return self.targets(self.memory(x))


class Pooled(Plain):
    """The same with the greatest values over the steps."""

    def __init__(self, memory: nn.Module) -> None:
        super().__init__(memory, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        return self.targets(self.memory(x).amax(1))


class Dropped(nn.Module):
    """`drop` (x, training) before an LSTM."""

    def __init__(self, drop: Callable[[torch.Tensor, bool], torch.Tensor]) -> None:
        super().__init__()
        self.drop = drop
        self.memory = nn.LSTM(3, 5, batch_first=True)
        self.targets = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        _, (h, _) = self.memory(self.drop(x, self.training))
        return self.targets(h[-1])


class DroppedGRU(nn.Module):
    """`drop` (x, training) between a dense layer and a GRU."""

    def __init__(self, drop: Callable[[torch.Tensor, bool], torch.Tensor]) -> None:
        super().__init__()
        self.drop = drop
        self.features = nn.Linear(3, 4)
        self.memory = nn.GRU(4, 5, batch_first=True)
        self.targets = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        x = torch.tanh(self.features(x))
        y, _ = self.memory(self.drop(x, self.training))
        return self.targets(y.mean(1))


class GatedLSTM(nn.Module):
    """An LSTM by hand, which drops inputs and states of each gate by masks of their own.

    Args:
        rate: of the inputs.
        recurrent_rate: of the states.
        shared: whether all gates have the same masks.
        every_step: whether the masks of states are drawn anew in each step.
        order: of the gates in the weights.
    """

    def __init__(
        self,
        rate: float = 0.0,
        recurrent_rate: float = 0.0,
        *,
        shared: bool = False,
        every_step: bool = False,
        order: str = "ifgo",
    ) -> None:
        super().__init__()
        self.rate, self.recurrent_rate = rate, recurrent_rate
        self.shared, self.every_step, self.order = shared, every_step, order
        self.memory = nn.LSTMCell(3, 5)
        self.targets = nn.Linear(5, 2)

    def _masks(self, like: torch.Tensor, rate: float) -> list[torch.Tensor]:
        ones = torch.ones_like(like)
        if self.shared:
            return [F.dropout(ones, rate, self.training)] * 4
        return [F.dropout(ones, rate, self.training) for _ in range(4)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        h = c = x.new_zeros(len(x), 5)
        inputs, states = self._masks(x[:, 0], self.rate), self._masks(h, self.recurrent_rate)
        cell = self.memory
        kernels = zip(cell.weight_ih.chunk(4), cell.weight_hh.chunk(4), strict=True)
        bias = (cell.bias_ih + cell.bias_hh).chunk(4)
        parts = [(*pair, bias[number]) for number, pair in enumerate(kernels)]
        for step in x.unbind(1):
            if self.every_step:
                states = self._masks(h, self.recurrent_rate)
            gates = [
                (step * inputs[n]) @ w.T + (h * states[n]) @ u.T + b
                for n, (w, u, b) in enumerate(parts)
            ]
            named = dict(zip(self.order, gates, strict=True))
            c = torch.sigmoid(named["f"]) * c + torch.sigmoid(named["i"]) * torch.tanh(named["g"])
            h = torch.sigmoid(named["o"]) * torch.tanh(c)
        return self.targets(h)


class LoopedRNN(nn.Module):
    """A loop over a cell; `drop` says when its state is dropped: "once", "every step", "never"."""

    def __init__(self, drop: str) -> None:
        super().__init__()
        self.drop = drop
        self.memory = nn.RNNCell(3, 5)
        self.targets = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        h = x.new_zeros(len(x), 5)
        mask = F.dropout(torch.ones_like(h), 0.3, self.training) if self.drop == "once" else 1.0
        for step in x.unbind(1):
            if self.drop == "every step":
                mask = F.dropout(torch.ones_like(h), 0.3, self.training)
            h = self.memory(step, h * mask)
        return self.targets(h)


class EncoderDecoder(nn.Module):
    """`passed` says what the decoder begins with: "both", "nothing", "h twice"."""

    def __init__(self, passed: str = "both") -> None:
        super().__init__()
        self.passed = passed
        self.encoder = nn.LSTM(3, 5, batch_first=True)
        self.decoder = nn.LSTM(2, 5, batch_first=True)
        self.targets = nn.Linear(5, 2)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        _, (h, c) = self.encoder(source)
        begun = {"both": (h, c), "nothing": None, "h twice": (h, h)}[self.passed]
        y, _ = self.decoder(target, begun)
        return self.targets(y)


class CellEncoderDecoder(nn.Module):
    """The same in loops over cells."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTMCell(3, 5)
        self.decoder = nn.LSTMCell(2, 5)
        self.targets = nn.Linear(5, 2)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        state = None
        for t in range(source.size(1)):
            state = self.encoder(source[:, t], state)
        outputs = []
        for t in range(target.size(1)):
            state = self.decoder(target[:, t], state)
            outputs.append(self.targets(state[0]))
        return torch.stack(outputs, 1)


class GRUEncoderDecoder(nn.Module):
    """`order` of the two states in the first state of the decoder."""

    def __init__(self, order: tuple[int, int] = (0, 1)) -> None:
        super().__init__()
        self.order = order
        self.encoder = nn.GRU(3, 3, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(2, 6, batch_first=True)
        self.targets = nn.Linear(6, 2)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        _, h = self.encoder(source)
        state = torch.cat([h[number] for number in self.order], dim=1)
        y, _ = self.decoder(target, state[None])
        return self.targets(y)


class StateUsed(nn.Module):
    """`taken` is "c", or "h" in the place of c."""

    def __init__(self, taken: str = "c") -> None:
        super().__init__()
        self.taken = taken
        self.memory = nn.LSTM(3, 5, batch_first=True)
        self.targets = nn.Linear(10, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        _, (h, c) = self.memory(x)
        return self.targets(torch.cat([h[0], (c if self.taken == "c" else h)[0]], dim=1))


class Backwards(nn.Module):
    """`flips` are made before the first layer and behind it."""

    def __init__(self, flips: tuple[bool, bool] = (True, False)) -> None:
        super().__init__()
        self.flips = flips
        self.memory = nn.GRU(3, 5, batch_first=True)
        self.upper = nn.LSTM(5, 4, batch_first=True)
        self.targets = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        y, _ = self.memory(x.flip(1) if self.flips[0] else x)
        _, (h, _) = self.upper(y.flip(1) if self.flips[1] else y)
        return self.targets(h[-1])


class BothSummed(nn.Module):
    """`merge` is that of the two halves."""

    def __init__(self, merge: Callable[..., torch.Tensor] = torch.add) -> None:
        super().__init__()
        self.merge = merge
        self.memory = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        self.targets = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        y, _ = self.memory(x)
        there, back = y.chunk(2, dim=2)
        return self.targets(self.merge(there, back).amax(1))


class TwoLayers(nn.Module):
    """An LSTM and a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 5, batch_first=True)
        self.gru = nn.GRU(5, 4, batch_first=True)
        self.targets = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        y, _ = self.lstm(x)
        _, h = self.gru(y)
        return self.targets(h[0])


class CellLoop(nn.Module):
    """`kept` says which state is an output: 0 for h, 1 for c."""

    def __init__(self, kept: int = 0) -> None:
        super().__init__()
        self.kept = kept
        self.memory = nn.LSTMCell(3, 5)
        self.targets = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        state, found = (x.new_zeros(len(x), 5), x.new_zeros(len(x), 5)), []
        for step in x.unbind(1):
            state = self.memory(step, state)
            found.append(state[self.kept])
        return self.targets(torch.stack(found, dim=1))


class ConvCell(nn.Module):
    """One step of a convolutional LSTM, with one convolution for all gates."""

    def __init__(self, channels: int, filters: int, order: str = "ifgo", gate: Any = None) -> None:
        super().__init__()
        self.filters, self.order, self.gate = filters, order, gate or torch.sigmoid
        self.conv = nn.Conv2d(channels + filters, 4 * filters, 3, padding=1)

    def begin_as_keras(self) -> None:
        """Draws the two kernels each by its own rule, and begins with an open forget gate."""
        filters, window = self.filters, self.conv.kernel_size
        channels = self.conv.in_channels - filters
        self.conv.weight.data[:, :channels] = nn.init.xavier_uniform_(
            torch.empty(4 * filters, channels, *window)
        )
        nn.init.orthogonal_(recurrent := torch.empty(4 * filters, filters, *window))
        self.conv.weight.data[:, channels:] = recurrent
        forget = self.order.index("f")
        self.conv.bias.data[forget * filters : (forget + 1) * filters] = 1

    def forward(self, x: torch.Tensor, state: Any) -> Any:
        """Returns what the network gives."""
        h, c = state
        gates = self.conv(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        named = dict(zip(self.order, gates, strict=True))
        c = self.gate(named["f"]) * c + self.gate(named["i"]) * torch.tanh(named["g"])
        return self.gate(named["o"]) * torch.tanh(c), c


def walked(cell: nn.Module, x: torch.Tensor, filters: int) -> torch.Tensor:
    """Returns the outputs of all steps of (N, T, C, H, W)."""
    zeros = x.new_zeros(len(x), filters, *x.shape[3:])
    state, found = (zeros, zeros), []
    for t in range(x.size(1)):
        state = cell(x[:, t], state)
        found.append(state[0])
    return torch.stack(found, dim=1)


class Images(nn.Module):
    """Two convolutional LSTMs by hand; (N, T, H, W, C) comes in."""

    channels_last = True

    def __init__(self, order: str = "ifgo", gate: Any = F.hardsigmoid) -> None:
        super().__init__()
        self.lower = ConvCell(2, 3, order)
        self.upper = ConvCell(3, 2, order, gate)
        self.targets = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        y = walked(self.lower, x.permute(0, 1, 4, 2, 3), 3)
        y = walked(self.upper, y, 2)[:, -1]
        return self.targets(y.mean((2, 3)))


class LibraryImages(nn.Module):
    """The same with the layers of torch_impl."""

    channels_last = True

    def __init__(self) -> None:
        super().__init__()
        self.lower = kl.ConvLSTM2D(2, 3, 3, padding="same", return_sequences=True)
        self.upper = kl.ConvLSTM2D(3, 2, 3, padding="same", recurrent_activation="hard_sigmoid")
        self.targets = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        return self.targets(self.upper(self.lower(x.permute(0, 1, 4, 2, 3))).mean((2, 3)))


class TwoConvolutions(nn.Module):
    """One step with a convolution of the input and one of the state."""

    def __init__(self, channels: int, filters: int, gate: Any, padding: int = 1) -> None:
        super().__init__()
        self.of_input = nn.Conv2d(channels, 4 * filters, 3, padding=1)
        self.of_state = nn.Conv2d(filters, 4 * filters, 3, padding=1, bias=False)
        self.gate, self.filters = gate, filters

    def begin_as_keras(self) -> None:
        """As in `ConvCell`."""
        nn.init.orthogonal_(self.of_state.weight)
        self.of_input.bias.data[self.filters : 2 * self.filters] = 1

    def forward(self, x: torch.Tensor, state: Any) -> Any:
        """Returns what the network gives."""
        h, c = state
        i, f, g, o = (self.of_input(x) + self.of_state(h)).chunk(4, dim=1)
        c = self.gate(f) * c + self.gate(i) * torch.tanh(g)
        return self.gate(o) * torch.tanh(c), c


class TwoConvolutionImages(Images):
    """Two convolutional LSTMs with two convolutions each."""

    def __init__(self) -> None:
        super().__init__()
        self.lower = TwoConvolutions(2, 3, torch.sigmoid)
        self.upper = TwoConvolutions(3, 2, F.hardsigmoid)


class ValidImages(nn.Module):
    """A convolutional LSTM of torch_impl, without padding."""

    channels_last = True

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.memory = kl.ConvLSTM2D(2, 3, (3, 2), strides=2, dropout=0.3, **options)
        self.targets = nn.Linear(27, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        y = self.memory(x.permute(0, 1, 4, 2, 3))
        return self.targets(y.permute(0, 2, 3, 1).flatten(1))


class Stateful(nn.Module):
    """States in an attribute; `forgets` says whether each batch begins with zeros."""

    def __init__(self, *, forgets: bool = False) -> None:
        super().__init__()
        self.forgets = forgets
        self.memory = nn.LSTM(3, 5, batch_first=True)
        self.targets = nn.Linear(5, 2)
        self.state: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        y, (h, c) = self.memory(x, self.state)
        if not self.forgets:
            self.state = (h.detach(), c.detach())
        return self.targets(y[:, -1])


class OneCellByHand(GatedLSTM):
    """`GatedLSTM` without masks that gives all steps; `order` of its gates."""

    def __init__(self, order: str = "ifgo") -> None:
        super().__init__(order=order)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        h = c = x.new_zeros(len(x), 5)
        cell, found = self.memory, []
        for step in x.unbind(1):
            product = F.linear(step, cell.weight_ih, cell.bias_ih)
            gates = (product + F.linear(h, cell.weight_hh, cell.bias_hh)).chunk(4, dim=1)
            named = dict(zip(self.order, gates, strict=True))
            c = torch.sigmoid(named["f"]) * c + torch.sigmoid(named["i"]) * torch.tanh(named["g"])
            h = torch.sigmoid(named["o"]) * torch.tanh(c)
            found.append(h)
        return self.targets(torch.stack(found, dim=1))


class StockGRU(nn.Module):
    """`nn.GRU`, which knows one version of the paper."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.GRU(3, 5, batch_first=True)
        self.targets = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        return self.targets(self.memory(x)[0])


class CroppedImages(ValidImages):
    """Padding 'same' in the place of 'valid', cut to the size of 'valid'."""

    def __init__(self) -> None:
        super().__init__(padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the network gives."""
        y = self.memory(x.permute(0, 1, 4, 2, 3))[:, :, :3, :3]
        return self.targets(y.permute(0, 2, 3, 1).flatten(1))
