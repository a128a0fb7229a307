"""Each operation of the table computes in Keras 3 what TensorFlow's own function computes."""

import operator
from operator import attrgetter

import keras
import numpy as np
import tensorflow as tf
from rows import each_row

from parity.halves.keras.program.saved_model import renewed
from parity.weights.old_config import changed_rules
from parity.weights.tf_operations.shaping import TABLE, plain_name

random = np.random.default_rng(3)
TENSORS = {
    "x": random.normal(size=(2, 3, 4)),
    "y": random.normal(size=(2, 3, 4)),
    "p": random.uniform(0.1, 0.9, size=(2, 3, 4)),
    "zeros": np.where(random.normal(size=(2, 3, 4)) > 0, random.normal(size=(2, 3, 4)), 0.0),
    "one": random.normal(size=(2, 1, 4)),
    "square": random.normal(size=(2, 4, 4)),
    "i": random.integers(0, 4, (2, 3)).astype("int32"),
    "j": random.integers(-9, 9, (2, 3)).astype("int32"),
    "b": random.normal(size=(2, 3, 4)) > 0,
    "c": random.normal(size=(2, 3, 4)) > 0.3,
    "odd": np.array([[np.nan, np.inf, 1.0], [-np.inf, 0.0, -2.0]]),
    "matrix": random.normal(size=(4, 5)),
    "image": random.normal(size=(2, 6, 5, 4)),
    "colours": random.uniform(size=(2, 4, 5, 3)),
}
TABLE_OF_4 = random.normal(size=(4, 5)).tolist()
OPERATORS = {
    "__operators__.add": operator.add,
    "__operators__.eq": operator.eq,
    "__operators__.ne": operator.ne,
}


OUTPUTS = {
    "unstack": lambda given: given.get("num", 4),
    "split": lambda given: 2,
    "top_k": lambda given: 2,
}


class T(str):
    """The name of a tensor among the arguments."""


x, y, p, zeros, one, square = map(T, ("x", "y", "p", "zeros", "one", "square"))
i, j, b, c, odd, image, colours = map(T, ("i", "j", "b", "c", "odd", "image", "colours"))


def cut(*ends):
    return dict(zip(("start", "stop", "step"), ends, strict=True))


