"""What the files of shared layers, and of normalisations without a scale, are told or allowed."""

import pytest
import torch
from conversions import converted
from torch import nn


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A layer that is called twice, and a normalisation with neither scale nor centre."""
    import keras
    import numpy as np
    from keras import layers as L

    folder = tmp_path_factory.mktemp("coverage")
    shared = L.Dense(4, name="shared")
    x = inputs = keras.Input((4,))
    x = shared(keras.ops.tanh(shared(x)))
    keras.Model(inputs, L.Dense(2, name="end")(x)).save(folder / "shared.keras")
    norm = L.BatchNormalization(name="norm")
    x = inputs = keras.Input((4,))
    x = norm(keras.ops.tanh(norm(x)))
    twice = keras.Model(inputs, L.Dense(2, name="end")(x))
    x = inputs = keras.Input((4,))
    x = L.BatchNormalization(scale=False, center=False, name="norm")(L.Dense(4)(x))
    model = keras.Model(inputs, L.Dense(2, name="end")(keras.ops.tanh(x)))
    row = keras.Input((4,))
    branch = [row, L.Dense(4), L.BatchNormalization(scale=False)]
    branch = keras.Sequential(branch, name="branch")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    x = L.Concatenate()([branch(left), branch(right)])
    pair = keras.Model([left, right], L.Dense(2, name="end")(x))
    draw = np.random.default_rng(0)
    for weight in (*model.weights, *twice.weights, *pair.weights):
        weight.assign(draw.uniform(0.5, 1, weight.shape))
    model.save(folder / "norm.keras")
    twice.save(folder / "twice.keras")
    pair.save(folder / "pair.keras")
    return folder


class Shared(nn.Module):
    def __init__(self, *, tied):
        super().__init__()
        self.first, self.end = nn.Linear(4, 4), nn.Linear(4, 2)
        self.second = self.first if tied else nn.Linear(4, 4)

    def forward(self, x):
        return self.end(self.second(torch.tanh(self.first(x))))


def test_a_shared_layer_as_one_module_is_proved(files, tmp_path):
    assert converted(files / "shared.keras", lambda: Shared(tied=True), tmp_path).problems == []


def test_a_shared_layer_as_two_modules_is_refused_and_the_reason_is_told(files, tmp_path):
    done = converted(files / "shared.keras", lambda: Shared(tied=False), tmp_path)
    assert not done.is_written
    assert (
        "Keras calls the layer 'shared' 2 times, with the same weights each time; the module has "
        "other parameters of these shapes (first.weight, first.bias): call one module 2 times"
    ) in done.problems


class Norm(nn.Module):
    def __init__(self, scale=1.0, more=False):
        super().__init__()
        self.first, self.end = nn.Linear(4, 4), nn.Linear(4, 2)
        self.norm = nn.BatchNorm1d(4, eps=1e-3)
        nn.init.constant_(self.norm.weight, scale)
        if more:
            self.more = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.end(torch.tanh(self.norm(self.first(x))))


def test_ones_and_zeros_that_keras_leaves_out_keep_their_values_and_are_named(files, tmp_path):
    done = converted(files / "norm.keras", Norm, tmp_path)
    assert done.problems == []
    assert done.constants == ["norm.weight", "norm.bias"]


def test_another_scale_in_its_place_is_refused(files, tmp_path):
    done = converted(files / "norm.keras", lambda: Norm(scale=1.5), tmp_path)
    assert not done.is_written
    assert any("norm.weight" in problem for problem in done.problems)


def test_a_shared_normalisation_as_two_modules_is_not_taken_for_constants(files, tmp_path):
    """Both begin with ones, and only one of them gets the weights of the file."""
    done = converted(files / "twice.keras", Twice, tmp_path)
    assert not done.is_written
    assert any("Keras calls the layer 'norm' 2 times" in problem for problem in done.problems)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = (nn.BatchNorm1d(4, eps=1e-3) for _ in range(2))
        self.end = nn.Linear(4, 2)

    def forward(self, x):
        return self.end(self.two(torch.tanh(self.one(x))))


def test_ones_that_the_output_does_not_need_are_a_parameter_too_many(files, tmp_path):
    done = converted(files / "norm.keras", lambda: Norm(more=True), tmp_path)
    assert done.problems == ["more.weight, more.bias are filled by no weight"]


class Pair(nn.Module):
    """A branch that both inputs go through; or a branch for each."""

    def __init__(self, *, tied=True, scale=1.0):
        super().__init__()
        self.left, self.right = self.branch(scale), self.branch(scale)
        if tied:
            self.right = self.left
        self.end = nn.Linear(8, 2)

    def branch(self, scale):
        norm = nn.BatchNorm1d(4, eps=1e-3)
        nn.init.constant_(norm.weight, scale)
        return nn.Sequential(nn.Linear(4, 4), norm)

    def forward(self, left, right):
        return self.end(torch.cat([self.left(left), self.right(right)], 1))


def test_ones_that_keras_leaves_out_are_kept_in_a_shared_branch_too(files, tmp_path):
    done = converted(files / "pair.keras", Pair, tmp_path)
    assert done.problems == []
    assert done.constants == ["left.1.weight"]


def test_a_branch_for_each_input_is_refused_and_the_shared_layers_are_named(files, tmp_path):
    done = converted(files / "pair.keras", lambda: Pair(tied=False), tmp_path)
    assert not done.is_written
    told = [problem for problem in done.problems if "2 times, with the same weights" in problem]
    assert len(told) == 2


def test_another_scale_in_a_shared_branch_is_refused(files, tmp_path):
    done = converted(files / "pair.keras", lambda: Pair(scale=1.5), tmp_path)
    assert not done.is_written
    assert done.problems[0] == "left.1.weight is filled by no weight"
    assert "differs by" in done.problems[1]
    assert len(done.problems) == 2
