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


def cut():
    """Needs no limit, since what comes of a sigmoid is between 0 and 1."""
    ends = nn.ReLU(), nn.Linear(6, 6), nn.Linear(6, 3)
    return nn.Sequential(nn.Linear(5, 6), nn.Sigmoid(), *ends)


def test_a_limit_that_no_number_reaches_is_told(tmp_path):
    layers = [L.Dense(6, activation="sigmoid"), L.ReLU(6.0, name="cut"), L.Dense(6), L.Dense(3)]
    done = converted(saved(tmp_path / "model.keras", *layers), cut, tmp_path / "a")
    assert done.problems == []
    assert "not compared, since no number is there: above 6 in cut" in done.proof


class Gates(nn.Module):
    """A GRU by hand, whose gates are `gate`."""

    def __init__(self, gate):
        super().__init__()
        self.kernel, self.memory = nn.Linear(3, 12), nn.Linear(4, 12, bias=False)
        self.gate = gate

    def forward(self, x):
        state = x.new_zeros(len(x), 4)
        update, reset, new = self.memory.weight.chunk(3)
        for step in x.unbind(1):
            z, r, n = self.kernel(step).chunk(3, -1)
            z, r = self.gate(z + state @ update.T), self.gate(r + state @ reset.T)
            state = z * state + (1 - z) * (n + (r * state) @ new.T).tanh()
        return state


def test_the_gates_of_a_recurrent_layer_get_numbers_beyond_theirs(tmp_path):
    gru = L.GRU(4, recurrent_activation="hard_sigmoid", reset_after=False, name="gru")
    path = saved(tmp_path / "model.keras", gru, shape=(6, 3))
    assert converted(path, lambda: Gates(F.hardsigmoid), tmp_path / "a").problems == []
    (problem,) = converted(path, lambda: Gates(lambda x: x / 6 + 0.5), tmp_path / "b").problems
    assert "in gru;" in problem
