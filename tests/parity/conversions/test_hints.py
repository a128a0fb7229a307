"""A refusal says what it may come of, if that can be seen in the module."""

import numpy as np
import pytest
import torch
from conversions import converted
from torch import nn

TABLE = np.linspace(-1, 1, 20).reshape(5, 4).astype("float32")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two convolutions of one input, and a model that adds an array of the program."""
    import keras
    from keras import layers as L

    folder = tmp_path_factory.mktemp("hints")
    keras.utils.set_random_seed(2)
    x = keras.Input((5, 4))
    one, two = L.Conv1D(6, 2, name="one")(x), L.Conv1D(6, 2, name="two")(x)
    gated = keras.ops.tanh(one) * keras.ops.sigmoid(two)
    keras.Model(x, L.Conv1D(2, 1, name="end")(gated)).save(folder / "gated.keras")
    x = keras.Input((5, 4))
    y = L.Dense(3, name="first")(keras.ops.tanh(keras.ops.add(x, TABLE)))
    keras.Model(x, L.Dense(2, name="end")(y)).save(folder / "table.keras")
    return folder


class Gated(nn.Module):
    def __init__(self, *, fused, more=False):
        super().__init__()
        parts = [nn.Conv1d(4, 12, 2)] if fused else [nn.Conv1d(4, 6, 2), nn.Conv1d(4, 6, 2)]
        self.gates, self.end = nn.ModuleList(parts), nn.Conv1d(6, 2, 1)
        if more:
            self.more = nn.Conv1d(4, 12, 2)

    def forward(self, x):
        made = torch.cat([gate(x) for gate in self.gates], 1)
        one, two = made.chunk(2, 1)
        return self.end(one.tanh() * two.sigmoid())


def test_a_convolution_for_each_is_converted(files, tmp_path):
    assert converted(files / "gated.keras", lambda: Gated(fused=False), tmp_path).problems == []


def test_two_convolutions_in_one_module_are_refused_and_that_is_told(files, tmp_path):
    done = converted(files / "gated.keras", lambda: Gated(fused=True), tmp_path)
    assert not done.is_written
    assert (
        "gates.0.weight has room for several of one.kernel, two.kernel: a convolution in the place "
        "of several of Keras is not taken apart; write it as a module for each layer of Keras"
    ) in done.problems


def test_a_wide_convolution_too_many_is_not_taken_for_several(files, tmp_path):
    done = converted(files / "gated.keras", lambda: Gated(fused=False, more=True), tmp_path)
    assert done.problems == ["more.weight, more.bias are filled by no weight"]


class Table(nn.Module):
    def __init__(self, values):
        super().__init__()
        self.first, self.end = nn.Linear(4, 3), nn.Linear(3, 2)
        self.register_buffer("table", torch.as_tensor(values, dtype=torch.get_default_dtype()))

    def forward(self, x):
        return self.end(self.first(torch.tanh(x + self.table)))


def test_a_buffer_that_the_factory_fills_is_kept(files, tmp_path):
    done = converted(files / "table.keras", lambda: Table(TABLE), tmp_path)
    assert done.problems == []
    assert done.constants == ["table"]


def test_a_buffer_that_was_not_filled_is_named(files, tmp_path):
    done = converted(files / "table.keras", lambda: Table(0 * TABLE), tmp_path)
    assert not done.is_written
    assert "differs by" in done.problems[0]
    assert done.problems[1].startswith(
        "the output depends on table, which is all zeros, as the factory makes it: if the Keras "
        "program has an array there, the factory has to fill it"
    )


def test_other_values_are_refused_without_such_a_reason(files, tmp_path):
    done = converted(files / "table.keras", lambda: Table(2 * TABLE), tmp_path)
    (problem,) = done.problems
    assert "differs by" in problem
