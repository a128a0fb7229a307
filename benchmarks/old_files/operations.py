"""Operations of TensorFlow between layers, each in a model of Keras 2 of its own.

It runs in the environment of writer.py, and needs nothing of this project.
"""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers as L

ROWS, STEPS, IMAGES = (5,), (6, 4), (8, 8, 3)
TABLE = np.arange(20, dtype="float32").reshape(4, 5) / 7
PLAIN = {  # of rows of numbers
    "plus_number": lambda x: x + 2.5,
    "number_plus": lambda x: 2 + x,
    "minus_number": lambda x: x - 1,
    "number_minus": lambda x: 2 - x,
    "times": lambda x: 2.0 * x * x,
    "over": lambda x: x / 3,
    "number_over": lambda x: 1 / (x * x + 1),
    "to_the": lambda x: x**3,
    "number_to_the": lambda x: 2.0**x,
    "floor_over": lambda x: x // 0.3,
    "number_floor_over": lambda x: 3.0 // (x * x + 0.1),
    "remainder": lambda x: x % 0.3,
    "negative": lambda x: -x,
    "absolute": lambda x: abs(x),
    "array": lambda x: x * np.arange(5, dtype="float32"),
    "array_first": lambda x: np.arange(5, dtype="float32") * x,
    "constant": lambda x: tf.constant([[1.0, 2.0, 3.0, 4.0, 5.0]]) - x,
    "matrix": lambda x: tf.matmul(x, tf.constant(TABLE.T)),
    "greater": lambda x: tf.cast(x > 0, tf.float32),
    "less": lambda x: tf.cast(x < 0.1, "float32"),
    "at_least": lambda x: tf.cast(x >= 0, tf.float32),
    "at_most": lambda x: tf.cast(x <= 0.5, tf.float32),
    "equal": lambda x: tf.cast(tf.equal(tf.round(x), 0), tf.float32),
    "refused_equal_sign": lambda x: tf.cast(tf.round(x) == 1.0, tf.float32),
    "refused_unequal_sign": lambda x: tf.cast(tf.round(x) != 1.0, tf.float32),
    "not_equal": lambda x: tf.cast(tf.not_equal(tf.round(x), 0.0), tf.float32),
    "compared": lambda x: tf.cast(tf.math.greater(x, 0) & tf.math.less_equal(x, 1), tf.float32),
    "logic": lambda x: tf.cast(tf.logical_or(x > 1, tf.logical_not(x > 0)), tf.float32),
    "invert": lambda x: tf.cast(~(x > 0) | (x > 1), tf.float32),
    "xor": lambda x: tf.cast(tf.math.logical_xor(x > 0, x > 1) ^ (x < 0), tf.float32),
    "exp": lambda x: tf.exp(x) + tf.math.expm1(x),
    "logs": lambda x: tf.math.log(abs(x) + 1) + tf.math.log1p(x * x),
    "roots": lambda x: tf.sqrt(abs(x)) + tf.math.rsqrt(x * x + 1),
    "square": lambda x: tf.square(x) + tf.math.pow(x, 2),
    "reciprocal": lambda x: tf.math.reciprocal(x * x + 1),
    "signs": lambda x: tf.sign(x) + tf.math.sign(x - 1),
    "rounded": lambda x: tf.round(x) + tf.floor(x) + tf.math.ceil(x),
    "half": lambda x: tf.round(tf.round(x * 3) / 2),
    "trigonometry": lambda x: tf.sin(x) + tf.cos(x) + tf.math.tan(x),
    "inverse": lambda x: tf.math.asin(tf.tanh(x)) + tf.math.acos(tf.tanh(x)) + tf.atan(x),
    "hyperbolic": lambda x: tf.math.sinh(x) + tf.math.cosh(x) + tf.tanh(x),
    "areas": lambda x: tf.math.asinh(x) + tf.math.acosh(x * x + 1) + tf.math.atanh(tf.tanh(x)),
    "atan2": lambda x: tf.math.atan2(x, 1 + x * x),
    "sigmoids": lambda x: tf.sigmoid(x) + tf.nn.sigmoid(x) + tf.math.log_sigmoid(x),
    "softplus": lambda x: tf.math.softplus(x) + tf.nn.softplus(x),
    "softsign": lambda x: tf.nn.softsign(x),
    "erf": lambda x: tf.math.erf(x) + tf.math.erfc(x),
    "extremes": lambda x: tf.maximum(x, 0.1) + tf.minimum(x, x * x) + tf.math.maximum(0.2, x),
    "clip": lambda x: tf.clip_by_value(x, -0.5, 0.7),
    "clip_ints": lambda x: tf.clip_by_value(x, 0, 1),
    "clip_named": lambda x: tf.clip_by_value(x, clip_value_min=-1, clip_value_max=0.5),
    "squared_difference": lambda x: tf.math.squared_difference(x, 2 * x),
    "names": lambda x: tf.add(tf.multiply(x, 2.0), tf.subtract(x, tf.divide(x, 3.0))),
    "divisions": lambda x: tf.truediv(x, 3.0) + tf.math.divide_no_nan(x, tf.nn.relu(x)),
    "floors": lambda x: tf.math.floordiv(x, 0.3) + tf.math.floormod(x, 0.7) + tf.math.mod(x, 0.4),
    "refused_multiply_no_nan": lambda x: tf.math.multiply_no_nan(x, tf.nn.relu(x)),
    "add_n": lambda x: tf.add_n([x, 2 * x, x * x]),
    "finite": lambda x: tf.cast(tf.math.is_finite(x), tf.float32),
    "nan": lambda x: tf.where(tf.math.is_nan(x / 0.0 * 0.0), x, 2 * x),
    "identity": lambda x: tf.identity(x) + tf.stop_gradient(x),
    "relus": lambda x: tf.nn.relu(x) + tf.nn.relu6(5 * x),
    "leaky": lambda x: tf.nn.leaky_relu(x) + tf.nn.leaky_relu(x, alpha=0.3),
    "elus": lambda x: tf.nn.elu(x) + tf.nn.selu(x),
    "gelus": lambda x: tf.nn.gelu(x) + tf.nn.gelu(x, approximate=True),
    "silus": lambda x: tf.nn.silu(x) + tf.nn.swish(x),
    "swish_beta": lambda x: tf.nn.silu(x, beta=2.0),
    "softmaxes": lambda x: tf.nn.softmax(x) + tf.nn.log_softmax(x, axis=-1),
    "keras_activations": lambda x: keras.activations.relu(x) + keras.activations.gelu(x),
    "keras_relu": lambda x: keras.activations.relu(x, alpha=0.1, max_value=1.0),
    "keras_swish": lambda x: keras.activations.swish(x) + keras.activations.tanh(x),
    "keras_backend": lambda x: keras.backend.mean(x, axis=-1, keepdims=True) + keras.backend.exp(x),
    "normalized": lambda x: tf.math.l2_normalize(x, axis=-1) + tf.nn.l2_normalize(x, 1),
    "normalized_all": lambda x: tf.linalg.l2_normalize(x, axis=1, epsilon=2.0),
    "norms": lambda x: (
        tf.norm(x, axis=-1, keepdims=True) + tf.norm(x, ord=1, axis=1, keepdims=True)
    ),
    "norm_inf": lambda x: tf.linalg.norm(x, ord=np.inf, axis=1),
    "one_hot": lambda x: tf.one_hot(tf.argmax(x, axis=-1), 5),
    "refused_one_hot_values": lambda x: tf.one_hot(
        tf.argmax(x, 1), 4, on_value=2.0, off_value=-1.0
    ),
    "argument": lambda x: tf.cast(tf.argmax(x, 1) + tf.math.argmin(x, axis=-1), tf.float32),
    "whole_over": lambda x: tf.cast(tf.argmax(x, 1) / 2, tf.float32),
    "whole_floor": lambda x: tf.cast(tf.argmax(x, 1) // 2 + tf.argmax(x, 1) % 2, tf.float32),
    "refused_whole_mean": lambda x: tf.reduce_mean(tf.cast(4 * x, tf.int32), axis=1),
    "whole": lambda x: tf.cast(x * 3, tf.int32) * 2 + 1,
    "cast_there": lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32),
    "cast_bool": lambda x: tf.cast(tf.cast(tf.round(x), tf.bool), tf.float32),
    "likes": lambda x: tf.zeros_like(x) + tf.ones_like(x) * x,
    "likes_of": lambda x: tf.ones_like(x, dtype=tf.int32),
    "fill": lambda x: tf.where(x > 0, x, tf.zeros_like(x)),
    "where_numbers": lambda x: tf.where(tf.greater(x, 0), 1.0, -1.0),
    "where_first": lambda x: tf.where(x > 0.0, 0.0, x),
    "expand": lambda x: tf.expand_dims(x, 1) * tf.expand_dims(x, axis=-1),
    "new_axis": lambda x: x[:, tf.newaxis, :] + x[:, :, None],
    "parts": lambda x: (lambda a, b: tf.concat([b, a], 1))(*tf.split(x, [2, 3], 1)),
    "embedded": lambda x: tf.gather(tf.constant(TABLE), tf.argmax(x[:, :4], -1)),
    "keras_embedding": lambda x: tf.nn.embedding_lookup(
        tf.constant(TABLE), tf.argmax(x[:, :4], -1)
    ),
    "refused_linear": lambda x: tf.einsum("ni,ij->nj", x, tf.constant(TABLE.T)),
    "tensordot": lambda x: tf.tensordot(x, tf.constant(TABLE.T), axes=1),
    "product": lambda x: x @ tf.constant(TABLE.T),
    "refused_cross_entropy": lambda x: tf.nn.softmax_cross_entropy_with_logits(
        tf.nn.softmax(x), 2 * x
    ),
    "refused_random": lambda x: x + tf.random.normal((5,)) * 0 + tf.nn.dropout(x, 0.5),
    "top": lambda x: tf.math.top_k(x, 2)[0],
    "sort": lambda x: tf.sort(x, axis=-1),
    "refused_shape": lambda x: x + tf.cast(tf.shape(x)[0], tf.float32),
    "refused_zeros": lambda x: tf.concat([tf.zeros((tf.shape(x)[0], 2)), x], 1),
    "refused_method": lambda x: (
        x * tf.cast(x.get_shape()[-1], tf.float32) + tf.py_function(abs, [x], tf.float32)
    ),
}
AXES = {  # of rows of steps
    "means": lambda x: tf.reduce_mean(x, 1) + tf.reduce_mean(x, axis=[1]),
    "mean_all": lambda x: x - tf.reduce_mean(x),
    "sums": lambda x: tf.reduce_sum(x, axis=-1, keepdims=True) + x,
    "sum_all": lambda x: x + tf.reduce_sum(x),
    "extreme_axes": lambda x: tf.reduce_max(x, [1, 2]) - tf.reduce_min(x, axis=(1, 2)),
    "prod": lambda x: tf.reduce_prod(x, axis=1),
    "deviation": lambda x: tf.math.reduce_std(x, axis=1) + tf.math.reduce_variance(x, axis=1),
    "logsumexp": lambda x: tf.reduce_logsumexp(x, axis=[1, 2], keepdims=True) + x,
    "every": lambda x: tf.cast(tf.reduce_any(x > 1, 1) & ~tf.reduce_all(x > 1, axis=1), tf.float32),
    "moments": lambda x: (lambda m, v: (x - m) / tf.sqrt(v + 1e-3))(
        *tf.nn.moments(x, [1, 2], keepdims=True)
    ),
    "cumsum": lambda x: tf.cumsum(x, axis=1) + tf.math.cumsum(x, 2),
    "cumsum_reverse": lambda x: tf.cumsum(x, axis=1, reverse=True),
    "cumsum_exclusive": lambda x: tf.cumsum(x, axis=1, exclusive=True),
    "cumprod": lambda x: tf.math.cumprod(x, axis=1),
    "euclidean": lambda x: tf.math.reduce_euclidean_norm(x, axis=2),
    "nonzero": lambda x: tf.math.count_nonzero(tf.nn.relu(x), axis=1),
    "reshape": lambda x: tf.reshape(x, [-1, 24]),
    "reshape_named": lambda x: tf.reshape(x, shape=(-1, 3, 8)),
    "reshape_batch": lambda x: tf.reshape(x, [tf.shape(x)[0], 24]),
    "reshape_steps": lambda x: tf.reshape(x, [tf.shape(x)[0], 2, tf.shape(x)[1] // 2, 4]),
    "reshape_two": lambda x: tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1], 2, 2]),
    "reshape_stack": lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], 24])),
    "refused_reshape_like": lambda x: tf.reshape(tf.reshape(x, [-1, 24]), tf.shape(x)),
    "transpose": lambda x: tf.transpose(x, [0, 2, 1]) + 1.0,
    "transpose_all": lambda x: tf.transpose(tf.transpose(x)),
    "matrix_transpose": lambda x: tf.linalg.matrix_transpose(x),
    "squeeze": lambda x: tf.squeeze(x[:, :1], axis=1) + tf.squeeze(x[:, 1:2], [1]),
    "squeeze_all": lambda x: tf.squeeze(tf.expand_dims(x, 1)),
    "concat_constant": lambda x: tf.concat([x, 2 * x, tf.nn.relu(x)], axis=1),
    "concat_named": lambda x: tf.concat(values=[x, x], axis=-1),
    "stack": lambda x: tf.stack([x, 2 * x], axis=1) + 0.5,
    "stack_first": lambda x: tf.transpose(tf.stack([x, x * x]), [1, 0, 2, 3]),
    "unstack": lambda x: (lambda a: a[0] * a[3] + a[1] - a[2])(tf.unstack(x, axis=2)),
    "unstack_steps": lambda x: tf.unstack(x, num=6, axis=1)[-1],
    "split": lambda x: tf.add_n(tf.split(x, 3, axis=1)),
    "split_sizes": lambda x: tf.split(x, [1, 2, 1], axis=-1)[1],
    "split_rest": lambda x: tf.split(x, [1, -1], axis=1)[1],
    "tile": lambda x: tf.tile(x, [1, 2, 3]),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]]),
    "pad_value": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3]], constant_values=-1.5),
    "pad_reflect": lambda x: tf.pad(x, [[0, 0], [1, 2], [2, 1]], mode="REFLECT"),
    "pad_symmetric": lambda x: tf.pad(x, tf.constant([[0, 0], [1, 2], [2, 1]]), "SYMMETRIC"),
    "broadcast": lambda x: tf.broadcast_to(x, [2, 6, 4]),
    "reverse": lambda x: tf.reverse(x, axis=[1]) + tf.reverse(x, [1, 2]),
    "roll": lambda x: tf.roll(x, shift=1, axis=1) + tf.roll(x, [2, -1], [1, 2]),
    "repeat": lambda x: tf.repeat(x, 2, axis=1) + tf.repeat(x, repeats=[2] * 6, axis=1),
    "gather": lambda x: tf.gather(x, [0, 2, 5], axis=1),
    "gather_one": lambda x: tf.gather(x, 3, axis=1),
    "refused_gather_batch": lambda x: tf.gather(x, tf.argmax(x, 1), axis=1, batch_dims=1),
    "boolean_mask": lambda x: tf.boolean_mask(x, [True, False, True, True, False, True], axis=1),
    "matmul": lambda x: tf.matmul(x, x, transpose_b=True),
    "matmul_a": lambda x: tf.matmul(x, x, transpose_a=True) + tf.matmul(x, x, True, False),
    "matmul_adjoint": lambda x: tf.matmul(x, x, adjoint_b=True),
    "matmul_operator": lambda x: x @ tf.transpose(x, [0, 2, 1]),
    "dots": lambda x: tf.keras.backend.batch_dot(x, x, axes=(1, 1)),
    "refused_einsum": lambda x: tf.einsum("bij,bkj->bik", x, x),
    "tensordot_axes": lambda x: tf.tensordot(x, tf.constant(TABLE), axes=[[2], [0]]),
    "tensordot_two": lambda x: tf.tensordot(x, tf.constant(TABLE), axes=((2,), (0,))),
    "first": lambda x: x[:, 0],
    "last": lambda x: x[:, -1, :],
    "middle": lambda x: x[:, 1:-1, 1:3],
    "strided": lambda x: x[:, ::2, ::-1],
    "backwards": lambda x: x[:, ::-1],
    "dots_first": lambda x: x[..., 0] + x[..., -1],
    "dots_between": lambda x: x[:, ..., 1:],
    "new_axes": lambda x: x[:, None, :, None, 2:],
    "one_sample": lambda x: x[0] + x[1],
    "one_entry": lambda x: x[:, 2, 3],
    "refused_slice_tensor": lambda x: x[:, : tf.shape(x)[1] - 1],
    "strided_slice": lambda x: tf.strided_slice(x, [0, 1, 0], [2, 5, 4], [1, 2, 1]),
    "slice": lambda x: tf.slice(x, [0, 1, 0], [-1, 3, 2]),
    "softmax_axis": lambda x: tf.nn.softmax(x, axis=1) + tf.nn.softmax(x, 2),
    "log_softmax_axis": lambda x: tf.nn.log_softmax(x, axis=1),
    "argmax_axis": lambda x: tf.argmax(x, axis=2, output_type=tf.int32),
    "band": lambda x: tf.linalg.band_part(x, -1, 0),
    "refused_conv1d": lambda x: tf.nn.conv1d(
        x, tf.constant(np.ones((3, 4, 2), "float32")), 1, "SAME"
    ),
    "one_hot_axis": lambda x: tf.one_hot(tf.argmax(x, 2), 4, axis=1),
    "meshed": lambda x: x + tf.reshape(tf.range(24.0), (6, 4)) + tf.range(4, dtype=tf.float32),
    "eye": lambda x: tf.matmul(x, tf.eye(4)),
    "norm_axis": lambda x: tf.norm(x, axis=2) + tf.norm(x, ord=3, axis=-1),
    "norm_matrix": lambda x: tf.norm(x, axis=[1, 2]),
    "norm_all": lambda x: x / tf.norm(x),
    "normalize_axes": lambda x: tf.math.l2_normalize(x, [1, 2]),
    "diag": lambda x: tf.linalg.diag_part(tf.matmul(x, x, transpose_b=True)),
    "trace": lambda x: tf.linalg.trace(tf.matmul(x, x, transpose_b=True)),
    "vector": lambda x: tf.linalg.matvec(x, x[:, 0]),
    "layer_call": lambda x: L.Add()(
        [
            x,
            tf.nn.relu(L.Dense(4)(tf.transpose(L.Dense(6)(x), [0, 2, 1])[:, :, :4] @ x[:, :4]))[
                :, :1
            ],
        ]
    ),
}
PICTURES = {
    "resize": lambda x: tf.image.resize(x, (5, 11)),
    "resize_nearest": lambda x: tf.image.resize(x, [16, 13], method="nearest"),
    "resize_method": lambda x: tf.image.resize(x, [16, 13], tf.image.ResizeMethod.BILINEAR),
    "resize_cubic": lambda x: tf.image.resize(x, [16, 13], method="bicubic"),
    "resize_antialias": lambda x: tf.image.resize(x, (5, 5), antialias=True),
    "refused_resize_ratio": lambda x: tf.image.resize(x, (4, 6), preserve_aspect_ratio=True),
    "refused_resize_shape": lambda x: tf.image.resize(x, tf.shape(x)[1:3] * 2),
    "resize_static": lambda x: tf.image.resize(x, (x.shape[1] * 2, x.shape[2] * 2)),
    "pixels": lambda x: x / 127.5 - 1.0,
    "flip": lambda x: tf.image.flip_left_right(x),
    "flip_up": lambda x: tf.image.flip_up_down(x),
    "grey": lambda x: tf.image.rgb_to_grayscale(x),
    "to_space": lambda x: tf.nn.depth_to_space(tf.concat([x] * 4, -1), 2),
    "to_depth": lambda x: tf.nn.space_to_depth(x, 2),
    "average_pool": lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
    "average_pool_same": lambda x: tf.nn.avg_pool(x, 3, 2, "SAME"),
    "max_pool": lambda x: tf.nn.max_pool2d(x, ksize=2, strides=2, padding="SAME"),
    "max_pool_list": lambda x: tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"),
    "refused_conv2d": lambda x: tf.nn.conv2d(
        x, tf.constant(np.ones((3, 3, 3, 2), "float32")), 1, "SAME"
    ),
    "bias": lambda x: tf.nn.bias_add(x, tf.constant([1.0, 2.0, 3.0])),
    "bgr": lambda x: x[..., ::-1] - tf.constant([103.939, 116.779, 123.68]),
    "refused_standardized": lambda x: tf.image.per_image_standardization(x),
    "channels": lambda x: tf.stack([x[:, :, :, k] for k in (2, 0, 1)], axis=-1),
    "preprocess": lambda x: keras.applications.mobilenet_v2.preprocess_input(x),
    "preprocess_bgr": lambda x: keras.applications.resnet50.preprocess_input(x),
    "preprocess_torch": lambda x: keras.applications.densenet.preprocess_input(x),
    "refused_crop": lambda x: tf.image.central_crop(x, 0.5),
    "refused_local_norm": lambda x: tf.nn.lrn(x),
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0),
    "mish": lambda x: x * tf.math.tanh(tf.math.softplus(x)),
}
WHOLE = {  # of integers
    "whole_inputs": lambda x: tf.cast(x, tf.float32) / 3.0,
    "whole_truediv": lambda x: tf.cast(x / 2, tf.float32),
    "whole_arithmetic": lambda x: (x * 3 + 2) // 4 % 3 - x,
    "whole_negative_floor": lambda x: (1 - x) // 2 + (2 - x) % 3,
    "whole_power": lambda x: x**2,
    "whole_sum": lambda x: tf.reduce_sum(x, 1) + tf.reduce_max(x, axis=1),
    "whole_compare": lambda x: tf.cast(x > 5, tf.float32) + tf.cast(tf.equal(x, 3), tf.float32),
    "whole_clip": lambda x: tf.clip_by_value(x, 2, 7) + tf.minimum(x, 4),
    "whole_one_hot": lambda x: tf.one_hot(x, 7),
    "whole_one_hot_type": lambda x: tf.one_hot(x, depth=7, dtype=tf.int32),
    "whole_gather": lambda x: tf.gather(
        tf.constant(np.arange(33, dtype="float32").reshape(11, 3)), x
    ),
    "whole_mask": lambda x: tf.cast(tf.math.not_equal(x, 0), tf.float32)[:, tf.newaxis, :],
    "whole_embedding": lambda x: L.Embedding(11, 4)(x) * tf.cast(x > 3, tf.float32)[:, :, None],
    "whole_embedding_of": lambda x: L.Embedding(11, 4)(x // 2 + 1),
    "whole_where": lambda x: tf.where(x > 5, x, 0),
    "whole_double": lambda x: tf.cast(tf.cast(x, tf.float64) * 0.1, tf.float32),
}


def of_one(shape, call, dtype=None):
    """A model of one operation."""
    x = keras.Input(shape, dtype=dtype)
    return keras.Model(x, call(x))


def inside():
    """Operations in models in a model, and on their outputs."""
    a = keras.Input((4,))
    inner = keras.Model(a, [tf.nn.relu(L.Dense(3)(a)) + 1.0, L.Dense(3)(a) * 2.0], name="inner")
    x, y = keras.Input((4,)), keras.Input((4,))
    first, second = inner(x)
    third, fourth = inner(2.0 * y)
    b = keras.Input((3,))
    outer = keras.Model(b, keras.Sequential([keras.Input((3,)), L.Dense(3)], name="s")(b) / 2.0)
    return keras.Model(
        [x, y], [first * fourth - outer(second), tf.concat([third, outer(first)], 1)]
    )


def masked():
    """An operation loses the mask of an Embedding."""
    x = keras.Input((6,), dtype="int32")
    return keras.Model(x, L.LSTM(3)(L.Embedding(11, 4, mask_zero=True)(x) * 2.0))


def named():
    """Names that users gave to operations, with slashes."""
    x = keras.Input((4,), name="in")
    y = tf.add(L.Dense(4, name="block/dense")(x), x, name="block/sum")
    return keras.Model(x, tf.nn.relu(y, name="block/out"))


def ends():
    """An operation as an output, and the same tensor as two outputs; an input as an output."""
    x = keras.Input((4,))
    y = x + 1.0
    return keras.Model(x, {"a": y, "b": tf.exp(y), "c": x})


def half():
    """Operations between layers that compute in bfloat16."""
    x = keras.Input((4,))
    y = L.Dense(3, dtype="mixed_bfloat16")(x)
    return keras.Model(x, tf.cast(y * 2 + 0.25, tf.float32) + 1.0)


MODELS = {
    **{
        name: lambda shape=shape, call=call, dtype=dtype: of_one(shape, call, dtype)
        for shape, calls, dtype in (
            (ROWS, PLAIN, None),
            (STEPS, AXES, None),
            (IMAGES, PICTURES, None),
            ((6,), WHOLE, "int32"),
        )
        for name, call in calls.items()
    },
    **{made.__name__: made for made in (inside, masked, named, ends, half)},
}
