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


pytestmark = pytest.mark.usefixtures("in_float64")


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
    # All asked for another one: nothing is special about any.
    assert (dtypes(model), cast_layers(model)) == ({"float64"}, [])
    assert keras.config.floatx() == versions.global_policy() == "float64"


@each_row("given, expected", [("float16", "float64"), ("uint8", "uint8")])
def test_inputs_of_float32_and_less_are_of_float64_and_whole_numbers_stay(given, expected):
    whole = lambda: L.Identity(dtype="int32", name="whole")  # noqa: E731
    model = built(nets.chain(lambda: L.Dense(2), whole, dtype=given))
    assert (model.inputs[0].dtype, model.get_layer("whole").dtype) == (expected, "int32")


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
    assert {v.dtype for v in model.weights} == {"float64"}
    assert cast_layers(model) == [layer.name for layer in model.layers]


def test_another_error_of_a_layer_is_raised_as_it_is():
    methods = [(L.Layer, n) for n in ("__init__", "__call__", "add_weight")]
    methods.append((L.InputLayer, "__init__"))
    before = [getattr(*method) for method in methods]
    with pytest.raises(ValueError, match="Dimensions must be equal"):
        built(nets.chain(own_class(lambda self, x: x @ tf.zeros((7, 2), x.dtype))))
    assert [getattr(*method) for method in methods] == before


# --- whole checks --------------------------------------------------------------------------------


def ported(divisor):
    """The port rounds its input to float32, which changes nothing."""

    def run(net, x):
        return net.out(net.first(x.float().double()) / divisor).softmax(-1)

    return lambda: initialised(Net(run, first=nn.Linear(6, 4), out=nn.Linear(4, 3)))


def test_a_port_that_is_right_passes_and_one_that_is_not_fails(tmp_path):
    build = nets.chain(
        lambda: L.Dense(4, name="first"),
        nets.InFloat32,
        lambda: L.Dense(3, name="out"),
        lambda: L.Activation("softmax", dtype="float32", name="pinned"),
        loss="categorical_crossentropy",
        dtype="float32",
    )
    keras_trace = recorded(build, tmp_path / "keras", steps=1)
    assert "pinned" in keras_trace.facts["cast_to_float64"]
    written = [keras_trace[f"forward/{key}"] for key in keras_trace.below("forward")]
    assert {array.dtype for array in written} == {np.dtype(np.float64)}
    for divisor, verdict in ((3, True), (3.0001, False)):
        found = levels(keras_trace, ported(divisor), tmp_path / str(verdict))
        outputs = [item for item in found["forward"].items if item.name.startswith("output (")]
        assert [item.worst <= item.allowed for item in outputs] == [verdict] * 2
        assert all(item.allowed <= 1e-5 for item in outputs)


@each_row("is_built_before", [True, False])
def test_an_operation_without_a_kernel_for_float64_computes_in_float32_and_is_told(is_built_before):
    def normed():
        norm = tf.nn.local_response_normalization
        return own_class(lambda self, x: norm(x, depth_radius=1))(name="normed")

    own = own_class(lambda self, x: self.normed(x), keras.Model, normed=normed)
    model = built(nets.chain(normed, shape=(4, 3, 2)) if is_built_before else own)
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 3, 2)))
    with in_float64():
        made = model(x)
    expected = tf.nn.local_response_normalization(tf.cast(x, tf.float32), depth_radius=1)
    np.testing.assert_array_equal(made, tf.cast(expected, tf.float64))
    assert (made.dtype, float32_layers(model)) == ("float64", ["normed"])
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
