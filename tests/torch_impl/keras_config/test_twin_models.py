"""Twins of whole models: shared layers, models in models, several ends, operations, weights."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers as L
from keras import ops
from keras.src.applications import convnext
from rows import each_row
from test_twin_layers import BAR, assert_twin, difference, fill_weights, values
from torch import nn

from torch_impl.keras_config import KerasModel, from_keras_config
from torch_impl.keras_config.graph import tensors_in
from torch_impl.keras_config.model import legal_name
from torch_impl.keras_config.problems import NoTwinError
from torch_impl.layers.activations import ACTIVATIONS
from torch_impl.weights import get_weights, read

IMAGES, FEATURES = (7, 6, 3), (5,)


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


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


def residual():
    x = inputs = L.Input(IMAGES)
    for filters in (4, 4):
        y = L.Conv2D(filters, 3, padding="same", activation="relu")(x)
        y = L.BatchNormalization()(y)
        x = L.Conv2D(filters, 1)(x)
        x = L.Add()([x, y])
    # Not a mean over the image, which is constant after BatchNormalization.
    return keras.Model(inputs, L.GlobalMaxPooling2D()(x))


def shared():
    """One Dense called three times, on its own output too."""
    first, second = L.Input(FEATURES), L.Input(FEATURES)
    dense = L.Dense(5, activation="tanh")
    x, y = dense(dense(first)), dense(second)
    return keras.Model([first, second], [L.Concatenate()([x, y]), y])


def nested():
    """A functional model called twice, and a Sequential of which a layer has the same name."""
    inner_input = L.Input(FEATURES)
    inner = keras.Model(inner_input, L.Dense(5, name="dense")(inner_input), name="inner")
    chain = keras.Sequential([L.Input(FEATURES), L.Dense(5, name="dense")], name="chain")
    inputs = L.Input(FEATURES)
    x = inner(inner(inputs))
    return keras.Model(inputs, [L.Dense(2, name="dense")(chain(x)), x])


def nested_ends():
    """An inner model of two inputs and two outputs is the output itself."""
    first, second = L.Input(FEATURES), L.Input((3,))
    inner = keras.Model([first, second], [L.Dense(2)(second), L.Dense(4)(first)])
    outer = [L.Input(FEATURES), L.Input((3,))]
    return keras.Model(outer, inner(outer))


def recurrent():
    """States go from one layer into another."""
    inputs = L.Input((6, 3))
    x, *states = L.LSTM(4, return_sequences=True, return_state=True)(inputs)
    return keras.Model(inputs, L.LSTM(4)(x, initial_state=states))


def operations():
    inputs = L.Input(IMAGES)
    x = ops.relu(inputs) * 2.0 + 0.3 - inputs / 7.0
    x = ops.maximum(x, inputs) - 1 / (ops.square(inputs) + 2)
    y = ops.mean(x, axis=(1, 2)) + ops.sum(x, axis=[1, 2]) - ops.max(x, axis=(1, 2))
    z = ops.concatenate([ops.reshape(x[:, 1:4, ::2], (-1, 27)), ops.softmax(y)], axis=-1)
    z = ops.transpose(ops.expand_dims(z, 1), (0, 2, 1))
    return keras.Model(inputs, [ops.squeeze(z, -1), ops.abs(-y) ** 1.5, ops.clip(y, -1, 1)])


def constants():
    """Numbers and arrays beside tensors, on either side, in operations and in a layer."""
    inputs = L.Input(FEATURES)
    row, column = values(FEATURES, 1), np.arange(1, 6)
    x = inputs * 2.0 + row - 3
    x = ops.subtract(row.astype("float32"), x) / tf.constant(column) + 1 / (2 + ops.abs(x))
    y = L.Add()([x, tf.constant(values((1, *FEATURES), 2))])
    return keras.Model(inputs, [ops.matmul(x, values((5, 2), 3)), L.Concatenate()([y, 2.5 - x])])


def masked():
    inputs = L.Input((3, 4))
    x = L.Softmax(axis=(1, 2))(inputs, mask=np.array([True, False, True, True]))
    return keras.Model(inputs, L.Softmax()(x, mask=np.array([[0.2], [1.0], [0.7]])))


MODELS = {
    "constants": (constants, [FEATURES]),
    "masked": (masked, [(3, 4)]),
    "convolutional": (convolutional, [IMAGES]),
    "residual": (residual, [IMAGES]),
    "shared": (shared, [FEATURES, FEATURES]),
    "nested": (nested, [FEATURES]),
    "nested_ends": (nested_ends, [FEATURES, (3,)]),
    "recurrent": (recurrent, [(6, 3)]),
    "operations": (operations, [IMAGES]),
}


@each_row("make, shapes", MODELS.values(), ids=MODELS)
def test_the_twin_of_a_model_is_the_model(make, shapes):
    assert_twin(make(), shapes)


def wrapped():
    """Models inside of wrappers, Sequential in functional in Sequential."""
    step = keras.Sequential([L.Input((6, 3)), L.Conv1D(4, 2), L.GlobalMaxPooling1D(), L.Dense(3)])
    inner_input = L.Input((3,))
    chain = keras.Sequential(
        [L.Input((3,)), L.Dense(2), keras.Sequential([L.Input((2,)), L.ELU()])]
    )
    inner = keras.Model(inner_input, L.Add()([chain(inner_input), L.Dense(2)(inner_input)]))
    each = [L.TimeDistributed(step), L.TimeDistributed(inner), L.TimeDistributed(L.ReLU())]
    return keras.Sequential([L.Input((4, 6, 3)), *each, L.Bidirectional(L.GRU(2)), L.Dense(1)])


def named_ends():
    """An inner model takes and returns tensors by name, and is called twice."""
    first, second = L.Input((3,), name="zeta"), L.Input((4,), name="beta")
    ends = {"t": L.Dense(2)(first), "s": L.Dense(3)(second)}
    inner = keras.Model({"zeta": first, "beta": second}, ends)
    outer = [L.Input((3,)), L.Input((4,))]
    found = inner({"zeta": outer[0], "beta": outer[1]})
    again = inner({"zeta": L.Dense(3)(outer[0]), "beta": outer[1]})
    return keras.Model(outer, [found["t"] * again["t"], again["s"] - found["s"]])


def several_of_an_operation():
    inputs = L.Input((6,))
    first, second, third = ops.split(inputs, 3, axis=1)
    values, places = ops.top_k(inputs, 2)
    return keras.Model(inputs, [L.Concatenate()([third, first * second]), values, places * 1.0])


STRUCTURES = {
    "wrapped": (wrapped, [(4, 6, 3)]),
    "named_ends": (named_ends, [(3,), (4,)]),
    "several_of_an_operation": (several_of_an_operation, [(6,)]),
}


@pytest.mark.parametrize(("make", "shapes"), STRUCTURES.values(), ids=STRUCTURES)
def test_the_twin_of_a_structure_is_the_structure(make, shapes):
    assert_twin(make(), shapes)


def test_ends_have_keras_structure():
    first, second, third = L.Input((3,), name="x"), L.Input((4,), name="b"), L.Input((2,))
    dense = L.Dense(2)(first)
    arrays = [values((2, size), n) for n, size in enumerate((3, 4, 2))]
    one, two, three = map(torch.tensor, arrays)
    nested, twin = pair(keras.Model([first, [second, third]], [dense, [third, second]]))
    ours, theirs = twin([one, [two, three]]), nested([arrays[0], arrays[1:]])
    assert [type(part) for part in ours] == [torch.Tensor, list] == [type(ours[0]), type(theirs[1])]
    assert torch.equal(ours[1][0], three)
    _, twin = pair(keras.Model({"x": first, "b": second}, {"out": dense, "same": second}))
    named = twin({"x": one, "b": two})
    assert named.keys() == {"out", "same"}
    assert torch.equal(named["same"], two)
    _, twin = pair(keras.Model([first], [dense]))
    assert isinstance(twin(one), torch.Tensor)  # a list of one is its entry, in Keras too


def pair(model):
    """A model with random weights, and its twin with the same."""
    fill_weights(model)
    twin = from_keras_config(model.get_config())
    twin.load_keras_weights(model.get_weights())
    return model, twin.eval()


def output(twin, x):
    return twin(torch.tensor(x)).detach().numpy()


@each_row("form", ["get_config", "to_json", "read_json"])
def test_every_form_of_a_config_gives_the_twin(form):
    model = residual()
    config = model.get_config() if form == "get_config" else model.to_json()
    twin = from_keras_config(json.loads(config) if form == "read_json" else config)
    assert isinstance(twin, KerasModel)
    assert [name for name, _ in twin.named_children()] == [
        layer.name for layer in model.layers if not isinstance(layer, L.InputLayer)
    ]


def test_dropout_draws_keras_masks_call_after_call():
    model, twin = pair(keras.Sequential([L.Input(IMAGES), L.Dropout(0.5, seed=11)]))
    for call in range(3):
        x = values((2, *IMAGES), call)
        theirs = model(x, training=True).numpy()
        np.testing.assert_array_equal(output(twin.train(), x), theirs)
        np.testing.assert_array_equal(output(twin.eval(), x), x)


def test_the_twin_has_the_dtype_of_the_policy_and_casts_its_inputs():
    keras.config.set_dtype_policy("float32")
    twin = from_keras_config(convolutional().get_config())
    assert {parameter.dtype for parameter in twin.parameters()} == {torch.float32}
    assert twin(torch.zeros(2, *IMAGES, dtype=torch.uint8)).dtype == torch.float32


def test_frozen_layers_do_not_ask_for_gradients():
    model = convolutional()
    model.layers[0].trainable = False
    twin = from_keras_config(model.get_config())
    asking = {name: p.requires_grad for name, p in twin.named_parameters()}
    assert [name.partition(".")[0] for name, asks in asking.items() if not asks] == [
        model.layers[0].name
    ]


def test_weights_come_by_path_with_or_without_the_model_before_it():
    model, twin = pair(convolutional())
    x = values((2, *IMAGES), 1)
    expected = output(twin, x)
    assert difference(expected, model(x, training=False).numpy()) <= BAR
    for name in (
        lambda path: path,
        lambda path: path.replace("/", "."),
        lambda path: path.partition("/")[2],
        lambda path: f"any/model/{path}",
    ):
        again = from_keras_config(model.get_config()).eval()
        again.load_keras_weights(
            {name(w.path): w.numpy() for w in model.variables if "seed" not in w.path}
        )
        np.testing.assert_array_equal(output(again, x), expected)


def test_weights_without_a_name_come_by_the_number_that_keras_gives_them():
    inputs = keras.Input((4,))
    scales = [convnext.LayerScale(0.5, 4, name=name) for name in ("first", "second")]
    model = keras.Model(inputs, scales[1](L.Activation("tanh")(scales[0](inputs))))
    model.set_weights([values((4,), seed) for seed in (1, 2)])
    weights = {w.path: w.numpy() for w in model.weights}
    assert re.fullmatch(r"second/variable_\d+", list(weights)[1])
    twin = from_keras_config(model.get_config()).eval()
    twin.load_keras_weights(weights)
    x = values((2, 4), 3)
    assert difference(output(twin, x), model(x).numpy()) <= BAR
    twin.load_keras_weights(dict(zip(weights, reversed(weights.values()), strict=True)))
    assert difference(output(twin, x), model(x).numpy()) > 0.01


def test_weights_that_were_loaded_are_returned_by_keras_paths():
    model, twin = pair(convolutional())
    found = twin.keras_weights()
    for (name, array), weight in zip(found.items(), model.weights, strict=True):
        assert weight.path == f"{model.name}/{name}"
        np.testing.assert_array_equal(array, weight.numpy())
    again = from_keras_config(model.get_config())
    again.load_keras_weights(found)
    for name, array in get_weights(twin).items():
        np.testing.assert_array_equal(get_weights(again)[name], array)


def test_seeds_among_the_variables_are_no_weights():
    model, twin = pair(convolutional())
    twin.load_keras_weights({v.path: v.numpy() for v in model.variables})


def test_a_missing_and_an_unknown_weight_are_an_error_that_names_them():
    model, twin = pair(keras.Sequential([L.Input((3,)), L.Dense(2, name="head")]))
    weights = {w.path: w.numpy() for w in model.weights}
    weights["other/kernel"] = weights.pop(f"{model.name}/head/kernel")
    message = r"weights \['other/kernel'\] are unknown, and \['head/kernel'\] are missing"
    with pytest.raises(ValueError, match=message):
        twin.load_keras_weights(weights)
    with pytest.raises(ValueError, match="1 weights: expected 2"):
        twin.load_keras_weights([np.zeros(2)])


NAMES = {"a.b": "a_b", "forward": "forward_", "training": "training_", "graph": "graph_"}


@each_row("name, legal", NAMES.items())
def test_a_name_that_torch_does_not_allow_is_changed_and_still_takes_its_weights(name, legal):
    model, twin = pair(keras.Sequential([L.Input((3,)), L.Dense(2, name=name)]))
    assert legal_name(name) == legal
    assert isinstance(twin.get_submodule(legal), nn.Linear)
    twin.load_keras_weights({w.path: w.numpy() for w in model.weights})
    assert list(twin.keras_weights()) == [f"{name}/kernel", f"{name}/bias"]
    x = values((2, 3), 0)
    assert difference(output(twin, x), model(x).numpy()) <= BAR


@each_row("names", [("a.b", "a_b"), ("forward_", "forward")])
def test_two_layers_of_one_name_in_torch_are_refused(names):
    """One would take the place of the other."""
    model = keras.Sequential([L.Input((3,)), *(L.Dense(3, name=name) for name in names)])
    with pytest.raises(NoTwinError, match=f"layers '{names[0]}' and '{names[1]}' have one name"):
        pair(model)


def test_inputs_come_beside_each_other_in_a_list_or_by_name():
    first, second = L.Input((3,), name="first"), L.Input((3,), name="second")
    _, twin = pair(keras.Model([second, first], L.Subtract()([first, second])))
    one, two = torch.ones(1, 3), torch.full((1, 3), 2.0)
    expected = torch.full((1, 3), -1.0, dtype=torch.float64)
    for inputs in ((two, one), ([two, one],), ({"first": one, "second": two},)):
        assert torch.equal(twin(*inputs), expected)
    with pytest.raises(ValueError, match="1 inputs: expected 2"):
        twin(one)
    with pytest.raises(ValueError, match=r"inputs \['third'\]: expected \['first', 'second'\]"):
        twin({"third": one})


def test_lists_and_dictionaries_in_a_dictionary_of_inputs_have_their_places():
    """By name at each level, and in a row as Keras's config has them."""
    names = ("a", "b", "c", "d")
    a, b, c, d = (L.Input((2,), name=name) for name in names)
    ends = {"last": L.Subtract()([a, c]), "first": [b * 1.0, d * 1.0]}
    model, twin = pair(keras.Model({"z": [c, a], "m": {"y": d, "x": b}}, ends))
    arrays = {name: values((3, 2), n) for n, name in enumerate(names)}
    one = {name: torch.tensor(array) for name, array in arrays.items()}

    def nest(each):
        return {"z": [each["c"], each["a"]], "m": {"x": each["b"], "y": each["d"]}}

    made, theirs = twin(nest(one)), model(nest(arrays))
    for ours, expected in zip(
        (made["last"], *made["first"]), (theirs["last"], *theirs["first"]), strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), expected)
    places = [place.layer for place in tensors_in(twin.graph.inputs)]
    in_a_row = twin(*(one[name] for name in places))
    assert torch.equal(in_a_row["last"], made["last"])
    with pytest.raises(ValueError, match="1 inputs under 'z': expected 2"):
        twin({**nest(one), "z": [one["a"]]})
    with pytest.raises(ValueError, match=r"input 'm': expected a dictionary of \['x', 'y'\]"):
        twin({**nest(one), "m": one["a"]})


