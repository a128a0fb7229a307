"""Right ports of the models of `keras_branches`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import NUM_CLASSES, keras_init, trained
from torch_impl import Port, layers, optim
from torch_impl.layouts import joined_parameters


class _Residual(nn.Module):
    """Calls and adds the branches in another order than Keras."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), layers.BatchNormalization(6))
        self.short = nn.Conv2d(4, 6, 1)
        self.head = nn.Linear(6, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(self.body(x) + self.short(x))
        return self.head(x.mean((2, 3)))


class _Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Conv2d(3, 4, 1)
        self.a = nn.Conv2d(3, 3, 3, padding=1)
        self.gate = nn.Conv2d(7, 7, 1)
        self.head = nn.Linear(7, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b = torch.tanh(self.b(x))
        a = torch.relu(self.a(x))
        x = torch.cat([a, b], dim=1)
        x = torch.sigmoid(self.gate(x)) * x
        return self.head(x.mean((2, 3)))


class _Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(7, 7)
        self.head = nn.Linear(7, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            x = torch.tanh(self.layer(x))
        return self.head(x)


class _Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.head = nn.Linear(6, NUM_CLASSES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(tokens).mean(dim=1))


class _EmbeddedConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.conv = nn.Conv1d(6, 4, 3)
        self.head = nn.Linear(4, NUM_CLASSES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        return self.head(torch.relu(self.conv(x)).mean(-1))


class _Recurrent(nn.Module):
    """Returns the last state, as Keras's recurrent layers do."""

    def __init__(self, name: str, cell: nn.Module, num_features: int) -> None:
        super().__init__()
        self.add_module(name, cell)
        self.cell_name = name
        self.head = nn.Linear(num_features, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output = self.get_submodule(self.cell_name)(x)
        if isinstance(output, tuple):  # torch returns all states, and the last one
            output = output[0][:, -1]
        return self.head(output)


def _keras_cell(cell: nn.Module, forget: bool = False) -> nn.Module:
    """Glorot's kernel, an orthogonal recurrent kernel, biases of 0, or 1 for the forget gate."""
    for name, weight in cell.named_parameters():
        if "weight_ih" in name:
            nn.init.xavier_uniform_(weight)
        elif "weight_hh" in name:
            nn.init.orthogonal_(weight)
        else:
            nn.init.zeros_(weight)
            if forget and "bias_ih" in name:
                units = len(weight) // 4
                nn.init.ones_(weight[units : 2 * units])
    return cell


def lstm_torch() -> Port:
    """Torch's own LSTM: right except for its second bias."""
    cell = _keras_cell(nn.LSTM(4, 5, batch_first=True), forget=True)
    return trained(_Recurrent("lstm", cell, 5))


def lstm_one_bias() -> Port:
    """Torch's own LSTM with its second bias frozen."""
    cell = _keras_cell(nn.LSTM(4, 5, batch_first=True), forget=True)
    cell.bias_hh_l0.requires_grad_(False)
    return trained(_Recurrent("lstm", cell, 5))


class _Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        first = layers.LSTM(4, 5, return_sequences=True)
        self.first = _keras_cell(first, forget=True)
        self.second = _keras_cell(layers.LSTM(5, 3), forget=True)
        self.head = nn.Linear(3, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(x)))


def bidirectional() -> Port:
    """Uses the layer of this project."""
    cell = layers.Bidirectional(layers.LSTM(4, 3), layers.LSTM(4, 3, go_backwards=True))
    for child in cell.children():
        _keras_cell(child, forget=True)
    return trained(_Recurrent("both", cell, 6))


class Frames(nn.Module):
    """Two normalisations for each frame, or, joined, for all of them as one batch."""

    def __init__(self, *, joined: bool = False) -> None:
        super().__init__()
        self.joined = joined
        self.dense, self.norm = nn.Linear(4, 6), layers.BatchNormalization(6)
        self.dense2, self.norm2 = nn.Linear(6, 4), layers.BatchNormalization(4)
        self.head = nn.Linear(4, NUM_CLASSES)

    def _frame(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm2(self.dense2(F.relu(self.norm(self.dense(x)))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the logits."""
        if self.joined:
            y = self._frame(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        else:
            y = torch.stack([self._frame(each) for each in x.unbind(1)], 1)
        return self.head(y.mean(1))


def gru_clipped(*, joins: bool = True) -> Port:
    """Clips the two biases of torch's GRU as one, as Keras does, or each by itself."""
    module = keras_init(_Recurrent("gru", _keras_cell(nn.GRU(4, 5, batch_first=True)), 5))
    optimizer = optim.SGD(module.parameters(), learning_rate=0.05, clipnorm=0.3)
    if joins:
        optimizer.join_norms(joined_parameters(module))
    return Port(module, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


globals().update(
    frames=lambda: trained(Frames()),
    residual=lambda: trained(_Residual()),  # A user's module.
    branches=lambda: trained(_Branches()),  # The second branch first.
    shared=lambda: trained(_Shared()),  # One module that is called twice.
    embedding=lambda: trained(_Embedded()),
    # Torch's own, channels first for the convolution.
    embedding_conv=lambda: trained(_EmbeddedConv()),
    lstm=lambda: trained(_Recurrent("lstm", _keras_cell(layers.LSTM(4, 5), forget=True), 5)),
    gru=lambda: trained(_Recurrent("gru", _keras_cell(layers.GRU(4, 5)), 5)),
    # Torch's own, which equals Keras's with `reset_after`.
    gru_torch=lambda: trained(_Recurrent("gru", _keras_cell(nn.GRU(4, 5, batch_first=True)), 5)),
    gru_before=lambda: trained(
        _Recurrent("gru", _keras_cell(layers.GRU(4, 5, reset_after=False)), 5)
    ),
    simple_rnn=lambda: trained(_Recurrent("rnn", _keras_cell(layers.SimpleRNN(4, 5)), 5)),
    lstm_sequence=lambda: trained(_Two()),  # Two of them.
)
