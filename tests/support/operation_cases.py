"""Operations of keras.ops: functions of Keras tensors, and arrays for them."""

import keras
import numpy as np
from keras import ops


def signed(shape, seed=0, least=None, most=None):
    """Signed numbers of one decimal more than a half; within bounds if there are some."""
    generator = np.random.default_rng(seed)
    if least is None:
        return generator.normal(size=shape)
    return generator.uniform(least, most, size=shape)


SIGNED = """
    negative abs absolute sign square exp exp2 expm1 sin cos tan sinh cosh tanh arctan arcsinh ceil
    floor round trunc cbrt deg2rad rad2deg isnan isinf isfinite logical_not isposinf isneginf
    signbit nan_to_num sinc erf copy real zeros_like ones_like relu relu6 leaky_relu silu softmax
    elu log_softmax log_sigmoid hard_sigmoid hard_silu hard_tanh selu hard_shrink soft_shrink
    tanh_shrink sparse_plus sparse_sigmoid sigmoid softplus softsign celu squareplus sparsemax gelu
    stop_gradient ravel transpose flip fabs erfc fliplr flipud
"""
# Name -> bounds of the numbers, which are signed without them.
UNARY = {
    **dict.fromkeys(SIGNED.split(), (None, None)),
    **dict.fromkeys(["sqrt", "rsqrt", "log", "log2", "log10", "log1p", "reciprocal"], (0.1, 3.0)),
    **dict.fromkeys(["arcsin", "arccos", "arctanh", "erfinv"], (-0.9, 0.9)),
    "arccosh": (1.1, 4.0),
}


SIGNED_PAIRS = """
    add subtract multiply divide true_divide divide_no_nan mod floor_divide maximum minimum arctan2
    hypot logaddexp equal not_equal greater greater_equal less less_equal logical_and logical_or
    logical_xor isclose
"""
BINARY = {**dict.fromkeys(SIGNED_PAIRS.split(), (None, None)), "power": (0.2, 2.0)}
SHAPES = [((3, 4), (3, 4)), ((2, 1, 4), (3, 1)), ((5,), (2, 3, 5))]


