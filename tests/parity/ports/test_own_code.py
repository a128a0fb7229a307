"""Layers and functions of the user's own: where their weights and seeds come, and what is refused.

`test_golden_packages` has what is written of them.
"""

import re

import keras
import numpy as np
import pytest
import torch
from golden_programs import mixed
from keras import layers as L
from keras import ops
from own_classes import own_class
from own_packages import written
from rows import each_row
from safetensors.torch import load_file
from seeded_packages import both_of_a_seed

from keras_impl import Input, Reference
from parity.errors import InputError
from parity.halves.keras.check import described as described_file
from parity.halves.keras.check.described import described
from parity.ports.custom.facts import NOTHING, left_out_of
from parity.programs.check_spec import CheckSpec
from torch_impl.keras_config.rules import NoTwinError


def test_weights_and_seeds_of_layers_in_layers_come_to_their_places(tmp_path, monkeypatch):
    """Draws of layers of the user's are in Keras's order, among those of the others."""
    folder = tmp_path / "port_of_mixed"
    _, _, model = written(mixed, folder)
    state = load_file(folder / "weights.safetensors")
    layer = model.get_layer("two")
    for name, theirs in (("net.dense2", layer.net.layers[-1]), ("modules_.0", layer.modules[0])):
        kernel = np.asarray(theirs.kernel, np.float32)
        np.testing.assert_array_equal(state[f"two.{name}.weight"].numpy(), kernel.T)
    module, model = both_of_a_seed(folder, mixed, monkeypatch)
    for name in ("one", "two", "three"):
        layer, stub = model.get_layer(name), module.get_submodule(name)
        pairs = zip((*layer.net.layers, layer.modules[0]), weights_of(stub), strict=True)
        for theirs, ours in pairs:
            np.testing.assert_allclose(ours, np.asarray(theirs.kernel).T, 1e-15)
    assert stub.modules_[1].seed == int(layer.modules[1].seed_generator.state.numpy()[0])
    assert torch.equal(module.pair.w, torch.full((2,), 3.0, dtype=torch.float64))


def weights_of(stub):
    return [
        each.weight.detach().numpy() for each in (stub.net.dense, stub.net.dense2, stub.modules_[0])
    ]


# Changes images in a model of its own, as most programs do.
Augmented = own_class(
    lambda self, x, training=None: self.tail(self.augment(x, training=training), training=training),
    keras.Model,
    augment=lambda: keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1)]),
    tail=lambda: keras.Sequential([L.Flatten(), L.Dropout(0.5), L.Dense(2)]),
)


def test_layers_in_models_that_are_attributes_have_keras_seeds(tmp_path, monkeypatch):
    def build():
        return Reference(Augmented(), inputs=Input((8, 8, 3)))

    told, _, _ = written(build, tmp_path / "port_of_augmented", is_stubbed=False)
    assert not any("seed" in sentence for sentence in told["left_out"])
    module, built = both_of_a_seed(tmp_path / "port_of_augmented", build, monkeypatch)
    flip, rotation = built.model.augment.layers
    for ours, theirs in (
        (module.augment.random_flip, flip.generator),
        (module.augment.random_rotation, rotation.generator),
        (module.tail.dropout, built.model.tail.layers[1].seed_generator),
    ):
        assert ours.seed == int(np.asarray(theirs.state)[0])


# Has a layer in a dictionary.
Holder = own_class(
    lambda self, x: self.parts["a"](x), name="Holder", parts=lambda: {"a": L.Dense(3)}
)


class Plain(L.Layer):
    """Takes each step by itself."""

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        return x


class Cell(L.Layer):
    """A recurrent cell that holds a layer."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.state_size, self.dense = units, L.Dense(units)

    def call(self, x, states):
        h = ops.tanh(self.dense(ops.concatenate([x, states[0]], -1)))
        return h, [h]


# Holds a recurrent layer, and does what no port writes.
Around = own_class(
    lambda self, x: self.memory(x) * np.asarray(self.memory.cell.dense.units, "float64"),
    name="Around",
    memory=lambda: L.RNN(Cell(3, name="own_cell")),
)


def layers(*made):
    def build():
        x = inputs = L.Input((6, 4))
        for layer in made:
            x = layer()(x)
        return keras.Model(inputs, L.Dense(2)(x))

    return build


def weighted(factor):
    def loss(y_true, y_pred):
        return factor * ops.mean(ops.square(y_true - y_pred))

    return loss


def two_losses():
    inputs = L.Input((3,))
    model = keras.Model(inputs, [L.Dense(1)(inputs), L.Dense(1)(inputs)])
    model.compile("sgd", [weighted(0.3), weighted(2.0)])
    return model


def of_cell(place):
    return [
        rf"{place}it applies 'own_cell' of your class Cell, and.*custom=\{{'own_cell': \.\.\.\}}"
    ]


REFUSED = {
    "cell": (layers(lambda: L.RNN(Cell(3, name="own_cell"), name="it")), r"layer 'it' \(RNN\): "),
    "stack": (
        layers(lambda: L.RNN([L.GRUCell(3), Cell(3, name="own_cell")], name="it")),
        r"layer 'it' \(RNN\): ",
    ),
    "inside": (
        layers(lambda: Around(name="it")),
        "layer 'it' of class 'Around': its 'memory': a RNN that cannot be ported: ",
    ),
    "losses": (two_losses, ["two losses of your own have the name 'loss'"]),
    # All that cannot be written is told at once.
    "several": (
        layers(
            lambda: L.TimeDistributed(Plain(name="steps"), name="each"),
            lambda: Holder(name="holder"),
        ),
        [
            r"layer 'each' \(TimeDistributed\): it applies 'steps' of your class Plain, and parity "
            "port leaves no stub inside of a layer of Keras; write its module yourself, and give "
            r"it to torch_impl.from_keras_config\(custom=\{'steps': ...\}\), see docs/twin.md",
            "layer 'holder' of class 'Holder': it holds layers in a dictionary, 'parts'",
        ],
    ),
}


@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called on layer:UserWarning")
@each_row("name", REFUSED)
def test_what_cannot_be_written_is_refused_with_what_to_do(name, tmp_path):
    build, told = REFUSED[name]
    with pytest.raises(NoTwinError) as raised:
        written(build, tmp_path / "port")
    expected = told if isinstance(told, list) else of_cell(told)
    pairs = zip(expected, raised.value.problems, strict=True)
    assert all(re.match(pattern, problem) for pattern, problem in pairs)


def test_what_a_layer_does_beside_its_call_is_told():
    def weight(name, **changes):
        told = {"what": "weight", "name": name, "attribute": name, "initializer": {}}
        return {**told, "regularizer": False, "constraint": False, **changes}

    facts = {"holds": [weight("a", initializer=None), weight("b", regularizer=True), weight("c")]}
    assert left_out_of({**NOTHING, "layers": {"mine": facts}}, ["mine", "dense"]) == [
        "what layer 'mine' adds to the loss, by add_loss",
        "the initial values of mine.a: code of the program makes them",
        "the regularizer of mine.b",
    ]


def test_a_model_of_keras_2_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(described_file, "IS_KERAS_2", True)
    with pytest.raises(InputError, match=r"write model\.save\('model\.h5'\) here, and port"):
        described(mixed, CheckSpec(keras="a:b"))