ALL, ELLIPSIS = cut(None, None, None), {"class_name": "__ellipsis__"}
FLAT = [0.5, -1.0, 2.0, 3.0]  # along the last axis
EXAMPLES = [
    ("__operators__.add", x, {"y": y}),
    ("math.add", x, {"y": FLAT}),
    ("__operators__.add", 2.5, {"y": x}),
    ("__operators__.add", j, {"y": 3}),
    ("math.subtract", 2, {"y": x}),
    ("math.subtract", x, {"y": y}),
    ("math.multiply", FLAT, {"y": x}),
    ("math.multiply", j, {"y": [1, 2, 3]}),
    ("math.truediv", x, {"y": 3}),
    ("math.truediv", 1.0, {"y": p}),
    ("math.truediv", j, {"y": 2}),
    ("math.truediv", 5, {"y": T("whole")}),
    ("math.divide", x, {"y": FLAT}),
    ("math.divide_no_nan", x, {"y": zeros}),
    ("math.floordiv", x, {"y": 0.3}),
    ("math.floordiv", j, {"y": 4}),
    ("compat.v1.floor_div", x, {"y": p}),
    ("compat.v1.floor_div", j, {"y": 4}),
    ("math.floormod", x, {"y": 0.25}),
    ("math.floormod", j, {"y": 4}),
    ("math.mod", x, {"y": p}),
    ("math.pow", x, {"y": 3}),
    ("math.pow", 2.0, {"y": x}),
    ("math.pow", j, {"y": 2}),
    ("math.maximum", x, {"y": 0.1}),
    ("math.maximum", 0.2, {"y": x}),
    ("math.minimum", x, {"y": y}),
    ("math.atan2", x, {"x": y}),
    ("math.squared_difference", x, {"y": y}),
    ("math.add_n", [x, y, p], {}),
    ("math.add_n", [x], {}),
    ("nn.bias_add", image, {"bias": FLAT, "data_format": "NHWC"}),
    ("math.greater", x, {"y": 0}),
    ("math.greater_equal", x, {"y": y}),
    ("math.less", j, {"y": 2}),
    ("math.less_equal", 0.0, {"y": x}),
    ("math.equal", i, {"y": 2}),
    ("math.equal", i, {"y": j}),
    ("math.not_equal", zeros, {"y": 0.0}),
    ("__operators__.eq", i, {"other": 2}),
    ("__operators__.ne", i, {"other": j}),
    ("math.logical_and", b, {"y": c}),
    ("math.logical_or", b, {"y": c}),
    ("math.logical_xor", b, {"y": c}),
    ("math.logical_not", b, {}),
    ("math.is_finite", odd, {}),
    ("math.is_inf", odd, {}),
    ("math.is_nan", odd, {}),
    ("identity", x, {}),
    ("stop_gradient", x, {}),
    *((f"math.{name}", x, {}) for name in ("negative", "abs", "sign", "square", "round", "floor")),
    *((f"math.{name}", j, {}) for name in ("negative", "abs", "sign", "square")),
    *((f"math.{name}", x, {}) for name in ("ceil", "exp", "expm1", "sin", "cos", "tan", "sinh")),
    *((f"math.{name}", x, {}) for name in ("cosh", "tanh", "asinh", "atan", "sigmoid", "erf")),
    *((f"math.{name}", x, {}) for name in ("softplus", "log_sigmoid", "erfc", "reciprocal")),
    *((f"math.{name}", p, {}) for name in ("log", "log1p", "sqrt", "rsqrt", "asin", "acos")),
    ("math.atanh", p, {}),
    ("math.acosh", T("above"), {}),
    ("nn.relu", x, {}),
    ("nn.relu", j, {}),
    ("nn.relu6", T("above"), {}),
    *((f"nn.{name}", x, {}) for name in ("softsign", "selu", "elu", "gelu", "silu", "swish")),
    ("nn.gelu", x, {"approximate": True}),
    ("nn.silu", x, {"beta": 2.0}),
    ("nn.leaky_relu", x, {}),
    ("nn.leaky_relu", x, {"alpha": 0.3}),
    ("nn.softmax", x, {}),
    ("nn.softmax", x, {"axis": 1}),
    ("nn.log_softmax", x, {"axis": -2}),
    ("clip_by_value", x, {"clip_value_min": -0.5, "clip_value_max": 1}),
    ("clip_by_value", j, {"clip_value_min": -2, "clip_value_max": 3}),
    ("clip_by_value", x, {"clip_value_min": 0.0, "clip_value_max": p}),
    ("cast", x, {"dtype": "int32"}),
    ("cast", x, {"dtype": "float32"}),
    ("cast", zeros, {"dtype": "bool"}),
    ("cast", b, {"dtype": "float32"}),
    ("zeros_like", x, {}),
    ("zeros_like", x, {"dtype": "int32"}),
    ("ones_like", j, {}),
    ("ones_like", x, {"dtype": "float32"}),
    ("where", b, {"x": x, "y": y}),
    ("where", b, {"x": 0.0, "y": x}),
    ("where", b, {"x": x, "y": FLAT}),
    ("where", b, {"x": 1, "y": 0}),
    ("math.reduce_mean", x, {"axis": [1, 2], "keepdims": True}),
    ("math.reduce_mean", x, {}),
    ("math.reduce_sum", x, {"axis": -1}),
    ("math.reduce_sum", j, {"axis": 1}),
    ("math.reduce_max", x, {"axis": 1}),
    ("math.reduce_max", j, {"axis": 1, "keepdims": True}),
    ("math.reduce_min", x, {"axis": [1]}),
    ("math.reduce_prod", x, {"axis": 2}),
    ("math.reduce_prod", j, {"axis": 1}),
    ("math.reduce_std", x, {"axis": 1}),
    ("math.reduce_variance", x, {"axis": [1, 2]}),
    ("math.reduce_logsumexp", x, {"axis": -1, "keepdims": True}),
    ("math.reduce_any", b, {"axis": 1}),
    ("math.reduce_all", b, {"axis": -1}),
    ("math.reduce_euclidean_norm", x, {"axis": [1, 2]}),
    ("norm", x, {"axis": -1, "keepdims": True}),
    ("compat.v1.norm", x, {"ord": "euclidean", "axis": None, "keepdims": None}),
    ("compat.v1.norm", x, {"ord": "euclidean", "axis": [1, 2], "keepdims": None}),
    ("linalg.norm", x, {"ord": 1, "axis": 1}),
    ("linalg.norm", x, {"ord": 2, "axis": 1}),
    ("linalg.norm", x, {"ord": 3, "axis": 2}),
    ("linalg.norm", x, {"ord": np.inf, "axis": 2}),
    ("math.l2_normalize", x, {"axis": -1}),
    ("math.l2_normalize", x, {"axis": [1, 2], "epsilon": 50.0}),
    ("math.argmax", x, {"axis": 2}),
    ("math.argmax", x, {}),
    ("math.argmin", x, {"axis": 1, "output_type": "int32"}),
    *(
        ("math.cumsum", x, {"axis": 1, "exclusive": first, "reverse": second})
        for first in (False, True)
        for second in (False, True)
    ),
    ("math.cumsum", j, {"axis": 1}),
    ("math.cumprod", x, {"axis": 2, "reverse": True}),
    ("math.count_nonzero", zeros, {"axis": 1, "keepdims": True}),
    ("linalg.matmul", x, {"b": square}),
    ("linalg.matmul", x, {"b": y, "transpose_b": True}),
    ("linalg.matmul", x, {"b": y, "transpose_a": True, "adjoint_b": False}),
    ("linalg.matmul", x, {"b": TABLE_OF_4}),
    ("tensordot", x, {"b": TABLE_OF_4, "axes": 1}),
    ("tensordot", x, {"b": T("matrix"), "axes": 1}),
    ("tensordot", x, {"b": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "axes": [[1], [1]]}),
    ("tensordot", x, {"b": TABLE_OF_4, "axes": [2, 0]}),
    ("linalg.matrix_transpose", x, {}),
    ("linalg.diag_part", square, {}),
    ("linalg.trace", square, {}),
    ("linalg.band_part", square, {"num_lower": -1, "num_upper": 0}),
    ("linalg.band_part", square, {"num_lower": 0, "num_upper": -1}),
    ("image.rgb_to_grayscale", colours, {}),
    ("reshape", x, {"shape": [-1, 12]}),
    ("reshape", x, {"shape": [2, 2, -1]}),
    ("compat.v1.transpose", x, {"perm": [0, 2, 1]}),
    ("transpose", x, {}),
    ("expand_dims", x, {"axis": -2}),
    ("compat.v1.squeeze", one, {"axis": [1]}),
    ("squeeze", one, {}),
    ("concat", [x, y, one], {"axis": 1}),
    ("concat", [x, [[FLAT]] * 2], {"axis": 1}),
    ("stack", [x, y], {"axis": 1}),
    ("stack", [x, y], {}),
    ("unstack", x, {"axis": -1}),
    ("unstack", x, {"num": 3, "axis": 1}),
    ("split", x, {"num_or_size_splits": 2, "axis": -1}),
    ("split", x, {"num_or_size_splits": [1, 2], "axis": 1}),
    ("split", x, {"num_or_size_splits": [3, -1], "axis": 2}),
    ("tile", x, {"multiples": [1, 2, 3]}),
    ("compat.v1.pad", x, {"paddings": [[0, 0], [1, 2], [0, 3]], "mode": "CONSTANT"}),
    ("pad", x, {"paddings": [[0, 0], [1, 2], [0, 3]], "constant_values": -1.5}),
    ("pad", x, {"paddings": [[0, 0], [1, 2], [0, 3]], "mode": "REFLECT"}),
    ("pad", x, {"paddings": [[0, 0], [1, 2], [0, 3]], "mode": "SYMMETRIC"}),
    ("broadcast_to", one, {"shape": [2, 3, 4]}),
    ("reverse", x, {"axis": [1, 2]}),
    ("roll", x, {"shift": 1, "axis": 1}),
    ("roll", x, {"shift": [2, -1], "axis": [1, 2]}),
    ("repeat", x, {"repeats": 2, "axis": 1}),
    ("repeat", x, {"repeats": [1, 0, 2], "axis": 1}),
    ("nn.depth_to_space", image, {"block_size": 2}),
    ("nn.space_to_depth", T("even"), {"block_size": 2}),
    ("nn.avg_pool2d", image, {"ksize": 2, "strides": 2, "padding": "SAME"}),
    ("nn.avg_pool", image, {"ksize": [1, 3, 2, 1], "strides": [1, 2, 1, 1], "padding": "VALID"}),
    ("nn.max_pool2d", image, {"ksize": [3], "strides": [2], "padding": "SAME"}),
    ("nn.max_pool", image, {"ksize": 2, "strides": 1, "padding": "VALID"}),
    ("nn.max_pool", x, {"ksize": 2, "strides": 1, "padding": "VALID"}),
    ("image.resize", image, {"size": [9, 4]}),
    ("image.resize", image, {"size": [9, 4], "method": "nearest"}),
    ("image.resize", image, {"size": [4, 3], "method": "bicubic", "antialias": True}),
    ("image.flip_left_right", image, {}),
    ("image.flip_up_down", image, {}),
    ("compat.v1.gather", x, {"indices": [0, 2, 2], "axis": 1, "batch_dims": 0}),
    ("gather", x, {"indices": 3, "axis": 2}),
    ("gather", TABLE_OF_4, {"indices": i}),
    ("compat.v1.nn.embedding_lookup", TABLE_OF_4, {"ids": i}),
    ("compat.v1.boolean_mask", x, {"mask": [True, False, True], "axis": 1}),
    ("one_hot", i, {"depth": 5}),
    ("one_hot", j, {"depth": 3, "axis": 1, "dtype": "int32"}),
    ("sort", x, {"axis": 1}),
    ("math.top_k", x, {"k": 2}),
    ("strided_slice", x, {"begin": [0, 2, 0], "end": [2, 0, 4], "strides": [1, -1, 2]}),
    ("slice", x, {"begin": [0, 1, 2], "size": [-1, 2, 1]}),
    *(
        ("__operators__.getitem", x, {"slice_spec": spec})
        for spec in (
            *(0, [ALL, 1], [ALL, -1, ALL], [ALL, cut(1, -1, None), cut(None, None, 2)]),
            *([ELLIPSIS, 0], [ALL, ELLIPSIS, cut(1, None, None)], [ALL, None, ALL, 2], ELLIPSIS),
            *([ALL, cut(None, None, -1)], [ELLIPSIS, cut(None, None, -2)]),
            *([None, 1, cut(2, 0, -1)], [ALL, cut(-2, None, None)]),
            *([ALL, cut(-1, -3, -1), None, cut(9, -9, -1)], [ELLIPSIS, cut(2, None, -1), 0]),
        )
    ),
]  # fmt: skip
TENSORS["whole"] = random.integers(1, 9, (2, 3)).astype("int32")
TENSORS["above"] = random.uniform(1.0, 8.0, size=(2, 3, 4))
TENSORS["even"] = random.normal(size=(2, 6, 4, 2))


