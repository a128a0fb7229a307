"""Ports of the models with recurrent layers with one mistake each; `cases.py` says which."""

import torch
from torch import nn
from torch.nn import functional as F

from . import right
from .right import port


class NotBatchFirst(right.Stacked):
    def __init__(self):
        super().__init__()
        self.rnn.batch_first = False


def stacked_not_batch_first():
    return port(NotBatchFirst())


class FirstLayer(right.Stacked):
    def forward(self, x):
        _, (h, _) = self.rnn(x)
        return self.head(h[0])


def stacked_hidden_of_the_first_layer():
    return port(FirstLayer())


class CellState(right.Stacked):
    def forward(self, x):
        _, (_, c) = self.rnn(x)
        return self.head(c[-1])


def stacked_cell_state():
    return port(CellState())


class FirstStep(right.Stacked):
    def forward(self, x):
        return self.head(self.rnn(x)[0][:, 0])


def stacked_first_step():
    return port(FirstStep())


def stacked_two_biases():
    """bias_hh is trained beside bias_ih."""
    net = right.Stacked()
    net.rnn.bias_hh_l0.requires_grad_(True)
    net.rnn.bias_hh_l1.requires_grad_(True)
    return port(net)


def stacked_forget_bias():
    net = right.Stacked()
    for bias in (net.rnn.bias_ih_l0, net.rnn.bias_ih_l1):
        nn.init.zeros_(bias)
    return port(net)


def stacked_recurrent_glorot():
    """Recurrent kernels are not orthogonal."""
    net = right.Stacked()
    for weight in (net.rnn.weight_hh_l0, net.rnn.weight_hh_l1):
        nn.init.xavier_uniform_(weight)
    return port(net)


class GateOrder(right.Lstm):
    def gates(self, z):
        i, f, o, g = z.chunk(4, dim=-1)
        return i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()


def lstm_gate_order():
    return port(GateOrder(), load=right.load_lstm)


class HardSigmoid(right.Lstm):
    """That of Keras 2."""

    def gates(self, z):
        i, f, g, o = z.chunk(4, dim=-1)
        hard = lambda x: (0.2 * x + 0.5).clamp(0, 1)  # noqa: E731
        return hard(i), hard(f), g.tanh(), hard(o)


def lstm_hard_sigmoid():
    return port(HardSigmoid(), load=right.load_lstm)


class NoTanhOfCell(right.Lstm):
    def forward(self, x):
        h = c = x.new_zeros(len(x), 4)
        for step in x.unbind(1):
            i, f, g, o = self.gates(step @ self.kernel + h @ self.recurrent + self.bias)
            c = f * c + i * g
            h = o * c
        return self.head(h)


def lstm_no_tanh_of_the_cell():
    return port(NoTanhOfCell(), load=right.load_lstm)


class GruAfter(nn.Module):
    """torch's GRU for reset_after=False."""

    def __init__(self):
        super().__init__()
        self.memory = nn.GRU(3, 5, batch_first=True)
        self.head = nn.Linear(5, 2)
        right.begin(self)
        self.memory.bias_hh_l0.requires_grad_(False)

    def forward(self, x):
        return self.head(self.memory(x)[1][0])


def gru_before_is_after():
    return port(GruAfter())


class Exchanged(right.GruBefore):
    def mix(self, z, h, new):
        return (1 - z) * h + z * new


def gru_before_update_exchanged():
    return port(Exchanged(), load=right.load_gru_before)


class Averaged(right.Summed):
    def forward(self, x):
        out, _ = self.both(x)
        return self.head((out[..., :4] + out[..., 4:]) / 2)


def summed_averaged():
    return port(Averaged())


class NotFlippedBack(right.SummedByHand):
    def forward(self, x):
        return self.head(self.forth(x)[0] + self.back(x.flip(1))[0])


def summed_not_flipped_back():
    return port(NotFlippedBack())


class ForwardTwice(right.SummedByHand):
    def forward(self, x):
        return self.head(self.forth(x)[0] + self.back(x)[0])


def summed_both_forward():
    return port(ForwardTwice())


class LastStepOfBoth(right.Product):
    def forward(self, x):
        out = self.both(x)[0][:, -1]
        return self.head(out[:, :4] * out[:, 4:])


def product_last_step():
    return port(LastStepOfBoth())


