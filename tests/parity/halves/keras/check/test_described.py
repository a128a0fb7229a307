"""What a port is written of: the config of a model, also of one that no sample has built yet."""

from functools import partial

import keras
import numpy as np
from own_classes import own_class
from rows import each_row
from small_keras import net

from keras_impl import Reference
from parity.halves.keras.check.described import described
from parity.programs.check_spec import CheckSpec

L = keras.layers


def told(factory):
    return described(factory, CheckSpec())[1]


def layers_of(**given):
    """What is told of the layers of a model without an input, and of its `fit`."""

    def build():
        model = keras.Sequential([L.Dense(2), L.Dense(1)])
        model.compile("sgd", "mse")
        return Reference(model, **given)

    found = told(build)
    return found["model"]["config"]["layers"], found["fit"]


@each_row("shape", [(8, 3), (8, 5, 3)])
def test_a_sequential_without_an_input_is_built_for_the_samples_of_fit_if_it_has_some(shape):
    (first, *_), _ = layers_of(x=np.ones(shape, "float32"), y=np.ones(8))
    shape = [None, *shape[1:]]
    assert (first["class_name"], first["config"]["batch_shape"]) == ("InputLayer", shape)
    assert [each["class_name"] for each in layers_of()[0]] == ["Dense", "Dense"]


def test_arguments_of_fit_that_no_port_has_are_told_and_usual_ones_are_not():
    _, fit = layers_of(x=np.ones((8, 3)), steps_per_epoch=2, epochs=3)
    assert (fit["epochs"], fit["others"]) == (3, {"steps_per_epoch": 2})


def test_an_input_is_no_layer_that_two_models_share_and_a_dense_is_one():
    """As in an autoencoder, whose encoder begins with the input of the whole model."""
    shared, x, z = L.Dense(3, name="shared"), keras.Input((4,)), keras.Input((3,))
    encoder = keras.Model(x, shared(L.Dense(4)(x)), name="encoder")
    decoder = keras.Model(z, L.Dense(4)(z), name="decoder")
    assert told(lambda: keras.Model(x, decoder(encoder(x))))["shared"] == []
    one = keras.Model(x, shared(x), name="one")
    assert told(lambda: keras.Model(x, L.Add()([one(x), shared(x)])))["shared"] == ["shared"]


def test_a_subclassed_model_that_bears_no_batch_of_any_size_is_a_problem_in_one_line():
    counting = own_class(lambda self, x: x * np.ones((len(np.asarray(x)), 1)), keras.Model)
    found = told(lambda: Reference(counting(), input_shapes=[(5,)]))
    assert (found["model"], len(found["problem"].splitlines())) == (None, 1)


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
    crop = partial(L.RandomCrop, 4, 4, seed=seed, name="crop")
    reference, found, _ = described(lambda: net(crop(), L.Flatten(), shape=(6, 6, 1)), CheckSpec())
    draws = any(name.endswith("crop/seed") for name, _ in found["draws"])
    assert (found["model"]["config"]["layers"][1]["config"]["seed"], draws) == (told, seed is None)
    kept = reference.model.get_layer("crop").seed
    assert kept == seed or (seed is None and isinstance(kept, int))
