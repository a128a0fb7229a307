"""What code of one's own computes with beside tensors: arrays that count, others, and weights."""

import keras
import numpy as np
import torch
from causal_layer import Causal
from keras import layers as L
from keras import ops
from own_classes import own_class
from rows import each_row
from written import fed, outputs, written, written_plain

from parity.halves.keras.casts import initializers_noted
from parity.halves.keras.check.inlined import inlined
from parity.ports.forms.sequences import counted
from parity.ports.weights import fill_arrays
from torch_impl import regularizers
from torch_impl.keras_config import from_keras_config

BAR = 1e-12
PATCHES = np.random.default_rng(0).normal(size=(3, 4, 5))


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


def encoder(numbers):
    """Adds an embedding of numbers to a projection, as most transformers of images do."""
    return own_class(
        lambda self, patch: self.project(patch) + self.table(numbers),
        project=lambda: L.Dense(6),
        table=lambda: L.Embedding(9, 6),
    )(name="encoder")


GRID = np.linspace(-1, 1, 8).reshape(4, 2)
# Gives an array to layers that take real numbers.
Stepped = own_class(
    lambda self, x: x * self.dense(GRID) + self.dense2(np.arange(4)[:, None]),
    dense=lambda: L.Dense(5, activation="tanh"),
    dense2=lambda: L.Dense(5),
)


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


LAYERS = {
    "positions": lambda: encoder(np.arange(4)[None]),
    "from_two": lambda: encoder(np.arange(2, 6)),
    "any_numbers": lambda: encoder(np.array([7, 0, 0, 3])),
    "real": Stepped,
    "causal": Causal,
    "token": lambda: Token(name="token"),
    "weights": lambda: Scaled(name="scaled"),
    "numbers": lambda: Divided(name="divided"),
}
# Layer -> what is in the source, and what is not.
TEXTS = {
    # Positions stand in the code, and have no batch.
    "positions": (
        "self.encoder_table = nn.Embedding(9, 6)",
        "x = torch.arange(4, device=x.device)[None]  # (1, 4)\n",
        "self.encoder_table(x)  # (N, 4, 6)\n",
    ),
    # Other numbers are a buffer with the name of what takes them.
    "any_numbers": ("self.encoder_table_input = arrays.Array((4,), dtype=torch.int64)",),
    # One number needs no array in the file of weights.
    "numbers": ("2.0 - x / 2.23606797749979",),
    "weights": (
        "self.scaled_scale = layers.Weight((5,))",
        "x = x * self.scaled_scale.value  # (N, 4, 5)",
        "x = x + self.scaled_table.value  # (N, 4, 5)",
    ),
    # A weight for each sample is expanded.
    "token": (
        "y = self.token_token.value.expand(len(x), -1, -1)  # (N, 1, 5)",
        "self.token_rows.value.unsqueeze(0).expand(len(x), -1, -1)",
    ),
}


@each_row("name", LAYERS)
def test_written_modules_and_the_twin_compute_what_keras_does_with_them(name, tmp_path):
    found = graph(LAYERS[name]())
    expected = np.asarray(found.model(PATCHES))
    module, program, source = written(found.model, tmp_path, found.paths())
    assert [text for text in TEXTS.get(name, ()) if text not in source] == []
    assert name not in ("positions", "numbers") or "arrays" not in source
    fill_arrays(module, program)
    module.double().eval()
    plain, _ = written_plain(found.model, tmp_path, module)
    twin = from_keras_config(found.model.to_json()).double()
    twin.load_keras_weights(found.model.get_weights())
    both = [outputs(each(*fed(program, [PATCHES])), program) for each in (module, plain.eval())]
    for (ours,) in (*both, [twin.eval()(torch.as_tensor(PATCHES)).detach().numpy()]):
        assert np.abs(ours - expected).max() <= BAR
    if name == "weights":  # they keep their rules
        (rules,) = twin.rules_by_layer().values()
        assert str(rules.regularizers["value"]) == str(regularizers.L2(0.01))
        assert twin.scaled_scale.value.requires_grad
        assert not twin.scaled_table.value.requires_grad