class Added(right.Product):
    def forward(self, x):
        _, (h, _) = self.both(x)
        return self.head(h[0] + h[1])


def product_added():
    return port(Added())


class Forwards(right.Backwards):
    def forward(self, x):
        return self.head(self.memory(x)[0].flatten(1))


def backwards_forward():
    return port(Forwards())


class FlippedBack(right.Backwards):
    def forward(self, x):
        return self.head(self.memory(x.flip(1))[0].flip(1).flatten(1))


def backwards_flipped_back():
    return port(FlippedBack())


def rectified_tanh():
    return port(right.Rectified("tanh"))


class NoStates(right.Translator):
    def hand_over(self, out, h, c):
        return None


def translator_states_not_carried():
    return port(NoStates(), feed=None)


class StatesSwapped(right.Translator):
    def hand_over(self, out, h, c):
        return c, h


def translator_states_swapped():
    return port(StatesSwapped(), feed=None)


class CellIsZero(right.Translator):
    def hand_over(self, out, h, c):
        return h, torch.zeros_like(c)


def translator_cell_state_not_carried():
    return port(CellIsZero(), feed=None)


class FromFirstStep(right.Translator):
    def hand_over(self, out, h, c):
        return out[None, :, 0].contiguous(), c


def translator_first_step():
    return port(FromFirstStep(), feed=None)


class StatesExchanged(right.States):
    def forward(self, x):
        out, (h, c) = self.memory(x)
        return self.head(torch.cat([out.mean(1), c[0], h[0]], 1))


def states_exchanged():
    return port(StatesExchanged())


class FilmHard(right.Film):
    def gate(self, x):
        return F.hardsigmoid(x)


def film_hard_sigmoid():
    return port(FilmHard(), feed=right.channels_first)


class FilmLast(right.Film):
    """Takes the time axis for the batch axis: each image begins from zeros."""

    def forward(self, film):
        n, _, _, height, width = film.shape
        zeros = film.new_zeros(n, 3, height, width)
        i, f, g, o = (self.input(film[:, -1]) + self.state(zeros)).chunk(4, 1)
        h = self.gate(o) * torch.tanh(self.gate(f) * zeros + self.gate(i) * torch.tanh(g))
        return self.head(h.mean((2, 3)))


def film_last_image_alone():
    return port(FilmLast(), feed=right.channels_first)


class OneStepLate(right.Cells):
    """The second cell gets what the first one made a step ago."""

    def forward(self, x):
        h = c = x.new_zeros(len(x), 4)
        g = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            g = self.second(h, g)
            h, c = self.first(x[:, t], (h, c))
        return self.head(g)


def cells_one_step_late():
    return port(OneStepLate())


class CellForCarry(right.Cells):
    """The second cell gets c, not h."""

    def forward(self, x):
        h = c = x.new_zeros(len(x), 4)
        g = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            h, c = self.first(x[:, t], (h, c))
            g = self.second(c, g)
        return self.head(g)


def cells_second_gets_c():
    return port(CellForCarry())


def dropped_no_recurrent_dropout():
    return port(right.Dropped(recurrent=0.0), load=right.load_dropped)


class OneForAllGates(right.Dropped):
    def masks(self, like, rate):
        return [F.dropout(torch.ones_like(like), rate, self.training)] * 4


def dropped_one_mask_for_all_gates():
    return port(OneForAllGates(), load=right.load_dropped)


class EachStep(right.DroppedInput):
    def drop(self, x):
        return F.dropout(x, 0.3, self.training)


def dropped_input_each_step():
    return port(EachStep())


class DropsOutput(right.DroppedInput):
    """As nn.GRU(dropout=...) is often read: the output is dropped."""

    def forward(self, x):
        return self.head(F.dropout(self.memory(x)[0], 0.3, self.training))


def dropped_input_drops_output():
    return port(DropsOutput())


class Forgets(right.Stateful):
    def forward(self, x):
        _, h = self.memory(x)
        return self.head(h[0])


def stateful_forgets():
    return port(Forgets())


class TrainingAlone(right.Stateful):
    """The state is kept in training, and is not in eval."""

    def forward(self, x):
        _, h = self.memory(x, self.state if self.training else None)
        if self.training:
            self.state = h.detach()
        return self.head(h[0])


def stateful_in_training_alone():
    return port(TrainingAlone())
