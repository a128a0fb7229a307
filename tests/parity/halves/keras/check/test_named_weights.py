"""Where Keras gives several weights one path, they have one through the models that hold them."""

import keras
from keras import layers as L
from own_classes import own_class

from parity.halves.keras.check.weights import paths_apart, paths_on_top, weights_of


def nest(first, second):
    inputs = keras.Input((3,))
    models = [
        keras.Sequential(
            [keras.Input((3,)), L.Dense(3, name=name), L.Dropout(0.5, name="drop")], name=n
        )
        for n, name in (("one", first), ("two", second))
    ]
    return keras.Model(inputs, L.Dense(2, name="head")(models[1](models[0](inputs)))), models


def test_layers_of_one_name_have_their_models_in_their_paths():
    model, models = nest("d", "d")
    found = paths_apart(model)
    for holder in models:
        dense, drop = holder.layers
        told = [found[id(each)] for each in (dense, drop)]
        assert told == [f"{holder.name}/{end}" for end in ("d", "drop")]
    assert id(model.get_layer("head")) not in found


def test_other_layers_keep_keras_paths():
    model, _ = nest("a", "b")
    assert sorted(paths_apart(model).values()) == ["one/drop", "two/drop"]


# Has two layers of one name, and that of one beside it.
Block = own_class(
    lambda self, x: self.second(self.first(x)),
    first=lambda: L.Dense(3, name="dense"),
    second=lambda: L.Dense(3, name="dense"),
)


def test_a_layer_that_comes_behind_others_of_its_name_keeps_it_in_its_paths():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, L.Dense(2, name="dense")(Block()(inputs)))
    weights = weights_of(model)
    found = paths_on_top(model, weights)
    assert found == {f"dense#3.{end}": f"dense/{end}" for end in ("kernel", "bias")}
    assert weights.variables["dense#3.kernel"] is model.get_layer("dense").kernel
    plain, _ = nest("a", "b")
    assert paths_on_top(plain, weights_of(plain)) == {}
