"""What code of one's own computes with beside tensors: arrays that count, others, and weights."""

import keras
import numpy as np
import pytest
import torch
from causal_layer import Causal
from keras import layers as L
from keras import ops
from rows import each_row
from written import fed, outputs, source_of, written, written_plain

from parity.halves.keras.check.inlined import inlined
from parity.halves.keras.noted_initializers import initializers_noted
from parity.ports.forms.held import counted
from parity.ports.weights import fill_arrays
from torch_impl import regularizers
from torch_impl.keras_config import from_keras_config

BAR = 1e-12
PATCHES = np.random.default_rng(0).normal(size=(3, 4, 5))


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


@each_row(
    "array, text",
    [
        (range(3), "torch.arange(3, device={0}.device)"),
        ([range(3)], "torch.arange(3, device={0}.device)[None]"),
        ([[0], [1], [2]], "torch.arange(3, device={0}.device)[:, None]"),
        ([[[0], [1], [2]]], "torch.arange(3, device={0}.device)[None, :, None]"),
        (range(1, 5), "torch.arange(1, 5, device={0}.device)"),
        (range(0, 9, 4), "torch.arange(0, 12, 4, device={0}.device)"),
        ([2, 1, 0], "torch.arange(2, -1, -1, device={0}.device)"),
    ],
)
def test_a_counting_is_written_as_such(array, text):
    assert counted(torch.tensor(np.array(array))) == text


@each_row("array", [[0, 1, 3], [2, 2, 2], [[0, 1], [2, 3]], [5], [0.0, 1.0], [False, True], 3, []])
def test_other_numbers_are_no_counting(array):
    assert counted(torch.tensor(array)) is None


class Encoder(L.Layer):
    """Adds an embedding of numbers to a projection, as most transformers of images do."""

    def __init__(self, numbers, **options):
        super().__init__(**options)
        self.numbers = numbers
        self.project, self.table = L.Dense(6), L.Embedding(9, 6)

    def call(self, patch):
        return self.project(patch) + self.table(self.numbers)


class Stepped(L.Layer):
    """Gives an array to layers that take real numbers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense, self.dense2 = L.Dense(5, activation="tanh"), L.Dense(5)

    def call(self, x):
        grid = np.linspace(-1, 1, 8).reshape(4, 2)
        return x * self.dense(grid) + self.dense2(np.arange(4)[:, None])


class Scaled(L.Layer):
    """Has weights of its own."""

    def build(self, shape):
        options = {"initializer": "random_normal", "name": "scale"}
        self.scale = self.add_weight(shape=(shape[-1],), **options, regularizer="l2")
        self.table = self.add_weight(shape=shape[1:], initializer="he_normal", trainable=False)

    def call(self, x):
        return x * self.scale + self.table


class Divided(L.Layer):
    """Has numbers of its own, which Keras keeps as tensors without axes."""

    def call(self, x):
        root = ops.sqrt(ops.cast(5, x.dtype))
        return ops.cast(2, x.dtype) - x / root


class Token(L.Layer):
    """Puts a weight before the steps of every sample, and rows behind them."""

    def build(self, shape):
        options = {"initializer": "random_normal"}
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token", **options)
        self.rows = self.add_weight(shape=(2, shape[-1]), name="rows", **options)

    def call(self, x):
        size, _, width = ops.shape(x)
        token = ops.broadcast_to(self.token, (size, 1, width))
        return ops.concatenate([token, x, ops.tile(self.rows, (size, 1, 1))], axis=1)


def graph(layer):
    inputs = keras.Input((4, 5))
    with initializers_noted():
        model = keras.Model(inputs, L.Dense(2, name="end")(layer(inputs)))
    return inlined(model, None)


def module_of(found, folder):
    """A written module with the weights and arrays of Keras, and its program."""
    module, program, _ = written(found.model, folder, found.paths())
    fill_arrays(module, program)
    return module.double().eval(), program


LAYERS = {
    "positions": lambda: Encoder(np.arange(4)[None], name="encoder"),
    "from_two": lambda: Encoder(np.arange(2, 6), name="encoder"),
    "any_numbers": lambda: Encoder(np.array([7, 0, 0, 3]), name="encoder"),
    "real": Stepped,
    "causal": Causal,
    "token": lambda: Token(name="token"),
    "weights": lambda: Scaled(name="scaled"),
    "numbers": lambda: Divided(name="divided"),
}


@each_row("name", LAYERS)
def test_written_modules_and_the_twin_compute_what_keras_does_with_them(name, tmp_path):
    found = graph(LAYERS[name]())
    expected = np.asarray(found.model(PATCHES))
    module, program = module_of(found, tmp_path)
    plain, _ = written_plain(found.model, tmp_path, module)
    for each in (module, plain.eval()):
        (ours,) = outputs(each(*fed(program, [PATCHES])), program)
        assert np.abs(ours - expected).max() <= BAR
    twin = from_keras_config(found.model.to_json()).double()
    twin.load_keras_weights(found.model.get_weights())
    ours = twin.eval()(torch.as_tensor(PATCHES)).detach().numpy()
    assert np.abs(ours - expected).max() <= BAR


def test_positions_stand_in_the_code_and_have_no_batch():
    _, source = source_of(graph(LAYERS["positions"]()).model)
    assert "self.encoder_table = nn.Embedding(9, 6)" in source
    assert "x = torch.arange(4, device=x.device)[None]  # (1, 4)\n" in source
    assert "self.encoder_table(x)  # (N, 4, 6)\n" in source
    assert "arrays" not in source


def test_other_numbers_are_a_buffer_with_the_name_of_what_takes_them():
    program, source = source_of(graph(LAYERS["any_numbers"]()).model)
    assert "self.encoder_table_input = arrays.Array((4,), dtype=torch.int64)" in source
    assert "(4,)" in source
    assert program.arrays["encoder_table_input"].tolist() == [7, 0, 0, 3]


def test_one_number_stands_in_the_source(tmp_path):
    """It needs no array in the file of weights."""
    found = graph(LAYERS["numbers"]())
    _, _, source = written(found.model, tmp_path, found.paths())
    assert "2.0 - x / 2.23606797749979" in source
    assert "arrays" not in source


def test_a_weight_is_a_module_that_has_it_and_keeps_its_rules():
    _, source = source_of(graph(Scaled(name="scaled")).model)
    assert "self.scaled_scale = layers.Weight((5,))" in source
    assert "x = x * self.scaled_scale.value  # (N, 4, 5)" in source
    assert "x = x + self.scaled_table.value  # (N, 4, 5)" in source
    twin = from_keras_config(graph(Scaled(name="scaled")).model.to_json())
    (rules,) = twin.rules_by_layer().values()
    assert str(rules.regularizers["value"]) == str(regularizers.L2(0.01))
    assert twin.scaled_scale.value.requires_grad
    assert not twin.scaled_table.value.requires_grad


def test_a_weight_for_each_sample_is_expanded():
    _, source = source_of(graph(LAYERS["token"]()).model)
    assert "y = self.token_token.value.expand(len(x), -1, -1)  # (N, 1, 5)" in source
    assert "self.token_rows.value.unsqueeze(0).expand(len(x), -1, -1)" in source
