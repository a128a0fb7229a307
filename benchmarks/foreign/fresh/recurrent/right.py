"""Right ports of the models with recurrent layers, in differing styles."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..initial import begin


def port(net, **parts):
    parts = {"feed": torch.from_numpy, **parts}
    return Port(
        net,
        nn.MSELoss(),
        torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.05),
        **parts,
    )


class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 5, num_layers=2, batch_first=True)
        self.head = nn.Linear(5, 2)
        begin(self)

    def forward(self, x):
        out, _ = self.rnn(x)
        return self.head(out[:, -1])


def stacked_two_layers():
    return port(Stacked())


class StackedStates(Stacked):
    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return self.head(h[-1])


def stacked_hidden():
    return port(StackedStates())


class Lstm(nn.Module):
    """Gates by hand, in Keras's order, with Keras's kernels as they are."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3, 16)))
        self.recurrent = nn.Parameter(nn.init.orthogonal_(torch.empty(4, 16)))
        self.bias = nn.Parameter(torch.cat([torch.zeros(4), torch.ones(4), torch.zeros(8)]))
        self.head = nn.Linear(4, 2)
        begin(self)

    def gates(self, z):
        i, f, g, o = z.chunk(4, dim=-1)
        return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()

    def forward(self, x):
        h = c = x.new_zeros(len(x), 4)
        for step in x.unbind(1):
            i, f, g, o = self.gates(step @ self.kernel + h @ self.recurrent + self.bias)
            c = f * c + i * g
            h = o * torch.tanh(c)
        return self.head(h)


def load_lstm(net, weights):
    with torch.no_grad():
        net.kernel.copy_(torch.as_tensor(weights["memory.kernel"]))
        net.recurrent.copy_(torch.as_tensor(weights["memory.recurrent_kernel"]))
        net.bias.copy_(torch.as_tensor(weights["memory.bias"]))
        net.head.weight.copy_(torch.as_tensor(weights["head.kernel"].T.copy()))
        net.head.bias.copy_(torch.as_tensor(weights["head.bias"]))


def lstm_loaded():
    return port(Lstm(), load=load_lstm)