def filled(value, tensor):
    if isinstance(value, T):
        return tensor(value)
    if isinstance(value, dict) and value.get("class_name") is None:
        return {key: filled(each, tensor) for key, each in value.items()}
    return [filled(each, tensor) for each in value] if isinstance(value, list) else value


def old_model(function, first, given):
    """The configuration of a model of one operation, as Keras 2 writes it."""
    names = []
    filled([first, given], names.append)
    names = list(dict.fromkeys(names))
    inputs = [
        {
            "class_name": "InputLayer",
            "name": name,
            "config": {
                "name": name,
                "batch_input_shape": [None, *TENSORS[name].shape[1:]],
                "dtype": str(TENSORS[name].dtype),
            },
            "inbound_nodes": [],
        }
        for name in names
    ]
    given = filled(given, lambda name: [name, 0, 0])

    def entry(value):
        return (
            [value, 0, 0, given] if isinstance(value, T) else ["_CONSTANT_VALUE", -1, value, given]
        )

    is_list = isinstance(first, list) and any(isinstance(each, T) for each in first)
    operation = {
        "class_name": ("SlicingOpLambda" if "getitem" in function else "TFOpLambda"),
        "name": f"tf.{function}",
        "config": {"name": f"tf.{function}", "function": function, "dtype": "float32"},
        "inbound_nodes": [[entry(each) for each in first] if is_list else entry(first)],
    }
    ends = {"input_layers": [[name, 0, 0] for name in names]}
    count = OUTPUTS.get(plain_name(function), lambda given: 1)(given)
    ends["output_layers"] = [[f"tf.{function}", 0, number] for number in range(count)]
    config = {"name": "model", "layers": [*inputs, operation], **ends}
    return names, {"class_name": "Functional", "config": config}