class OwnCell(L.SimpleRNNCell):
    """A class of the user, whose equations nobody knows."""


REFUSED = {
    "unknown_layer": (
        lambda: L.RandomElasticTransform(0.3),
        "of class 'RandomElasticTransform': no layer of torch_impl makes its images; put it in",
    ),
    "channels_first": (
        lambda: L.MaxPooling2D(data_format="channels_first"),
        "with data_format='channels_first': expected 'channels_last'",
    ),
    "own_cell": (
        lambda: L.RNN(OwnCell(3)),
        r"of class 'RNN': cell of class 'OwnCell': expected \['GRUCell', 'LSTMCell',",
    ),
    "half": (lambda: L.Dense(3, dtype="mixed_float16"), "dtype policy 'mixed_float16': expected"),
    "renorm": (lambda: L.BatchNormalization(renorm=True), "renorm=True: expected False"),
    "lambda": (lambda: L.Dense(3, activation=lambda x: x), "activation is a lambda, which a"),
    "function": (lambda: L.Dense(3, activation=ops.sin), "activation is the function 'sin'"),
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@each_row("make, message", REFUSED.values(), ids=REFUSED)
def test_what_has_no_twin_is_an_error_that_names_the_layer(make, message):
    layer = make()
    shapes = {"MaxPooling2D": IMAGES, "RNN": (4, 3)}
    model = keras.Sequential([L.Input(shapes.get(type(layer).__name__, FEATURES)), layer])
    with pytest.raises(ValueError, match=message) as error:
        from_keras_config(model.get_config())
    if "half" not in message and "policy" not in message:
        assert repr(layer.name) in str(error.value)


def test_the_functions_of_both_modules_that_keras_writes_by_one_name():
    """The config has not which of both it was, and Keras itself builds the second from it."""
    x = tf.constant(values((50,), 4))
    apart = set()
    for name in dir(keras.activations):
        one, other = getattr(keras.activations, name), getattr(ops.nn, name, None)
        if other is None or name == "threshold" or name.startswith("_"):
            continue
        configs = [L.Dense(1, activation=f).get_config()["activation"] for f in (one, other)]
        assert configs[0] == configs[1]
        if np.abs(one(x) - other(x)).max() > 1e-12:
            apart.add(name)
    assert apart == {"gelu"}
    assert keras.activations.get("gelu") is keras.activations.gelu


@each_row("name", sorted(set(ACTIVATIONS) - {"glu", "threshold", "exponential"}))
def test_every_activation_of_keras_is_that_of_a_twins_layer(name):
    assert_twin(keras.Sequential([L.Input((4,)), L.Dense(6, activation=name)]), [(4,)])


def test_constants_are_in_no_state_and_move_with_the_model():
    _, twin = pair(constants())
    assert not twin.state_dict()
    assert {buffer.dtype for buffer in twin.float().buffers()} == {torch.float32, torch.int64}


def test_an_unknown_operation_is_an_error_that_says_where_the_known_are():
    inputs = L.Input(FEATURES)
    model = keras.Model(inputs, ops.i0(inputs))
    with pytest.raises(
        ValueError, match="operation 'I0': expected one of the operations in"
    ) as found:
        from_keras_config(model.get_config())
    assert len(str(found.value)) < 200


def test_a_model_without_shapes_is_an_error():
    with pytest.raises(ValueError, match="expected a model that was built"):
        from_keras_config(keras.Sequential([L.Dense(2)]).get_config())
    with pytest.raises(ValueError, match="expected that of a model, with 'layers'"):
        from_keras_config({"name": "dense"})


def test_gradients_are_read_by_the_names_of_the_weights():
    _, twin = pair(residual())
    twin(torch.tensor(values((2, *IMAGES), 0))).sum().backward()
    trainable = {name for name in twin.keras_weights() if "moving" not in name}
    assert read(twin, gradient=True).keys() == trainable


def test_a_sequential_that_is_not_built_is_told_once_with_its_name():
    model = keras.Sequential([L.Dense(4), L.BatchNormalization(), L.Dense(2)], name="head")
    with pytest.raises(NoTwinError) as error:
        from_keras_config(model.to_json())
    assert error.value.problems == [
        "Sequential 'head' without an input shape: expected a model that was built, such as one "
        "whose first layer is keras.Input(shape)"
    ]


def test_other_problems_of_such_a_sequential_are_told_beside_it():
    model = keras.Sequential([L.Dense(4, name="own"), L.BatchNormalization()], name="head")
    config = json.loads(model.to_json())["config"]
    config["layers"][0]["config"]["kernel_initializer"]["class_name"] = "MyStart"
    with pytest.raises(NoTwinError) as error:
        from_keras_config(config)
    told = [each.partition(":")[0] for each in error.value.problems]
    assert told == [
        "Sequential 'head' without an input shape",
        "layer 'own' of class 'Dense'",
    ]


def test_what_goes_wrong_in_a_layer_has_its_name():
    twin = from_keras_config(keras.Sequential([L.Input((4,)), L.Dense(2, name="head")]).to_json())
    with pytest.raises(NoTwinError, match=r"^layer 'head' of class 'Dense': RuntimeError: mat1"):
        twin(torch.zeros(3, 5))
    config = keras.Sequential([L.Input((4,)), L.Dense(2, name="head")]).get_config()
    del config["layers"][1]["config"]["use_bias"]
    with pytest.raises(NoTwinError, match=r"^layer 'head' of class 'Dense': KeyError: 'use_bias'"):
        from_keras_config(config)


def test_an_error_of_a_layer_of_ones_own_stays_as_it_is():
    def broken(x):
        raise KeyError("mine")

    inputs = {"class_name": "InputLayer", "config": {"name": "in", "dtype": "float32"}}
    layer = {"class_name": "Lambda", "config": {"name": "own", "function": {}}}
    twin = from_keras_config({"layers": [inputs, layer]}, custom={"own": broken})
    with pytest.raises(KeyError, match="mine"):
        twin(torch.zeros(1))


def test_texts_and_quantized_layers_are_refused_by_name():
    inputs = {"class_name": "InputLayer", "config": {"name": "words", "dtype": "string"}}
    with pytest.raises(NoTwinError, match=r"^layer 'words' of class 'InputLayer': dtype='string'"):
        from_keras_config({"layers": [inputs]})
    model = keras.Sequential([L.Input((4,)), L.Dense(2, name="head")])
    model.get_layer("head").quantize("int8")
    with pytest.raises(NoTwinError, match=r"^layer 'head' .*: dtype policy 'QuantizedDTypePolicy'"):
        from_keras_config(model.get_config())