X = signed((4, 5, 6), 3)
TIED = np.round(signed((4, 6), 5))
SQUARE = signed((3, 4, 4), 6) + 3 * np.eye(4)
INDICES = np.array([[0, 2], [1, -1]], "int32")
CASES = {
    "argmax": (lambda x: [ops.argmax(x, 1), ops.argmax(x), ops.argmax(x, -1, keepdims=True)], TIED),
    "argmin": (lambda x: [ops.argmin(x, 0), ops.argmin(x, keepdims=True)], TIED),
    "count_nonzero": (lambda x: [ops.count_nonzero(x, 1), ops.count_nonzero(x)], TIED),
    "max_initial": (lambda x: [ops.max(x, 1, initial=0.5), ops.min(x, initial=-0.1)], X),
    "cumsum": (lambda x: [ops.cumsum(x, 1), ops.cumsum(x), ops.cumsum(x, -1)], X),
    "cumprod": (lambda x: [ops.cumprod(x, 2), ops.cumprod(x, 0)], X),
    "average": (lambda x: [ops.average(x, 1), ops.average(x, 0, weights=np.arange(1.0, 5))], X),
    "diff": (lambda x: [ops.diff(x), ops.diff(x, 2, 0)], X),
    "trace": (lambda x: [ops.trace(x), ops.trace(x, 1, 1, 2)], X),
    "several_axes": (
        lambda x: [
            *(ops.logsumexp(x, (1, 2)), ops.logsumexp(x, (0, -1), keepdims=True)),
            *(ops.norm(x, axis=(0, 2)), ops.norm(x, axis=(1, 2), keepdims=True)),
            *(ops.mean(x, (0, 2)), ops.std(x, (1, 2), keepdims=True), ops.prod(x, (2, 0))),
            *(ops.max(x, (0, 1)), ops.median(x, (1, 2)), ops.any(x > 2, (0, 2))),
        ],
        X,
    ),
    "moments": (lambda x: [*ops.moments(x, [0, 2]), *ops.moments(x, 1, keepdims=True)], X),
    "sort": (lambda x: [ops.sort(x), ops.sort(x, 0), ops.argsort(x), ops.argsort(x, 0)], X),
    "sort_ties": (lambda x: [ops.argsort(x), ops.sort(x, 0)], TIED),
    "top_k": (lambda x: [*ops.top_k(x, 2), *ops.top_k(x, 3)], TIED),
    "split": (lambda x: [*ops.split(x, 3, axis=2), *ops.split(x, [1, 3], axis=1)], X),
    "array_split": (lambda x: ops.array_split(x, 4, axis=1), X),
    "unstack": (lambda x: ops.unstack(x, axis=1), X),
    "hstack": (lambda x: [ops.hstack([x, x]), ops.vstack([x, 2 * x]), ops.stack([x, x], 1)], X),
    "append": (lambda x: [ops.append(x, x), ops.append(x, -x, axis=1)], X),
    "tile": (lambda x: [ops.tile(x, [2, 1, 3]), ops.tile(x, (2,)), ops.tile(x, [2, 1, 1, 1])], X),
    "repeat": (
        lambda x: [ops.repeat(x, 2, 1), ops.repeat(x, 3), ops.repeat(x, [1, 0, 2, 1], 0)],
        X,
    ),
    "pad": (
        lambda x: [
            ops.pad(x, ((0, 0), (1, 2), (3, 0)), constant_values=1.5),
            ops.pad(x, ((1, 2), (0, 0), (2, 1)), mode="reflect"),
            ops.pad(x, ((1, 0), (2, 2), (0, 3)), mode="symmetric"),
        ],
        X,
    ),
    "flip": (lambda x: [ops.flip(x, 1), ops.flip(x, (0, 2)), ops.roll(x, 2, 1), ops.roll(x, 3)], X),
    "rot90": (lambda x: [ops.rot90(x), ops.rot90(x, 3, (1, 2))], X),
    "swapaxes": (lambda x: [ops.swapaxes(x, 0, -1), ops.moveaxis(x, 0, 2)], X),
    "moveaxis": (lambda x: ops.moveaxis(x, (0, 1), (-1, 0)), X),
    "expand_dims": (lambda x: [ops.expand_dims(x, 1), ops.expand_dims(x, (0, -1))], X),
    "squeeze": (lambda x: [ops.squeeze(x), ops.squeeze(x, 1)], signed((3, 1, 2, 1))),
    "broadcast_to": (lambda x: ops.broadcast_to(x, (2, 3, 4)), signed((3, 1))),
    "reshape": (lambda x: [ops.reshape(x, (2, -1)), ops.reshape(x, (-1,)), ops.reshape(x, 120)], X),
    "diag": (
        lambda x: [ops.diagonal(x), ops.diagonal(x, 1, 1, 2), ops.tril(x), ops.triu(x, -1)],
        X,
    ),
    "diag_of_vector": (lambda x: [ops.diag(x), ops.diag(x, 1)], signed((4,))),
    "full_like": (lambda x: [ops.full_like(x, 2.5), ops.zeros_like(x, dtype="int32")], X),
    "meshgrid": (lambda x: ops.meshgrid(x, 2 * x), signed((4,))),
    "get_item": (lambda x: [x[:, 1], x[..., None], x[1:3, ::2], x[:, -1, 1:-1], x[0]], X),
    "take": (
        lambda x: [ops.take(x, [0, 2, -1], axis=1), ops.take(x, 3), ops.take(x, INDICES, axis=-1)],
        X,
    ),
    "take_along_axis": (
        lambda x: ops.take_along_axis(x, np.array([[[0], [-1]]] * 4, "int32"), axis=1),
        X,
    ),
    "where": (lambda x: [ops.where(x > 0, x, 0.0), ops.where(x > 0.3, x, -x * 2)], X),
    "where_number": (lambda x: ops.where(x > 0, 1.5, x), X),
    "clip": (lambda x: [ops.clip(x, -0.3, 0.7)], X),
    "convert_to_tensor": (
        lambda x: [ops.convert_to_tensor(x), ops.convert_to_tensor(x * 3, dtype="int32")],
        X,
    ),
    "cast": (lambda x: [ops.cast(x * 3, "int32"), ops.cast(x, "float32"), ops.cast(x, "bool")], X),
    "one_hot": (lambda x: ops.one_hot(ops.cast(x, "int32"), 3, dtype="float64"), TIED),
    "one_hot_axis": (lambda x: ops.one_hot(ops.cast(x, "int32"), 4, axis=1, dtype="int32"), TIED),
    "multi_hot": (lambda x: ops.multi_hot(ops.cast(x, "int32"), 3, dtype="float64"), TIED),
    "searchsorted": (lambda x: ops.searchsorted(np.array([-0.5, 0.0, 0.4]), x), signed((7,))),
    "digitize": (lambda x: ops.digitize(x, np.array([-0.5, 0.0, 0.4])), X),
    "normalize": (
        lambda x: [
            ops.normalize(x),
            ops.normalize(x, 1),
            ops.normalize(x, -1, order=1),
            ops.normalize(x, 0, order=3, epsilon=10.0),
        ],
        X,
    ),
    "max_pool": (lambda x: [ops.max_pool(x, 2), ops.max_pool(x, 3, 2, padding="same")], X),
    "average_pool": (
        lambda x: [ops.average_pool(x, (2, 3), 1), ops.average_pool(x, 2, padding="same")],
        signed((2, 5, 7, 3)),
    ),
    "depth_to_space": (lambda x: ops.depth_to_space(x, 2), signed((2, 3, 5, 8))),
    "space_to_depth": (lambda x: ops.space_to_depth(x, 2), signed((2, 4, 6, 3))),
    # Whole numbers and halves, which float32, in which images are resized, has exactly.
    "resize": (
        lambda x: [
            ops.image.resize(ops.round(4 * x), (10, 14)),
            ops.image.resize(ops.round(4 * x), (3, 4), interpolation="nearest"),
        ],
        signed((2, 5, 7, 3)),
    ),
    "patches": (lambda x: ops.image.extract_patches(x, 2), signed((2, 5, 6, 3))),
    "patches_of_a_rectangle": (
        lambda x: ops.image.extract_patches(x, (3, 2), strides=(2, 1)),
        signed((2, 7, 6, 3)),
    ),
    "patches_same": (
        lambda x: ops.image.extract_patches(x, 3, strides=2, padding="same"),
        signed((2, 6, 7, 2)),
    ),
    "patches_dilated": (
        lambda x: ops.image.extract_patches(x, 2, strides=1, dilation_rate=2),
        signed((2, 6, 5, 3)),
    ),
    "norm": (
        lambda x: [
            ops.norm(x, 1, axis=1),
            ops.norm(x, np.inf, axis=-1, keepdims=True),
            ops.norm(x, 3, axis=0),
            ops.norm(x, "fro", axis=(1, 2)),
            ops.norm(x, 1, axis=(0, 2)),
        ],
        X,
    ),
    "glu": (lambda x: [ops.glu(x), ops.glu(x, 0)], X),
    "softmax_axis": (lambda x: [ops.softmax(x, 1), ops.log_softmax(x, 0), ops.softmax(x, None)], X),
    "gelu_exact": (lambda x: [ops.gelu(x, approximate=False), ops.gelu(x)], X),
    "threshold": (lambda x: [ops.threshold(x, 0.3, -2.0), ops.squareplus(x, 1)], X),
    "leaky_relu": (lambda x: [ops.leaky_relu(x, 0.3), ops.elu(x, 0.4), ops.celu(x, 0.3)], X),
    "inv": (lambda x: [ops.inv(x), ops.det(x)], SQUARE),
    "slogdet": (lambda x: list(ops.slogdet(x)), SQUARE),
    "cholesky": (lambda x: ops.cholesky(ops.matmul(x, ops.swapaxes(x, 1, 2))), SQUARE),
    "cast_argument": (lambda x: ops.einsum("bij,bjk->bik", x, ops.swapaxes(x, 1, 2)), X),
    "slice": (lambda x: ops.slice(x, [1, 0, 2], [2, 5, 3]), X),
    "stacks": (lambda x: [ops.vsplit(x, 2), ops.hsplit(x, 5), ops.dsplit(x, [2])], X),
    "dstack": (lambda x: ops.dstack([x, -x]), X),
    "logdet": (lambda x: ops.logdet(ops.matmul(x, ops.swapaxes(x, 1, 2))), SQUARE),
    "gradient": (lambda x: ops.stop_gradient(x) * x, X),
    "relu_with_settings": (lambda x: keras.activations.relu(x, 0.1, 1.0, 0.2), X),
    "round": (lambda x: [ops.round(x, 1), ops.round(x * 10)], X),
}


