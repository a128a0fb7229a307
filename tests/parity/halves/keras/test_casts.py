"""A check computes in float64, whatever dtype the layers of a program ask for."""

import keras
import numpy as np
import odd_nets as nets
import pytest
import tensorflow as tf
from both_halves import levels, recorded
from own_classes import own_class
from rows import each_row
from small_nets import Net, initialised
from torch import nn

from parity.halves.keras import versions
from parity.halves.keras.casts import cast_layers, float32_layers, in_float64, left_out
from parity.halves.keras.factories import call_factory

L = keras.layers


@pytest.fixture(autouse=True)
def _float64():
    versions.use_dtype("float64")


def built(build):
    return call_factory(build, 0).model


def dtypes(model):
    return {layer.compute_dtype for layer in model.layers} | {v.dtype for v in model.weights}


@each_row("dtype", ["float32", "float16", "mixed_bfloat16", keras.DTypePolicy("mixed_float16")])
def test_a_layer_that_asks_for_another_dtype_gets_float64_and_is_told(dtype):
    model = built(
        nets.chain(lambda: L.Dense(3, name="first"), lambda: L.Dense(2, dtype=dtype, name="pinned"))
    )
    assert dtypes(model) == {"float64"}
    assert cast_layers(model) == ["pinned"]


def test_a_policy_that_the_factory_sets_does_not_last():
    def build():
        keras.config.set_dtype_policy("mixed_float16")
        keras.config.set_floatx("float32")
        return nets.chain(lambda: L.Dense(3), lambda: L.Activation("relu", dtype="float32"))()

    model = built(build)
    assert dtypes(model) == {"float64"}
    assert cast_layers(model) == []  # all asked for another one: nothing is special about any
    assert keras.config.floatx() == versions.global_policy() == "float64"


def test_layers_of_whole_numbers_keep_their_dtype():
    layer = built(nets.chain(lambda: L.Dense(2), lambda: L.Identity(dtype="int32", name="whole")))
    assert layer.get_layer("whole").dtype == "int32"


def test_an_input_of_float32_is_one_of_float64_and_one_of_pixels_stays():
    assert built(nets.chain(lambda: L.Dense(1), dtype="float16")).inputs[0].dtype == "float64"
    assert built(nets.chain(lambda: L.Dense(1), dtype="uint8")).inputs[0].dtype == "uint8"


@each_row("is_inner", [False, True])
def test_code_in_float32_computes_in_float64(is_inner):
    outer = own_class(lambda self, x: self.inner(x), inner=nets.Third)
    layer = outer if is_inner else nets.Third
    model = built(nets.chain(lambda: L.Dense(3), layer, lambda: L.Dense(2)))
    x = np.random.default_rng(0).normal(size=(4, 3))
    with in_float64():
        y = model.layers[1](tf.constant(x))
    np.testing.assert_array_equal(y, x * 0.3)
    assert float32_layers(model) == []


def test_a_weight_in_float32_becomes_float64():
    model = built(nets.chain(nets.Scale))
    (layer,) = model.layers
    assert {v.dtype for v in layer.weights} == {"float64"}
    assert cast_layers(model) == [layer.name]


def test_another_error_of_a_layer_is_raised_as_it_is():
    class Wrong(L.Layer):
        def call(self, x):
            return x @ tf.zeros((7, 2), x.dtype)

    before = L.Layer.__init__, L.Layer.__call__, L.Layer.add_weight, L.InputLayer.__init__
    with pytest.raises(ValueError, match="Dimensions must be equal"):
        built(nets.chain(Wrong))
    after = L.Layer.__init__, L.Layer.__call__, L.Layer.add_weight, L.InputLayer.__init__
    assert before == after


# --- whole checks --------------------------------------------------------------------------------


def ported(between):
    """The port rounds its input to float32, which changes nothing."""

    def run(net, x):
        return net.out(between(net.first(x.float().double()))).softmax(-1)

    return lambda: initialised(Net(run, first=nn.Linear(6, 4), out=nn.Linear(4, 3)))


CHECKS = {
    "cast": (nets.InFloat32, lambda x: x / 3, lambda x: x / 3.0001),
}


@pytest.mark.parametrize(("layer", "right", "wrong"), CHECKS.values(), ids=CHECKS)
def test_a_port_that_is_right_passes_and_one_that_is_not_fails(layer, right, wrong, tmp_path):
    build = nets.chain(
        lambda: L.Dense(4, name="first"),
        layer,
        lambda: L.Dense(3, name="out"),
        lambda: L.Activation("softmax", dtype="float32", name="pinned"),
        loss="categorical_crossentropy",
        dtype="float32",
    )
    keras_trace = recorded(build, tmp_path / "keras", steps=1)
    assert "pinned" in keras_trace.facts["cast_to_float64"]
    written = [keras_trace[f"forward/{key}"] for key in keras_trace.below("forward")]
    assert {array.dtype for array in written} == {np.dtype(np.float64)}
    for between, verdict in ((right, True), (wrong, False)):
        found = levels(keras_trace, ported(between), tmp_path / str(verdict))
        outputs = [item for item in found["forward"].items if item.name.startswith("output (")]
        assert len(outputs) == 2
        assert all((item.worst <= item.allowed) is verdict for item in outputs)
        assert all(item.allowed <= 1e-5 for item in outputs)


@each_row("is_built_before", [True, False])
def test_an_operation_without_a_kernel_for_float64_computes_in_float32_and_is_told(is_built_before):
    normed = own_class(lambda self, x: tf.nn.local_response_normalization(x, depth_radius=1))
    own = own_class(
        lambda self, x: self.normed(x), keras.Model, normed=lambda: normed(name="normed")
    )
    build = nets.chain(lambda: normed(name="normed"), shape=(4, 3, 2)) if is_built_before else own
    model = built(build)
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 3, 2)))
    with in_float64():
        made = model(x)
    assert made.dtype == "float64"
    expected = tf.nn.local_response_normalization(tf.cast(x, tf.float32), depth_radius=1)
    np.testing.assert_array_equal(made, tf.cast(expected, tf.float64))
    assert float32_layers(model) == ["normed"]
    (told,) = left_out(model)
    assert told["what"] == "normed in float64"
    assert "no kernel" in told["why"]


def test_a_policy_of_sixteen_bits_is_told_of_every_layer():
    def build():
        keras.config.set_dtype_policy("mixed_bfloat16")
        return nets.chain(lambda: L.Dense(3, name="a"), lambda: L.Dense(2, name="b"))()

    (told,) = left_out(built(build))
    assert told["what"] == "how a, b round"
    assert told["why"].startswith("the program asks for mixed_bfloat16 there")
