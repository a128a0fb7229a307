"""Twins of whole models: shared layers, models in models, several ends, operations, weights."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from helpers import assert_same_weights
from keras import layers as L
from keras import ops
from keras.src.applications import convnext
from rows import each_row
from test_twin_layers import BAR, assert_twin, computed, difference, fill_weights, twin_of, values
from torch import nn

from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.graph import tensors_in
from torch_impl.keras_config.model import legal_name
from torch_impl.keras_config.rules import NoTwinError
from torch_impl.layers.activations import ACTIVATIONS

IMAGES, FEATURES = (7, 6, 3), (5,)


pytestmark = pytest.mark.usefixtures("float64")


def constants():
    """Numbers and arrays beside tensors, on either side, in operations and in a layer."""
    inputs = L.Input(FEATURES)
    row, column = values(FEATURES, 1), np.arange(1, 6)
    x = inputs * 2.0 + row - 3
    x = ops.subtract(row.astype("float32"), x) / tf.constant(column) + 1 / (2 + ops.abs(x))
    y = L.Add()([x, tf.constant(values((1, *FEATURES), 2))])
    return keras.Model(inputs, [ops.matmul(x, values((5, 2), 3)), L.Concatenate()([y, 2.5 - x])])


def nested():
    """A functional model called twice, and a Sequential of which a layer has the same name."""
    inner_input, inputs = L.Input(FEATURES), L.Input(FEATURES)
    inner = keras.Model(inner_input, L.Dense(5, name="dense")(inner_input), name="inner")
    chain = keras.Sequential([L.Input(FEATURES), L.Dense(5, name="dense")], name="chain")
    x = inner(inner(inputs))
    return keras.Model(inputs, [L.Dense(2, name="dense")(chain(x)), x])


def wrapped():
    """Models inside of wrappers, Sequential in functional in Sequential."""
    step = keras.Sequential([L.Input((6, 3)), L.Conv1D(4, 2), L.GlobalMaxPooling1D(), L.Dense(3)])
    last, inner_input = keras.Sequential([L.Input((2,)), L.ELU()]), L.Input((3,))
    chain = keras.Sequential([L.Input((3,)), L.Dense(2), last])
    inner = keras.Model(inner_input, L.Add()([chain(inner_input), L.Dense(2)(inner_input)]))
    each = [L.TimeDistributed(part) for part in (step, inner, L.ReLU())]
    return keras.Sequential([L.Input((4, 6, 3)), *each, L.Bidirectional(L.GRU(2)), L.Dense(1)])


def named_ends():
    """An inner model takes and returns tensors by name, and is called twice."""
    first, second = L.Input((3,), name="zeta"), L.Input((4,), name="beta")
    ends = {"t": L.Dense(2)(first), "s": L.Dense(3)(second)}
    inner = keras.Model({"zeta": first, "beta": second}, ends)
    outer = [L.Input((3,)), L.Input((4,))]
    calls = [{"zeta": x, "beta": outer[1]} for x in (outer[0], L.Dense(3)(outer[0]))]
    found, again = map(inner, calls)
    return keras.Model(outer, [found["t"] * again["t"], again["s"] - found["s"]])


def shared():
    """One Dense called three times, on its own output too."""
    first, second, dense = L.Input(FEATURES), L.Input(FEATURES), L.Dense(5, activation="tanh")
    x, y = dense(dense(first)), dense(second)
    return keras.Model([first, second], [L.Concatenate()([x, y]), y])


def masked():
    inputs = L.Input((3, 4))
    x = L.Softmax(axis=(1, 2))(inputs, mask=np.array([True, False, True, True]))
    return keras.Model(inputs, L.Softmax()(x, mask=np.array([[0.2], [1.0], [0.7]])))


def nested_ends():
    """An inner model of two inputs and two outputs is the output itself."""
    first, second, *outer = (L.Input(shape) for shape in 2 * [FEATURES, (3,)])
    inner = keras.Model([first, second], [L.Dense(2)(second), L.Dense(4)(first)])
    return keras.Model(outer, inner(outer))


def several_of_an_operation():
    inputs = L.Input((6,))
    first, second, third = ops.split(inputs, 3, axis=1)
    values, places = ops.top_k(inputs, 2)
    return keras.Model(inputs, [L.Concatenate()([third, first * second]), values, places * 1.0])


def operations():
    inputs = L.Input(IMAGES)
    x = ops.relu(inputs) * 2.0 + 0.3 - inputs / 7.0
    x = ops.maximum(x, inputs) - 1 / (ops.square(inputs) + 2)
    y = ops.mean(x, axis=(1, 2)) + ops.sum(x, axis=[1, 2]) - ops.max(x, axis=(1, 2))
    z = ops.concatenate([ops.reshape(x[:, 1:4, ::2], (-1, 27)), ops.softmax(y)], axis=-1)
    z = ops.transpose(ops.expand_dims(z, 1), (0, 2, 1))
    return keras.Model(inputs, [ops.squeeze(z, -1), ops.abs(-y) ** 1.5, ops.clip(y, -1, 1)])


def activations():
    inputs = L.Input((4,))
    names = sorted(set(ACTIVATIONS) - {"glu", "threshold", "exponential"})
    return keras.Model(inputs, [L.Dense(6, activation=name)(inputs) for name in names])


def convolutional():
    return keras.Sequential(
        [
            L.Input(IMAGES),
            L.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.Dropout(0.25, seed=3),
            L.MaxPooling2D(2, padding="same"),
            L.Flatten(),
            L.Dense(5, activation="softmax"),
        ]
    )


MODELS = {
    "constants": (constants, [FEATURES]),
    "masked": (masked, [(3, 4)]),
    "convolutional": (convolutional, [IMAGES]),
    "shared": (shared, [FEATURES, FEATURES]),
    "nested": (nested, [FEATURES]),
    "nested_ends": (nested_ends, [FEATURES, (3,)]),
    "operations": (operations, [IMAGES]),
    "wrapped": (wrapped, [(4, 6, 3)]),
    "named_ends": (named_ends, [(3,), (4,)]),
    "several_of_an_operation": (several_of_an_operation, [(6,)]),
    "activations": (activations, [(4,)]),
}


def test_ends_have_keras_structure():
    """A list of one is its entry."""
    first, second, third = L.Input((3,), name="x"), L.Input((4,), name="b"), L.Input((2,))
    dense = L.Dense(2, name="ends")(first)
    one, two, three = (torch.tensor(values((2, size), size)) for size in (3, 4, 2))
    in_lists = keras.Model([first, [second, third]], [dense, [third, second]])
    by_name = keras.Model({"x": first, "b": second}, {"out": dense, "same": second})
    for model, given, wanted in (
        (in_lists, [one, [two, three]], lambda y: [y, [three, two]]),
        (by_name, {"x": one, "b": two}, lambda y: {"out": y, "same": two}),
        (keras.Model([first], [dense]), one, lambda y: y),
    ):
        twin = pair(model)[1]
        expected = wanted(twin.get_submodule("ends")(one))
        torch.testing.assert_close(twin(given), expected, rtol=0, atol=0)


def test_weights_come_and_go_by_path_with_or_without_the_model_before_it():
    """Seeds among the variables are no weights."""
    model, twin = pair(convolutional())
    found = twin.keras_weights()
    assert [f"{model.name}/{name}" for name in found] == [weight.path for weight in model.weights]
    variables = {v.path: v.numpy() for v in model.variables}
    by_path = {path: array for path, array in variables.items() if "seed" not in path}
    dotted = {path.replace("/", "."): array for path, array in by_path.items()}
    below = {f"any/{path}": array for path, array in by_path.items()}
    for weights in (found, variables, dotted, below):
        again = from_keras_config(model.get_config())
        again.load_keras_weights(weights)
        assert_same_weights(again.keras_weights(), found)
    for weights, message in (
        (dict([*found.items()][1:]), r"weights \[\] are unknown, and \['.*'\] are missing"),
        ({**variables, "other": np.zeros(3)}, r"weights \['other'\] are unknown"),
        ([np.zeros(2)], "1 weights: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            twin.load_keras_weights(weights)


def of_layers(*layers, shape=FEATURES, **options):
    """The config of a Sequential, or of one without a shape."""
    first = [] if shape is None else [L.Input(shape)]
    return keras.Sequential([*first, *layers], **options).get_config()


def quantized():
    layer = L.Dense(2, name="head")
    model = keras.Sequential([L.Input((4,)), layer])
    layer.quantize("int8")
    return model.get_config()


def without(setting):
    config = of_layers(L.Dense(2, name="head"))
    del config["layers"][1]["config"][setting]
    return config


TEXT = {"dtype": "string"}
REFUSED = {
    "layer": (
        lambda: of_layers(L.RandomElasticTransform(0.3, name="head"), shape=IMAGES),
        "of class 'RandomElasticTransform': no layer of torch_impl makes its images; put it in",
    ),
    "channels_first": (
        lambda: of_layers(L.MaxPooling2D(data_format="channels_first", name="head"), shape=IMAGES),
        "with data_format='channels_first': expected 'channels_last'",
    ),
    "own_cell": (
        lambda: of_layers(L.RNN(OwnCell(3), name="head"), shape=(4, 3)),
        r"of class 'RNN': cell of class 'OwnCell': expected \['GRUCell', 'LSTMCell',",
    ),
    "half": (
        lambda: of_layers(L.Dense(3, dtype="mixed_float16", name="head")),
        "dtype policy 'mixed_float16': expected",
    ),
    "renorm": (
        lambda: of_layers(L.BatchNormalization(renorm=True, name="head")),
        "renorm=True: expected False",
    ),
    "lambda": (
        lambda: of_layers(L.Dense(3, activation=lambda x: x, name="head")),
        "activation is a lambda, which a",
    ),
    "function": (
        lambda: of_layers(L.Dense(3, activation=ops.sin, name="head")),
        "activation is the function 'sin'",
    ),
    "quantized": (quantized, "dtype policy 'QuantizedDTypePolicy'"),
    "no setting": (lambda: without("use_bias"), "of class 'Dense': KeyError: 'use_bias'"),
    "one name of two": (
        lambda: of_layers(L.Dense(3, name="a.b"), L.Dense(3, name="a_b")),
        "layers 'a.b' and 'a_b' have one name",
    ),
    "one name of two, made": (
        lambda: of_layers(L.Dense(3, name="forward_"), L.Dense(3, name="forward")),
        "layers 'forward_' and 'forward' have one name",
    ),
    "operation": (
        lambda: keras.Model(x := L.Input(FEATURES), ops.i0(x)).get_config(),
        "operation 'I0': expected one of the operations in",
    ),
    "no model": (lambda: {"name": "dense"}, "expected that of a model, with 'layers'"),
    "text": (
        lambda: {"layers": [{"class_name": "InputLayer", "config": {"name": "words", **TEXT}}]},
        "^layer 'words' of class 'InputLayer': dtype='string'",
    ),
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@each_row("make, message", REFUSED.values(), ids=REFUSED)
def test_what_has_no_twin_is_an_error_that_names_the_layer(make, message):
    config = make()
    with pytest.raises(ValueError, match=message) as error:
        from_keras_config(config)
    assert len(str(error.value)) < 400
    assert ("'head'" in str(error.value)) == ("head" in str(config))


def test_all_problems_of_a_sequential_that_is_not_built_are_told_with_its_name():
    config = of_layers(L.Dense(4, name="own"), L.BatchNormalization(), shape=None, name="head")
    config["layers"][0]["config"]["kernel_initializer"]["class_name"] = "MyStart"
    with pytest.raises(NoTwinError) as error:
        from_keras_config(config)
    first, second = error.value.problems
    assert first == (
        "Sequential 'head' without an input shape: expected a model that was built, such as one "
        "whose first layer is keras.Input(shape)"
    )
    assert second.startswith("layer 'own' of class 'Dense': ")


def test_what_goes_wrong_in_a_call_of_a_layer_has_its_name():
    twin = from_keras_config(of_layers(L.Dense(2, name="head")))
    with pytest.raises(NoTwinError, match=r"^layer 'head' of class 'Dense': RuntimeError: mat1"):
        twin(torch.zeros(3, 4))


@each_row("make, shapes", MODELS.values(), ids=MODELS)
def test_the_twin_of_a_model_is_the_model(make, shapes):
    assert_twin(make(), shapes)


def pair(model):
    """A model with random weights, and its twin with the same."""
    fill_weights(model)
    return model, twin_of(model).eval()


def test_weights_without_a_name_come_by_the_number_that_keras_gives_them():
    inputs = keras.Input((4,))
    scales = [convnext.LayerScale(0.5, 4, name=name) for name in ("first", "second")]
    model, twin = pair(keras.Model(inputs, scales[1](L.Activation("tanh")(scales[0](inputs)))))
    weights = {w.path: w.numpy() for w in model.weights}
    assert re.fullmatch(r"second/variable_\d+", list(weights)[1])
    x = values((2, 4), 3)
    assert difference(computed(twin, x), model(x).numpy()) <= BAR
    twin.load_keras_weights(dict(zip(weights, reversed(weights.values()), strict=True)))
    assert difference(computed(twin, x), model(x).numpy()) > 0.01


@each_row(
    "name, legal",
    [("a.b", "a_b"), ("forward", "forward_"), ("training", "training_"), ("graph", "graph_")],
)
def test_a_name_that_torch_does_not_allow_is_changed_and_still_takes_its_weights(name, legal):
    model, twin = pair(keras.Sequential([L.Input((3,)), L.Dense(2, name=name)]))
    assert legal_name(name) == legal
    assert isinstance(twin.get_submodule(legal), nn.Linear)
    assert list(twin.keras_weights()) == [f"{name}/kernel", f"{name}/bias"]
    x = values((2, 3), 0)
    assert difference(computed(twin, x), model(x).numpy()) <= BAR


def test_inputs_come_beside_each_other_in_a_list_or_by_name():
    first, second = L.Input((3,), name="first"), L.Input((3,), name="second")
    _, twin = pair(keras.Model([second, first], L.Subtract()([first, second])))
    one, two = torch.ones(1, 3), torch.full((1, 3), 2.0)
    for inputs in ((two, one), ([two, one],), ({"first": one, "second": two},)):
        assert twin(*inputs).tolist() == [[-1.0] * 3]
    for given, message in (
        (one, "1 inputs: expected 2"),
        ({"third": one}, r"inputs \['third'\]: expected \['first', 'second'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            twin(given)


def test_lists_and_dictionaries_in_a_dictionary_of_inputs_have_their_places():
    """By name at each level, and in a row as Keras's config has them."""
    a, b, c, d = (L.Input((2,), name=name) for name in "abcd")
    ends = {"last": L.Subtract()([a, c]), "first": [b * 1.0, d * 1.0]}
    model, twin = pair(keras.Model({"z": [c, a], "m": {"y": d, "x": b}}, ends))
    arrays = {name: values((3, 2), n) for n, name in enumerate("abcd")}
    one = {name: torch.tensor(array) for name, array in arrays.items()}

    def nest(each):
        return {"z": [each["c"], each["a"]], "m": {"x": each["b"], "y": each["d"]}}

    in_a_row = twin(*(one[place.layer] for place in tensors_in(twin.graph.inputs)))
    for made in (twin(nest(one)), in_a_row):
        keras.tree.map_structure(np.testing.assert_array_equal, made, model(nest(arrays)))
    for wrong, message in (
        ({"z": [one["a"]]}, "1 inputs under 'z': expected 2"),
        ({"m": one["a"]}, r"input 'm': expected a dictionary of \['x', 'y'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            twin({**nest(one), **wrong})


class OwnCell(L.SimpleRNNCell):
    """A class of the user, whose equations nobody knows."""
