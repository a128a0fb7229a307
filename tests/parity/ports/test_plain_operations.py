"""Operations of keras.ops in a written network are Keras's: values and slopes, plain and not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import Input, ops
from operation_cases import BINARY, CASES, PRODUCTS, SHAPES, UNARY, signed
from written import fed, in_keras_layout, leaves, written, written_plain

from parity.ports.weights import fill_arrays
from torch_impl.keras_config.operations import OPERATIONS
from torch_impl.keras_config.problems import NoTwinError

BAR = 1e-12
# What no source is written of, by reasons that are not those of --plain: an array beside axes, a
# batch of a fixed size, products of two dtypes, and matrices that the numbers of the trace make
# singular.
UNWRITTEN = {"average", "broadcast_to", "mixed", "inv", "cholesky", "solve"}
# What --plain refuses by name, of what a port without it takes.
WITHOUT = {
    "sparsemax": "the operation Sparsemax has no plain function",
    "softmax_axis": "the operation (Log)?Softmax has no plain function",
    "max_pool": "the operation MaxPool has no plain function",
    "average_pool": "the operation AveragePool has no plain function",
    "max_initial": "the operation Max has no plain function",
    "resize": "the operation Resize has no plain function",
    **{
        f"{name}_{what}": "the operation (Binary|.*Categorical)Crossentropy has no plain function"
        for name in ("binary", "categorical", "sparse")
        for what in ("crossentropy", "of_logits")
    },
}


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def compare(function, arrays, folder, name=""):
    """Outputs and slopes of both written networks of one operation are those of Keras."""
    inputs = [Input(batch_shape=a.shape, dtype=str(a.dtype)) for a in arrays]
    model = keras.Model(inputs, function(*inputs))
    constants = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(constants)
        theirs = leaves(model(constants))
        upstream = [signed(t.shape, 7 + n) for n, t in enumerate(theirs)]
        pairs = zip(theirs, upstream, strict=True)
        total = sum(tf.reduce_sum(t * u) for t, u in pairs if t.dtype == tf.float64)
    slopes = None
    if len(arrays) == 1 and isinstance(total, tf.Tensor) and constants[0].dtype == tf.float64:
        slopes = tape.gradient(total, constants[0])
    full, program, _ = written(model, folder)
    fill_arrays(full, program)
    same(full, program, arrays, theirs, upstream, slopes)
    if name in WITHOUT:
        with pytest.raises(NoTwinError, match=WITHOUT[name]):
            written_plain(model, folder, full)
        return
    plain, program = written_plain(model, folder, full)
    same(plain, program, arrays, theirs, upstream, slopes)


def same(module, program, arrays, theirs, upstream, slopes):
    tensors = [torch.tensor(array) for array in arrays]
    for tensor in tensors:
        tensor.requires_grad_(tensor.is_floating_point())
    ours = in_keras_layout(module(*fed(program, tensors)), program.outputs)
    assert len(ours) == len(theirs)
    for mine, their in zip(ours, theirs, strict=True):
        close(mine.detach().numpy(), their.numpy())
    pairs = [(o, u) for o, u in zip(ours, upstream, strict=True) if o.dtype == torch.float64]
    total = sum((o * torch.tensor(u)).sum() for o, u in pairs)
    if slopes is not None and isinstance(total, torch.Tensor) and total.requires_grad:
        total.backward()
        close(tensors[0].grad.numpy(), tf.convert_to_tensor(slopes).numpy())


def close(ours, theirs):
    assert ours.shape == theirs.shape
    scale = max(np.abs(theirs).max(initial=0), 1e-2) if theirs.dtype.kind == "f" else 0
    bar = BAR if theirs.dtype != np.float32 else 1e-6
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=bar * scale)


@pytest.mark.parametrize("name", [name for name in UNARY if hasattr(ops, name)])
def test_an_operation_on_each_entry_is_keras_one(name, tmp_path):
    compare(getattr(ops, name), [signed((3, 4, 2), 1, *UNARY[name])], tmp_path, name)


@pytest.mark.parametrize("name", [name for name in BINARY if hasattr(ops, name)])
def test_an_operation_on_two_tensors_is_keras_one(name, tmp_path):
    """Of one rank and of two, and with a number that Keras may round."""
    function = getattr(ops, name)
    for shapes in SHAPES[:2]:
        first, second = (signed(s, n, *BINARY[name]) for n, s in enumerate(shapes))
        if shapes[0][0] == shapes[1][0]:
            compare(function, [first, second], tmp_path)
    if name in ("isclose", "hypot"):  # Keras takes no number there
        return
    is_logical = name.startswith("logical")
    compare(lambda x: function(x, True if is_logical else 0.7), [first], tmp_path)
    if not is_logical:
        compare(lambda x: function(0.7, x), [first], tmp_path)


def test_whole_numbers_beside_others_become_float32(tmp_path):
    array = np.arange(12, dtype="int32").reshape(4, 3)
    compare(lambda x: [ops.log1p(x), ops.maximum(x, 2.5), x > 2.5], [array], tmp_path)
    compare(lambda x: [ops.floor_divide(x, 5), ops.ceil(x)], [array], tmp_path)
    compare(lambda x: [ops.where(x > 4, x, 0), ops.cumsum(x > 4, 1)][:1], [array], tmp_path)


@pytest.mark.parametrize("name", [name for name in CASES if name not in UNWRITTEN])
def test_an_operation_with_its_arguments_is_keras_one(name, tmp_path):
    function, array = CASES[name]
    compare(function, [array], tmp_path, name)


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name not in UNWRITTEN])
def test_an_operation_on_several_tensors_is_keras_one(name, tmp_path):
    function, *arrays = PRODUCTS[name]
    compare(function, arrays, tmp_path, name)


@pytest.mark.parametrize("name", ["var", "std", "logsumexp", "all", "any", "prod", "norm", "ptp"])
@pytest.mark.parametrize("axis", [None, 1, -1, (1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_reduction_is_keras_one(name, axis, keepdims, tmp_path):
    if name == "norm" and axis is None:
        pytest.skip("Keras refuses it")
    array = signed((4, 3, 5), 2)
    array = array > -0.5 if name in ("all", "any") else array
    compare(lambda x: getattr(ops, name)(x, axis=axis, keepdims=keepdims), [array], tmp_path)


def test_images_with_channels_first_are_reduced_along_keras_axes(tmp_path):
    images = signed((4, 5, 6, 3), 2)
    compare(lambda x: ops.var(ops.clip(x, -1, 1), axis=-1), [images], tmp_path)
    compare(lambda x: ops.flip(ops.maximum(x, 0.3), 2), [images], tmp_path)
    compare(lambda x: ops.where(x > 0.1, x, 0.0), [images], tmp_path)


def test_most_operations_have_a_plain_form():
    """What has none is known, so that the next one is looked at."""
    from parity.ports.forms.operations import ROWS
    from torch_impl.plain import operations

    plain = {name.replace("_", "") for name in vars(operations)}
    left = {name for name in OPERATIONS if name not in ROWS and name.lower() not in plain}
    crossentropies = {"BinaryCrossentropy", "CategoricalCrossentropy"}
    crossentropies |= {"SparseCategoricalCrossentropy"}
    assert left - crossentropies == {"AveragePool", "HeldArray", "MaxPool", "Resize", "Sparsemax"}