def of_tensorflow(function, first, given):
    def tensor(name):
        return tf.constant(TENSORS[name])

    if "getitem" in function:
        spec = given["slice_spec"]
        key = [python(each) for each in (spec if isinstance(spec, list) else [spec])]
        return tensor(first)[tuple(key)]
    beside = [name for name in [first, *given.values()] if isinstance(name, T)]
    if isinstance(first, float):
        first = tf.constant(first, TENSORS[beside[0]].dtype)
    if isinstance(first, list) and not any(isinstance(each, T) for each in first):
        is_table = "gather" in function or "lookup" in function
        first = tf.constant(first, "float32" if is_table else TENSORS[beside[0]].dtype)
    first, given = filled(first, tensor), filled(given, tensor)
    if function == "tensordot":
        given["b"] = tf.constant(given["b"], first.dtype)
    if function in OPERATORS:
        return OPERATORS[function](first, *given.values())
    return attrgetter(function)(tf)(first, **given)


def python(part):
    if isinstance(part, dict):
        return Ellipsis if "class_name" in part else slice(*part.values())
    return part


def named(example):
    function, first, given = example
    return f"{function}-{first if isinstance(first, T) else 'constant'}-{len(str(given))}"


def test_every_entry_of_the_table_has_an_example():
    # Keras 2 loses the tensors of an einsum, and no size that a shape has is a node.
    assert {plain_name(function) for function, *_ in EXAMPLES} | {"einsum", "shape"} == set(TABLE)


@each_row("example", EXAMPLES, ids=map(named, EXAMPLES))
def test_an_operation_is_that_of_tensorflow(example):
    names, config = old_model(*example)
    assert not list(changed_rules(config))
    model = keras.saving.deserialize_keras_object(renewed(config))
    given = [tf.constant(TENSORS[name]) for name in names]
    found = keras.tree.flatten(model(given if len(given) > 1 else given[0]))
    expected = tf.nest.flatten(of_tensorflow(*example))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        # TensorFlow computes with colours in float32.
        is_float64 = theirs.dtype == tf.float64 and not example[0].startswith("image.rgb")
        rounding = 1e-12 if is_float64 else 1e-6
        np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=rounding)
