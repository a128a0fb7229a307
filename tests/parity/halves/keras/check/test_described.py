"""What a port is written of: the config of a model, also of one that no sample has built yet."""

import keras
import numpy as np
from rows import each_row

from keras_impl import Reference
from parity.halves.keras.check.described import described
from parity.programs.check_spec import CheckSpec

L = keras.layers


def sequential(x=None):
    def build():
        model = keras.Sequential([L.Dense(2), L.Dense(1)])
        model.compile("sgd", "mse")
        return Reference(model) if x is None else Reference(model, x=x, y=np.ones(len(x)))

    return build


@each_row("shape", [(8, 3), (8, 5, 3)])
def test_a_sequential_without_an_input_is_built_for_the_samples_of_fit(shape):
    _, found, _ = described(sequential(np.ones(shape, "float32")), CheckSpec())
    first = found["model"]["config"]["layers"][0]
    assert first["class_name"] == "InputLayer"
    assert first["config"]["batch_shape"] == [None, *shape[1:]]


def test_without_samples_it_stays_as_it_is():
    _, found, _ = described(sequential(), CheckSpec())
    assert [each["class_name"] for each in found["model"]["config"]["layers"]] == ["Dense", "Dense"]


def test_arguments_of_fit_that_no_port_has_are_told_and_usual_ones_are_not():
    def build():
        return Reference(
            sequential(np.ones((8, 3)))().model, x=np.ones((8, 3)), steps_per_epoch=2, epochs=3
        )

    _, found, _ = described(build, CheckSpec())
    assert found["fit"]["epochs"] == 3
    assert found["fit"]["others"] == {"steps_per_epoch": 2}


def test_an_input_is_no_layer_that_two_models_share_and_a_dense_is_one():
    """As in an autoencoder, whose encoder begins with the input of the whole model."""
    shared = L.Dense(3, name="shared")

    def build():
        x = keras.Input((4,), name="x")
        encoder = keras.Model(x, shared(L.Dense(4)(x)), name="encoder")
        z = keras.Input((3,), name="z")
        decoder = keras.Model(z, L.Dense(4)(z), name="decoder")
        return keras.Model(x, decoder(encoder(x)))

    assert described(build, CheckSpec())[1]["shared"] == []

    def twice():
        x = keras.Input((4,), name="x")
        one = keras.Model(x, shared(x), name="one")
        return keras.Model(x, L.Add()([one(x), shared(x)]))

    assert described(twice, CheckSpec())[1]["shared"] == ["shared"]


def test_a_subclassed_model_that_bears_no_batch_of_any_size_is_a_problem_in_one_line():
    class Counting(keras.Model):
        def call(self, x):
            return x * np.ones((len(np.asarray(x)), 1))

    _, found, _ = described(lambda: Reference(Counting(), input_shapes=[(5,)]), CheckSpec())
    assert found["model"] is None
    assert found["problem"]
    assert "\n" not in found["problem"]


@each_row("inside", [False, True])
def test_a_weight_that_a_graph_computes_with_itself_is_told(inside):
    """A config would have its numbers, which do not train."""

    def build():
        x = keras.Input((4,), name="x")
        dense = L.Dense(4, name="first")
        model = keras.Model(x, keras.ops.matmul(dense(x), dense.kernel), name="inner")
        return keras.Sequential([keras.Input((4,)), model]) if inside else model

    _, _, own = described(build, CheckSpec())
    assert [each.partition(", a weight")[0] for each in own["problems"]] == [
        "layer 'matmul': it computes with 'first/kernel'"
    ]


@each_row("seed, told", [(None, None), (7, 7)])
def test_a_random_crop_tells_the_seed_of_its_generator_and_none_that_keras_draws(seed, told):
    def factory():
        crop = keras.layers.RandomCrop(4, 4, seed=seed, name="crop")
        model = keras.Sequential([keras.Input((6, 6, 1)), crop, keras.layers.Flatten()])
        model.compile("sgd", "mse")
        return model

    reference, found, _ = described(factory, CheckSpec())
    assert found["model"]["config"]["layers"][1]["config"]["seed"] == told
    assert any(name.endswith("crop/seed") for name, _ in found["draws"]) == (seed is None)
    layer = reference.model.get_layer("crop")
    assert layer.seed == seed or (seed is None and isinstance(layer.seed, int))
