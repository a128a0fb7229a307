"""Every keras.ops operation of a twin is Keras's, over shapes and arguments: values, slopes."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import Input, ops
from operation_cases import BINARY, CASES, PRODUCTS, SHAPES, UNARY, signed
from rows import each_row

from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.operations import OPERATIONS

pytestmark = pytest.mark.usefixtures("direct", "float64")


def integers(entries, shape, dtype="int32"):
    return np.array(entries).reshape(shape).astype(dtype)


OF_INTEGERS = [
    *(
        (name, {}, integers(range(-6, 6), (3, 4)))
        for name in [
            "negative",
            "abs",
            "sign",
            "square",
            "exp",
            "sin",
            "floor",
            "ceil",
            "round",
            "trunc",
            "logical_not",
        ]
    ),
    ("sqrt", {}, integers(range(12), (3, 4))),
    *(
        (name, {"axis": 1}, integers([3, 0, 2, 1, 5, 2], (2, 3), dtype))
        for name in ("sum", "prod", "max", "min", "mean", "any", "all")
        for dtype in ("int32", "uint8", "bool", "int64")
        if dtype != "bool" or name not in ("max", "min")
    ),
]


@each_row("name, settings, array", OF_INTEGERS)
def test_an_operation_on_integers_is_keras_one(name, settings, array):
    keras.config.set_floatx("float32")
    inputs = Input(batch_shape=array.shape, dtype=str(array.dtype))
    model = keras.Model(inputs, getattr(ops, name)(inputs, **settings))
    ours, theirs = from_keras_config(model.to_json())(torch.tensor(array)).numpy(), model(array)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@each_row("axis", [None, 0, -1, 1, (0, 1), (-1, 0), (0, 1, 2)])
@each_row("keepdims", [True, False])
def test_reductions_are_keras_ones(axis, keepdims):
    array = signed((2, 3, 4), 5)
    named = {
        name: partial(getattr(ops, name), axis=axis, keepdims=keepdims)
        for name in REDUCTIONS
        # A norm is of vectors, or of matrices.
        if hasattr(ops, name) and not (name == "norm" and axis in (None, (0, 1, 2)))
    }
    truth = [named.pop(name) for name in ("all", "any")]
    compare(lambda x: [each(x) for each in truth], array > -0.5)
    compare(lambda x: [each(x) for each in named.values()], array)


def test_comparisons_and_truth_values_are_keras_ones():
    """Of signed tenths, as float64 has them and as float32 has them."""
    array = np.random.default_rng(1).integers(-3, 4, size=(3, 5, 4)) / 10
    array[..., ::2] = array[..., ::2].astype("float32")
    comparisons = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")

    def function(x):
        a, b = ops.greater(x, 0.0), ops.less(x, 0.2)
        both = [ops.logical_and(a, b), ops.logical_or(a, ops.logical_not(b))]
        some = [ops.any(both[0], -1, keepdims=True), ops.all(both[1], (1, 2), keepdims=True)]
        compared = [
            getattr(ops, name)(x, y) for name in comparisons for y in (0.1, ops.flip(x, axis=1))
        ]
        kept = [*both, *some, *compared, ops.ones_like(x, dtype="bool")]
        zeros = ops.convert_to_tensor(ops.zeros_like(x))
        return [*(ops.where(each, x, -3 * x) for each in kept), zeros + x]

    compare(function, array)


BAR = 1e-12  # relative to the greatest entry, or to 1e-2 if that is less


def same(ours, theirs, where):
    assert ours.shape == theirs.shape, where
    if not np.issubdtype(theirs.dtype, np.floating):
        assert ours.dtype == theirs.dtype, where
        np.testing.assert_array_equal(ours, theirs, err_msg=where)
        return
    scale = max(np.abs(theirs).max(initial=0), 1e-2)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=BAR * scale, err_msg=where)


def compare(function, *arrays):
    """Outputs of the twin of a model of one operation, and their slopes for a single input."""
    inputs = [Input(batch_shape=a.shape, dtype=str(a.dtype)) for a in arrays]
    model = keras.Model(inputs, function(*inputs))
    constants = [tf.constant(array) for array in arrays]
    tensors = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(constants)
        theirs = keras.tree.flatten(model(constants))
        upstream = [signed(t.shape, 7 + n) for n, t in enumerate(theirs)]
        pairs = zip(theirs, upstream, strict=True)
        sums = [tf.reduce_sum(t * u) for t, u in pairs if t.dtype.is_floating]
        total = sum(tf.cast(each, "float64") for each in sums)
    ours = keras.tree.flatten(from_keras_config(model.to_json())(tensors))
    for n, (mine, their) in enumerate(zip(ours, theirs, strict=True)):
        same(mine.detach().numpy(), their.numpy(), f"output {n}")
    slope = tape.gradient(total, constants[0]) if sums and len(arrays) == 1 else None
    pairs = zip(ours, upstream, strict=True)
    total = sum((o * torch.tensor(u)).sum() for o, u in pairs if o.is_floating_point())
    if slope is not None and total.requires_grad:
        total.backward()
        same(tensors[0].grad.numpy(), tf.convert_to_tensor(slope).numpy(), "slope")


def test_operations_on_each_entry_are_keras_ones():
    """All of one range of numbers in one model."""
    for bounds in set(UNARY.values()):
        made = [getattr(ops, n) for n, each in UNARY.items() if each == bounds and hasattr(ops, n)]
        compare(lambda x, made=made: [each(x) for each in made], signed((3, 4, 2), 1, *bounds))


@each_row("axis", [(1, 2), (2, 0), (0, 1, 2), (1,), 1, None])
@each_row("name", ["softmax", "log_softmax"])
def test_a_softmax_over_several_axes_is_that_of_keras_code(name, axis):
    """Keras cannot run its graph of several axes, and computes them where code calls it."""
    array, function = signed((3, 4, 5), 1), getattr(ops, name)
    inputs = Input(batch_shape=array.shape)
    twin = from_keras_config(keras.Model(inputs, function(inputs, axis=axis)).to_json())
    theirs = function(tf.constant(array), axis=axis).numpy()
    same(twin(torch.tensor(array)).detach().numpy(), theirs, name)


@each_row("shapes", SHAPES)
def test_operations_on_two_tensors_are_keras_ones(shapes):
    """And with a number."""
    for bounds in set(BINARY.values()):
        named = {n: getattr(ops, n) for n in BINARY if BINARY[n] == bounds and hasattr(ops, n)}
        first, second = (signed(shape, n, *bounds) for n, shape in enumerate(shapes))
        compare(lambda x, y, of=named: [each(x, y) for each in of.values()], first, second)
        made = [partial(each, x2=second) for each in named.values()]
        for name in named.keys() - {"isclose", "hypot"}:  # Keras takes no number there
            is_logical = name.startswith("logical")
            made.append(partial(named[name], x2=True if is_logical else 0.7))
            made += [] if is_logical else [partial(named[name], 0.7)]
        compare(lambda x, of=made: [each(x) for each in of], first)


@each_row("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"])
def test_an_operation_on_bits_is_keras_one(name):
    first = np.array([[5, 12, 7]], "int32")
    compare(getattr(ops, name), first, np.array([[3], [2]], "int32"))
    compare(ops.bitwise_not, first)


REDUCTIONS = [
    "sum",
    "mean",
    "prod",
    "max",
    "min",
    "amax",
    "amin",
    "var",
    "std",
    "logsumexp",
    "all",
    "any",
    "median",
    "norm",
    "ptp",
]


def test_operations_with_their_arguments_are_keras_ones():
    """All of one array in one model."""
    for array in {id(array): array for _, array in CASES.values()}.values():
        made = [function for function, each in CASES.values() if each is array]
        compare(lambda x, made=made: [each(x) for each in made], array)


@each_row("name", PRODUCTS)
def test_an_operation_on_several_tensors_is_keras_one(name):
    compare(*PRODUCTS[name])


# The same functions by names that no function of keras.ops gives here.
OTHER_NAMES = {"Abs", "BitwiseInvert", "BitwiseLeftShift", "BitwiseRightShift", "Swish", "Mish"}


def used(function, *arrays):
    """Names of the operations in the model of a case."""
    inputs = [Input(batch_shape=a.shape, dtype=str(a.dtype)) for a in arrays]
    model = keras.Model(inputs, function(*inputs))
    return {type(operation).__name__ for operation in model.operations}


def test_every_operation_is_compared():
    half, found = np.full((2, 2), 0.5), set()
    for name in (*UNARY, *REDUCTIONS, *BINARY):
        if hasattr(ops, name):
            array = half > 0 if name in ("all", "any") else half
            found |= used(getattr(ops, name), *[array] * (2 if name in BINARY else 1))
    for case in (*CASES.values(), *PRODUCTS.values()):
        found |= used(*case)
    of_bits = {"BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "LeftShift", "RightShift"}
    ours = {"HeldArray", "EachSample", "Positions"}  # which no function of keras.ops makes
    assert OPERATIONS.keys() - found - of_bits - ours == OTHER_NAMES


def test_a_reshape_keeps_the_batch_and_finds_another_size():
    """`ops.shape(x)[0]` is None in a graph."""
    inputs = Input((6, 4))
    model = keras.Model(inputs, ops.reshape(inputs, (ops.shape(inputs)[0], -1, 8)))
    x = np.arange(72, dtype="float32").reshape(3, 6, 4)
    made = from_keras_config(model.to_json())(torch.as_tensor(x))
    np.testing.assert_array_equal(made, x.reshape(3, 3, 8))


@each_row(
    "function, message",
    [
        (lambda x: ops.fft2((x, x)), "operation 'FFT2': expected one of"),
        (
            lambda x: ops.max_pool(x, 2, data_format="channels_first"),
            "operation 'MaxPool' with data_format='channels_first': expected 'channels_last'",
        ),
    ],
    ids=["unknown", "channels_first"],
)
def test_what_is_not_offered_is_refused_by_its_name(function, message):
    inputs = Input(batch_shape=(4, 5, 6))
    config = keras.Model(inputs, function(inputs)).to_json()
    with pytest.raises(ValueError, match=message):
        from_keras_config(config)
