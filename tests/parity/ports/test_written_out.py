"""The package of code that was written out: it begins as Keras does from the same seed."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import ops
from seeded_packages import both_of_a_seed

from parity.halves.keras.casts import initializers_noted
from parity.halves.keras.check.described import described
from parity.halves.keras.check.weights import get_weights
from parity.ports.package import write_package
from parity.programs.check_spec import CheckSpec

HERE = Path(__file__).parent


class Placed(L.Layer):
    """Draws for a weight of its own between two layers, of which one is called on numbers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = L.Dense(6)
        self.dense.build((None, 5))
        self.gain = self.add_weight(shape=(6,), initializer="he_normal", name="gain")
        self.table = L.Embedding(4, 6)

    def call(self, x):
        return self.dense(x) + self.table(ops.arange(4)) * self.gain


def placed():
    inputs = keras.Input((4, 5))
    x = L.Dense(5, name="begin")(inputs)
    return keras.Model(inputs, L.Dense(2, name="end")(Placed(name="placed")(x)))


def package(build, folder):
    """Writes the package of a model, in whose code nothing may be left."""
    folder.mkdir()
    with initializers_noted():
        reference, program, own = described(build, CheckSpec(keras="a:b", folder=str(HERE)))
    facts = {"program": {**program, "stubbed": []}, "own": own, "loss": None, "optimizer": None}
    weights = {n.replace(".", "/", 1): a for n, a in get_weights(reference.model).items()}
    assert write_package(facts, weights, folder)["open"] == []


def test_weights_are_drawn_in_the_order_of_keras(tmp_path, monkeypatch):
    package(placed, tmp_path / "port_of_placed")
    module, model = both_of_a_seed(tmp_path / "port_of_placed", placed, monkeypatch)
    layer = model.get_layer("placed")
    pairs = {
        "begin.weight": np.asarray(model.get_layer("begin").kernel).T,
        "placed_dense.weight": np.asarray(layer.dense.kernel).T,
        "placed_gain.value": np.asarray(layer.gain),
        "placed_table.weight": np.asarray(layer.table.embeddings),
        "end.weight": np.asarray(model.get_layer("end").kernel).T,
    }
    for name, theirs in pairs.items():
        np.testing.assert_allclose(module.get_parameter(name).detach(), theirs, 1e-15, 0, name)


def test_an_array_that_a_weight_begins_with_is_in_the_source_unless_it_is_long(tmp_path):
    def with_array(numbers):
        inputs = keras.Input((3,))
        begin = keras.initializers.Constant(numbers)
        return keras.Model(inputs, L.Dense(len(numbers), bias_initializer=begin)(inputs))

    package(lambda: with_array(np.array([0.5, -1.0])), tmp_path / "port_of_array")
    train = (tmp_path / "port_of_array" / "train.py").read_text(encoding="utf-8")
    assert '"dense.bias": initializers.Constant(value=(0.5, -1.0))' in train
    with pytest.raises(ValueError, match="array of 101 numbers: expected at most 100"):
        package(lambda: with_array(np.arange(101.0)), tmp_path / "port_of_much")