class LstmOneLinear(nn.Module):
    """One linear layer of the step and the state."""

    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(3 + 4, 16)
        self.head = nn.Linear(4, 2)
        begin(self)
        with torch.no_grad():
            nn.init.xavier_uniform_(self.cell.weight[:, :3])
            nn.init.orthogonal_(self.cell.weight[:, 3:])
            self.cell.bias[4:8] = 1

    def forward(self, x):
        h = c = torch.zeros(x.shape[0], 4, dtype=x.dtype)
        for t in range(x.shape[1]):
            i, f, g, o = torch.split(self.cell(torch.cat([x[:, t], h], 1)), 4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return self.head(h)


def lstm_one_linear():
    return port(LstmOneLinear())


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(3, 5)
        self.head = nn.Linear(5, 2)
        begin(self)

    def forward(self, x):
        _, h = self.memory(x.transpose(0, 1))
        return self.head(h[0])


def gru_steps_first():
    return port(Gru())


class GruBefore(nn.Module):
    def __init__(self):
        super().__init__()
        self.x = nn.Linear(3, 15)
        self.h_gates = nn.Linear(5, 10, bias=False)
        self.h_new = nn.Linear(5, 5, bias=False)
        self.head = nn.Linear(5, 2)
        begin(self)
        kernel = nn.init.orthogonal_(torch.empty(15, 5))
        with torch.no_grad():
            self.h_gates.weight.copy_(kernel[:10])
            self.h_new.weight.copy_(kernel[10:])

    def new(self, x, r, h):
        return torch.tanh(x + self.h_new(r * h))

    def mix(self, z, h, new):
        return z * h + (1 - z) * new

    def forward(self, x):
        h = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            xz, xr, xh = self.x(x[:, t]).chunk(3, 1)
            hz, hr = self.h_gates(h).chunk(2, 1)
            z, r = torch.sigmoid(xz + hz), torch.sigmoid(xr + hr)
            h = self.mix(z, h, self.new(xh, r, h))
        return self.head(h)


def load_gru_before(net, weights):
    recurrent = torch.as_tensor(weights["memory.recurrent_kernel"].T.copy())
    with torch.no_grad():
        net.x.weight.copy_(torch.as_tensor(weights["memory.kernel"].T.copy()))
        net.x.bias.copy_(torch.as_tensor(weights["memory.bias"]).reshape(-1))
        net.h_gates.weight.copy_(recurrent[:10])
        net.h_new.weight.copy_(recurrent[10:])
        net.head.weight.copy_(torch.as_tensor(weights["head.kernel"].T.copy()))
        net.head.bias.copy_(torch.as_tensor(weights["head.bias"]))


def gru_before_loaded():
    return port(GruBefore(), load=load_gru_before)


class Summed(nn.Module):
    def __init__(self):
        super().__init__()
        self.both = nn.GRU(3, 4, batch_first=True, bidirectional=True)
        self.head = nn.Linear(4, 2)
        begin(self)

    def forward(self, x):
        out, _ = self.both(x)
        return self.head(out[..., :4] + out[..., 4:])


def summed_halves():
    return port(Summed())


class SummedByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.forth = nn.GRU(3, 4, batch_first=True)
        self.back = nn.GRU(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)
        begin(self)

    def forward(self, x):
        a, _ = self.forth(x)
        b, _ = self.back(x.flip(1))
        return self.head(a + b.flip(1))


def summed_flipped():
    return port(SummedByHand())


class Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.both = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        self.head = nn.Linear(4, 2)
        begin(self)

    def forward(self, x):
        _, (h, _) = self.both(x)
        return self.head(h[0] * h[1])


def product_hidden():
    return port(Product())


class Backwards(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.RNN(3, 4, batch_first=True)
        self.head = nn.Linear(24, 2)
        begin(self)

    def forward(self, x):
        out, _ = self.memory(torch.flip(x, dims=[1]))
        return self.head(out.flatten(1))


def backwards_flipped():
    return port(Backwards())


class Rectified(nn.Module):
    def __init__(self, nonlinearity="relu"):
        super().__init__()
        self.memory = nn.RNN(3, 5, batch_first=True, nonlinearity=nonlinearity)
        self.head = nn.Linear(5, 1)
        begin(self)

    def forward(self, x):
        return self.head(self.memory(x)[0])


def rectified_relu():
    return port(Rectified())


class RectifiedCell(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.RNNCell(3, 5, nonlinearity="relu")
        self.head = nn.Linear(5, 1)
        begin(self)

    def forward(self, x):
        h, steps = x.new_zeros(len(x), 5), []
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
            steps.append(h)
        return self.head(torch.stack(steps, 1))


def rectified_cell():
    return port(RectifiedCell())


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(3, 5, batch_first=True)
        self.decoder = nn.LSTM(4, 5, batch_first=True)
        self.head = nn.Linear(5, 3)
        begin(self)

    def hand_over(self, out, h, c):
        return h, c

    def forward(self, source, target):
        out, (h, c) = self.encoder(source)
        x, _ = self.decoder(target, self.hand_over(out, h, c))
        return self.head(x)


def translator_states():
    return port(Translator(), feed=None)


class TranslatorCells(nn.Module):
    """Loops over cells."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.LSTMCell(3, 5), nn.LSTMCell(4, 5)
        self.head = nn.Linear(5, 3)
        begin(self)

    def forward(self, source, target):
        state = None
        for t in range(source.shape[1]):
            state = self.encoder(source[:, t], state)
        out = []
        for t in range(target.shape[1]):
            state = self.decoder(target[:, t], state)
            out.append(self.head(state[0]))
        return torch.stack(out, 1)


def translator_cells():
    return port(TranslatorCells(), feed=None)


class States(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(12, 2)
        begin(self)

    def forward(self, x):
        out, (h, c) = self.memory(x)
        return self.head(torch.cat([out.mean(1), h[0], c[0]], 1))


def states_joined():
    return port(States())


class Film(nn.Module):
    def __init__(self):
        super().__init__()
        self.input = nn.Conv2d(2, 12, 3, padding=1)
        self.state = nn.Conv2d(3, 12, 3, padding=1, bias=False)
        self.head = nn.Linear(3, 2)
        begin(self)
        nn.init.orthogonal_(self.state.weight)
        with torch.no_grad():
            self.input.bias[3:6] = 1

    def gate(self, x):
        return torch.sigmoid(x)

    def forward(self, film):  # (N, T, C, H, W)
        n, steps, _, height, width = film.shape
        h = c = film.new_zeros(n, 3, height, width)
        for t in range(steps):
            i, f, g, o = (self.input(film[:, t]) + self.state(h)).chunk(4, 1)
            c = self.gate(f) * c + self.gate(i) * torch.tanh(g)
            h = self.gate(o) * torch.tanh(c)
        return self.head(h.mean((2, 3)))


def channels_first(film):
    return torch.from_numpy(film).permute(0, 1, 4, 2, 3)


def film_by_hand():
    return port(Film(), feed=channels_first)


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LSTMCell(3, 4), nn.GRUCell(4, 5)
        self.head = nn.Linear(5, 2)
        begin(self)

    def forward(self, x):
        h = c = x.new_zeros(len(x), 4)
        g = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            h, c = self.first(x[:, t], (h, c))
            g = self.second(h, g)
        return self.head(g)


def cells_loop():
    return port(Cells())


class CellsAsLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.LSTM(3, 4, batch_first=True)
        self.second = nn.GRU(4, 5, batch_first=True)
        self.head = nn.Linear(5, 2)
        begin(self)

    def forward(self, x):
        return self.head(self.second(self.first(x)[0])[1][0])


def cells_as_layers():
    return port(CellsAsLayers())


class Dropped(nn.Module):
    """One mask for each gate, the same in all steps."""

    def __init__(self, rate=0.3, recurrent=0.25):
        super().__init__()
        self.rate, self.recurrent = rate, recurrent
        self.x = nn.ModuleList(nn.Linear(4, 5) for _ in range(4))
        self.h = nn.ModuleList(nn.Linear(5, 5, bias=False) for _ in range(4))
        self.head = nn.Linear(5, 2)
        begin(self)
        kernel, recurrent = (
            nn.init.xavier_uniform_(torch.empty(20, 4)),
            nn.init.orthogonal_(torch.empty(20, 5)),
        )
        with torch.no_grad():
            for k in range(4):
                self.x[k].weight.copy_(kernel[5 * k : 5 * k + 5])
                self.h[k].weight.copy_(recurrent[5 * k : 5 * k + 5])
            self.x[1].bias.fill_(1)

    def masks(self, like, rate):
        return [F.dropout(torch.ones_like(like), rate, self.training) for _ in range(4)]

    def forward(self, x):
        h = c = x.new_zeros(len(x), 5)
        a, b = self.masks(x[:, 0], self.rate), self.masks(h, self.recurrent)
        for t in range(x.shape[1]):
            i, f, g, o = (self.x[k](x[:, t] * a[k]) + self.h[k](h * b[k]) for k in range(4))
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return self.head(h)


def load_dropped(net, weights):
    kernel, recurrent, bias = (
        torch.as_tensor(weights[f"memory.{name}"])
        for name in ("kernel", "recurrent_kernel", "bias")
    )
    with torch.no_grad():
        for k in range(4):
            part = slice(5 * k, 5 * k + 5)
            net.x[k].weight.copy_(kernel.T[part])
            net.x[k].bias.copy_(bias[part])
            net.h[k].weight.copy_(recurrent.T[part])
        net.head.weight.copy_(torch.as_tensor(weights["head.kernel"].T.copy()))
        net.head.bias.copy_(torch.as_tensor(weights["head.bias"]))


def dropped_by_hand():
    return port(Dropped(), load=load_dropped)


class DroppedInput(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(4, 5, batch_first=True)
        self.head = nn.Linear(5, 2)
        begin(self)

    def drop(self, x):
        return x * F.dropout(torch.ones_like(x[:, :1]), 0.3, self.training)

    def forward(self, x):
        return self.head(self.memory(self.drop(x))[0])


def dropped_input_locked():
    return port(DroppedInput())


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(3, 5, batch_first=True)
        self.head = nn.Linear(5, 2)
        self.state = None
        begin(self)

    def forward(self, x):
        _, h = self.memory(x, self.state)
        self.state = h.detach()
        return self.head(h[0])


def stateful_attribute():
    return port(Stateful())


class StatefulBuffer(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 5)
        self.head = nn.Linear(5, 2)
        self.register_buffer("h", torch.zeros(4, 5))
        begin(self)

    def forward(self, x):
        h = self.h
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        self.h = h.detach()
        return self.head(h)


def stateful_buffer():
    return port(StatefulBuffer())
