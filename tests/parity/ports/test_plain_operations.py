"""Operations of keras.ops in a written network are Keras's: values and slopes, plain and not."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import Input, ops
from operation_cases import BINARY, CASES, PRODUCTS, SHAPES, UNARY, signed
from rows import each_row
from written import fed, in_keras_layout, leaves, written, written_plain

from parity.ports.weights import fill_arrays
from torch_impl.keras_config.rules import NoTwinError

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


TORCH_IN_FLOAT64 = True


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
    for n, (mine, their) in enumerate(zip(ours, theirs, strict=True)):
        close(mine.detach().numpy(), their.numpy(), f"output {n}")
    pairs = [(o, u) for o, u in zip(ours, upstream, strict=True) if o.dtype == torch.float64]
    total = sum((o * torch.tensor(u)).sum() for o, u in pairs)
    if slopes is not None and isinstance(total, torch.Tensor) and total.requires_grad:
        total.backward()
        close(tensors[0].grad.numpy(), tf.convert_to_tensor(slopes).numpy(), "slope")


def close(ours, theirs, where):
    assert ours.shape == theirs.shape, where
    scale = max(np.abs(theirs).max(initial=0), 1e-2) if theirs.dtype.kind == "f" else 0
    bar = BAR if theirs.dtype != np.float32 else 1e-6
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=bar * scale, err_msg=where)


def test_operations_on_each_entry_are_keras_ones(tmp_path):
    """All of one range of numbers in one network, but for those without a plain form."""
    named = {name: bounds for name, bounds in UNARY.items() if hasattr(ops, name)}
    alone = named.keys() & WITHOUT.keys()
    for bounds in set(named.values()):
        functions = [getattr(ops, n) for n, b in named.items() if b == bounds and n not in alone]
        array = signed((3, 4, 2), 1, *bounds)
        compare(lambda x, made=functions: [each(x) for each in made], [array], tmp_path)
    for name in alone:
        compare(getattr(ops, name), [signed((3, 4, 2), 1, *named[name])], tmp_path, name)


def test_operations_on_two_tensors_are_keras_ones(tmp_path):
    """Of one rank, and with a number that Keras may round; some have no slope in torch."""
    kinds = {name: (bounds, name == "floor_divide") for name, bounds in BINARY.items()}
    for kind in set(kinds.values()):
        named = {n: getattr(ops, n) for n in BINARY if kinds[n] == kind and hasattr(ops, n)}
        both = [signed(shape, n, *kind[0]) for n, shape in enumerate(SHAPES[0])]
        compare(lambda x, y, of=named: [each(x, y) for each in of.values()], both, tmp_path)
        made = []
        for name in named.keys() - {"isclose", "hypot"}:  # Keras takes no number there
            number = True if name.startswith("logical") else 0.7
            made.append(partial(named[name], x2=number))
            if number is not True:
                made.append(partial(named[name], number))
        compare(lambda x, of=made: [each(x) for each in of], both[:1], tmp_path)


WHOLE, IMAGES = np.arange(12, dtype="int32").reshape(4, 3), signed((4, 5, 6, 3), 2)


@each_row(
    "function, array",
    [
        # Whole numbers beside others become float32.
        (lambda x: [ops.log1p(x), ops.maximum(x, 2.5), x > 2.5], WHOLE),
        (lambda x: [ops.floor_divide(x, 5), ops.ceil(x)], WHOLE),
        (lambda x: [ops.where(x > 4, x, 0), ops.cumsum(x > 4, 1)][:1], WHOLE),
        # Images with channels first are reduced along Keras's axes.
        (lambda x: ops.var(ops.clip(x, -1, 1), axis=-1), IMAGES),
        (lambda x: ops.flip(ops.maximum(x, 0.3), 2), IMAGES),
        (lambda x: ops.where(x > 0.1, x, 0.0), IMAGES),
    ],
)
def test_operations_on_whole_numbers_and_on_images_are_keras_ones(function, array, tmp_path):
    compare(function, [array], tmp_path)


def test_operations_with_their_arguments_are_keras_ones(tmp_path):
    """All of one array in one network."""
    names = [name for name in CASES if name not in UNWRITTEN]
    for name in filter(WITHOUT.__contains__, names):
        compare(CASES[name][0], [CASES[name][1]], tmp_path, name)
    together = [CASES[name] for name in names if name not in WITHOUT]
    for array in {id(array): array for _, array in together}.values():
        made = [function for function, each in together if each is array]
        compare(lambda x, made=made: [each(x) for each in made], [array], tmp_path)


@each_row("name", [name for name in PRODUCTS if name not in UNWRITTEN])
def test_an_operation_on_several_tensors_is_keras_one(name, tmp_path):
    function, *arrays = PRODUCTS[name]
    compare(function, arrays, tmp_path, name)


@each_row("keepdims", [False, True])
@each_row("axis", [None, 1, -1, (1, 2)])
def test_reductions_are_keras_ones(axis, keepdims, tmp_path):
    """Each along other axes in one network; Keras has no norm of all axes."""
    names = ["var", "std", "logsumexp", "prod", "ptp", *(["norm"] if axis is not None else [])]
    options = {"axis": axis, "keepdims": keepdims}
    compare(
        lambda x: [
            *(getattr(ops, name)(x, **options) for name in names),
            *(getattr(ops, name)(x > -0.5, **options) for name in ("all", "any")),
        ],
        [signed((4, 3, 5), 2)],
        tmp_path,
    )
