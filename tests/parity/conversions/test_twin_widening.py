"""A module whose activations have other limits than Keras's is refused; the limits are named."""

import keras
from conversions import converted
from keras import layers as L
from torch import nn
from torch.nn import functional as F


def saved(path, *layers, shape=(5,)):
    keras.utils.set_random_seed(4)
    keras.Sequential([keras.Input(shape, name="x"), *layers]).save(path)
    return path


class Cut(nn.Module):
    """Needs no limit, since what comes of a sigmoid is between 0 and 1."""

    def __init__(self):
        super().__init__()
        self.dense = nn.ModuleList([nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)])

    def forward(self, x):
        return self.dense[2](self.dense[1](F.relu(self.dense[0](x).sigmoid())))


def test_a_limit_that_no_number_reaches_is_told(tmp_path):
    layers = [
        L.Dense(6, activation="sigmoid"),
        L.ReLU(6.0, name="cut"),
        L.Dense(6),
        L.Dense(3),
    ]
    path = saved(tmp_path / "model.keras", *layers)
    done = converted(path, Cut, tmp_path / "a")
    assert done.problems == []
    assert "not compared, since no number is there: above 6 in cut" in done.proof


class Gates(nn.Module):
    """A GRU by hand, whose gates are `gate`."""

    def __init__(self, gate):
        super().__init__()
        self.kernel, self.bias = nn.Linear(3, 12, bias=False), nn.Parameter(self.zeros(12))
        self.memory, self.gate = nn.Linear(4, 12, bias=False), gate

    @staticmethod
    def zeros(*size):
        return nn.init.zeros_(nn.Linear(1, 1).weight.new_empty(*size))

    def forward(self, x):
        state = x.new_zeros(len(x), 4)
        update, reset, new = self.memory.weight.chunk(3)
        for step in x.unbind(1):
            z, r, n = (self.kernel(step) + self.bias).chunk(3, -1)
            z, r = self.gate(z + state @ update.T), self.gate(r + state @ reset.T)
            n = (n + (r * state) @ new.T).tanh()
            state = z * state + (1 - z) * n
        return state


def test_the_gates_of_a_recurrent_layer_get_numbers_beyond_theirs(tmp_path):
    gru = L.GRU(4, recurrent_activation="hard_sigmoid", reset_after=False, name="gru")
    path = saved(tmp_path / "model.keras", gru, shape=(6, 3))
    assert converted(path, lambda: Gates(F.hardsigmoid), tmp_path / "a").problems == []
    (problem,) = converted(path, lambda: Gates(lambda x: x / 6 + 0.5), tmp_path / "b").problems
    assert "in gru;" in problem