A, B = signed((2, 3, 4), 8), signed((2, 4, 5), 9)
HOT, SHARES = np.eye(3)[[0, 2, 1, 1]], np.linspace(0.05, 0.9, 12).reshape(4, 3)
PRODUCTS = {
    "binary_crossentropy": (ops.binary_crossentropy, HOT, SHARES),
    "binary_of_logits": (lambda y, x: ops.binary_crossentropy(y, x, True), HOT, SHARES),
    "categorical_crossentropy": (ops.categorical_crossentropy, HOT, SHARES),
    "categorical_of_logits": (
        lambda y, x: ops.categorical_crossentropy(y, x, from_logits=True, axis=1),
        *(HOT, SHARES),
    ),
    "sparse_crossentropy": (ops.sparse_categorical_crossentropy, np.array([0, 2, 1, 1]), SHARES),
    "matmul": (ops.matmul, A, B),
    "matmul_vector": (ops.matmul, A, signed((4,))),
    "dot": (ops.dot, A, signed((4, 5))),
    "inner": (ops.inner, A, signed((5, 4))),
    "outer": (ops.outer, signed((3, 2)), signed((4,))),
    "vdot": (ops.vdot, signed((6,), 1), signed((6,), 2)),
    "tensordot": (lambda x, y: ops.tensordot(x, y, axes=1), A, signed((4, 5))),
    "tensordot_axes": (lambda x, y: ops.tensordot(x, y, axes=[[0, 2], [0, 1]]), A, B),
    "einsum": (lambda x, y: ops.einsum("bij,bjk->ki", x, y), A, B),
    "einsum_dots": (lambda x, y: ops.einsum("...ij,...jk->...ik", x, y), A, B),
    "cross": (ops.cross, signed((2, 3), 1), signed((2, 3), 2)),
    "kron": (ops.kron, signed((2, 3)), signed((4, 2))),
    "solve": (ops.solve, SQUARE, signed((3, 4, 2))),
    "triangular": (lambda x, y: ops.solve_triangular(x, y, lower=True), SQUARE, signed((3, 4, 2))),
    "concatenate": (lambda x, y: ops.concatenate([x, y], axis=0), A, signed((5, 3, 4))),
    "mixed": (ops.matmul, A, np.arange(20, dtype="int32").reshape(4, 5)),
    "in_top_k": (
        lambda x, y: ops.in_top_k(ops.cast(y, "int32"), ops.cast(x, "float32"), 2),
        TIED,
        np.array([0.0, 3, 9, 1]),  # 9 is no class
    ),
}
