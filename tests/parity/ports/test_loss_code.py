"""Losses of the user's own as functions of torch: values and gradients are those of Keras."""

import importlib
from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import ops
from ported_keras import Pinball, contrastive
from rows import each_row
from torch.nn import functional

from parity.halves.keras.check.custom_losses import loss_graph
from parity.ports.custom.losses import HOMES, written_loss
from parity.ports.plain import copied
from parity.ports.program import names_used
from torch_impl import losses
from torch_impl.masks import with_mask

BAR = 1e-12
N, SIZE = 6, 4
K = keras.losses


TORCH_IN_FLOAT64 = True


def dice(y_true, y_pred, smooth=1.0):
    y_true = ops.reshape(ops.cast(y_true, y_pred.dtype), (-1, SIZE * SIZE))
    y_pred = ops.reshape(y_pred, (-1, SIZE * SIZE))
    inter = ops.sum(y_true * y_pred, axis=-1)
    both = ops.sum(y_true, axis=-1) + ops.sum(y_pred, axis=-1)
    return 1.0 - (2.0 * inter + smooth) / (both + smooth)


def huber(y_true, y_pred, delta=0.25):
    error = y_true - y_pred
    is_small = ops.abs(error) <= delta
    linear = delta * (ops.abs(error) - 0.5 * delta)
    return ops.where(is_small, 0.5 * ops.square(error), linear)


def with_objects(y_true, y_pred):
    whole = K.BinaryCrossentropy(label_smoothing=0.1)(y_true, y_pred)
    return whole + ops.mean(K.MeanSquaredError(reduction="none")(y_true, y_pred))


def of_labels(y_true, y_pred):
    hot = ops.one_hot(ops.cast(y_true, "int32"), 3)
    by_hand = -ops.sum(hot * ops.log(y_pred), axis=-1)
    return by_hand + K.sparse_categorical_crossentropy(y_true, y_pred)


def triplet(y_true, y_pred):
    """Does not look at its targets."""
    anchor, near, far = y_pred[:, :2], y_pred[:, 2:4], y_pred[:, 4:]
    d = ops.sum((anchor - near) ** 2, axis=1) - ops.sum((anchor - far) ** 2, axis=1)
    return ops.maximum(d + 0.2, 0.0)


def of_names_that_are_taken(y_true, y_pred):
    clip = ops.square(y_true - y_pred)
    losses = clip * ops.exp(clip)
    return ops.mean(losses + ops.maximum(clip, 0.5), axis=-1)


def again(y_true, y_pred):
    """Its first `y_pred` is still read when the second one is made."""
    late = 1 - y_pred
    y_pred = ops.square(y_pred)
    y_pred = ops.exp(y_pred) * y_pred
    return ops.mean(y_pred * late * y_true, axis=-1)


class Absolute(K.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)


BITS, VALUES = "bits", "values"
# Loss (a class is made in the test), kind and shape of the targets, shape of the output.
CASES = {
    "contrastive (N,)": (contrastive(0.8), BITS, (), (1,)),
    "contrastive (N, 1)": (contrastive(0.8), BITS, (1,), (1,)),
    "pinball": (partial(Pinball, [0.1, 0.5, 0.9]), VALUES, (5,), (5, 3)),
    "dice": (dice, BITS, (SIZE, SIZE, 1), (SIZE, SIZE, 1)),
    "huber": (huber, VALUES, (3,), (3,)),
    "huber (N,)": (huber, VALUES, (), (1,)),
    "focal": (
        lambda y, p: -ops.mean((1 - p) ** 2.0 * ops.log(ops.where(ops.equal(y, 1), p, 1 - p))),
        *(BITS, (), (1,)),
    ),
    "objects": (with_objects, BITS, (), (1,)),
    "objects of steps": (with_objects, BITS, (5,), (5, 1)),
    "labels": (of_labels, "labels", (), (3,)),
    "labels (N, 1)": (of_labels, "labels", (1,), (3,)),
    "triplet": (triplet, VALUES, (), (6,)),
    "gaussian": (
        lambda y, p: ops.mean(ops.square(y - ops.split(p, 2, -1)[0]) + ops.split(p, 2, -1)[1], -1),
        *(VALUES, (2,), (4,)),
    ),
    "taken names": (of_names_that_are_taken, VALUES, (3,), (3,)),
    "again": (again, VALUES, (3,), (3,)),
    "class (N,)": (Absolute, VALUES, (), (1,)),
    "sum": (partial(Absolute, reduction="sum"), VALUES, (3,), (3,)),
    "partial": (partial(partial, huber, delta=0.5), VALUES, (3,), (3,)),
    **{
        name: (getattr(K, name), kind, (3,), (3,))
        for kind, names in {
            VALUES: ("log_cosh",),
            BITS: ("binary_focal_crossentropy",),
            "shares": ("tversky", "kl_divergence"),
        }.items()
        for name in names
    },
}


def made(loss):
    """A loss; a class is made here, since its objects compute in the dtype of that time."""
    return loss() if isinstance(loss, type | partial) else loss


def drawn(kind, shape):
    draw = np.random.default_rng(3)
    if kind == "shares":
        shares = draw.uniform(0.1, 1, (N, *shape))
        return shares / shares.sum(-1, keepdims=True)
    whole = {BITS: 2, "labels": 3}.get(kind)
    return draw.integers(0, whole, (N, *shape)) if whole else draw.normal(size=(N, *shape))


def output_of(sides):
    output = np.random.default_rng(4).uniform(0.05, 0.95, (N, *sides))
    return output / output.sum(-1, keepdims=True) if sides[-1] == 3 else output


def text_of(loss, y, sides, *, is_weighted=False, is_masked=False, plain=False):
    graph = loss_graph(loss, y, sides)
    told = {"class": "own", "source": {"file": "app.py", "line": 3}, "graphs": {"": graph}}
    told = told if graph is not None else {**told, "graphs": {}}
    return written_loss("own", told, "", is_weighted=is_weighted, is_masked=is_masked, plain=plain)


def ran(source, **names):
    """The names that a source makes."""
    exec(compile(source, "source of a test", "exec"), names)  # noqa: S102 - it was written above
    return names


def function_of(text, *, plain=False):
    """The loss; of a plain package, beside a file of rules that has what it needs."""
    if plain:
        homes = {"rules": SimpleNamespace(**ran(copied(names_used(text, "rules"), "Rules.")))}
    else:
        homes = {n: getattr(importlib.import_module(home), n) for n, home in HOMES.items()}
        homes["losses"] = losses
    future = "from __future__ import annotations\n"
    return ran(f"{future}{text}", torch=torch, F=functional, **homes)["own"]


def of_keras(loss, y, output, weight=None, mask=None):
    whole = importlib.import_module("keras.src.trainers.compile_utils").get_loss(loss, y, output)
    with tf.GradientTape() as tape:
        given = tf.constant(output)
        tape.watch(given)
        if mask is not None:
            given._keras_mask = tf.constant(mask)
        value = whole(y, given, weight)
    return float(value), tape.gradient(value, given).numpy()


def of_torch(function, y, output, weight=None, mask=None):
    given = torch.tensor(output, requires_grad=True)
    if mask is not None:
        with_mask(given, torch.tensor(mask))
    told = {} if weight is None else {"sample_weight": torch.tensor(weight)}
    value = function(given, torch.tensor(y), **told)
    assert value.shape == ()
    value.backward()
    return value.item(), given.grad.numpy()


def assert_same(found, wanted):
    assert found[0] == pytest.approx(wanted[0], rel=BAR)
    assert np.abs(found[1] - wanted[1]).max() <= BAR * np.abs(wanted[1]).max()


# The focal losses of Keras take a crossentropy of each entry.
WITHOUT_PLAIN = "binary_focal_crossentropy"


@each_row("name", CASES)
def test_value_and_gradient_are_those_of_keras_in_both_forms_with_weights_and_without(name):
    loss, kind, shape, sides = CASES[name]
    loss, y, output = made(loss), drawn(kind, shape), output_of(sides)
    values = loss(y, output) if not isinstance(loss, K.Loss) else loss.call(y, output)
    rank = 1 if len(values.shape) < 2 or name == "huber (N,)" else len(values.shape)
    weight = np.random.default_rng(5).uniform(0, 2, values.shape if rank > 1 else N)
    expected, weighted = of_keras(loss, y, output), of_keras(loss, y, output, weight)
    of_samples = np.random.default_rng(5).uniform(0, 2, N)
    for plain in (False, True)[: 1 if name == WITHOUT_PLAIN else 2]:
        function = function_of(text_of(loss, y, sides, plain=plain), plain=plain)
        assert_same(of_torch(function, y, output), expected)
        function = function_of(text_of(loss, y, sides, is_weighted=True, plain=plain), plain=plain)
        assert_same(of_torch(function, y, output), expected)
        if not plain:
            assert_same(of_torch(function, y, output, weight), weighted)
        elif y.shape[1:] in ((), (1,)):
            given = of_keras(loss, y, output, of_samples)
            assert_same(of_torch(function, y, output, of_samples), given)


@each_row("reduction", ["sum", "mean_with_sample_weight", "mean"])
@each_row("is_masked", [False, True])
def test_reductions_and_masks_are_those_of_keras(reduction, is_masked):
    loss, y, output = Absolute(reduction=reduction), drawn(VALUES, (5, 2)), output_of((5, 2))
    mask = np.arange(5) < np.arange(1, N + 1)[:, None] if is_masked else None
    weight = np.random.default_rng(5).uniform(0, 2, (N, 5))
    function = function_of(text_of(loss, y, (5, 2), is_weighted=True, is_masked=is_masked))
    wanted = of_keras(loss, y, output, weight, mask)
    assert_same(of_torch(function, y, output, weight, mask), wanted)


def test_logits_of_a_sigmoid_reach_a_crossentropy_inside():
    """Probabilities beyond 1 - 1e-7 would be clipped."""
    y, logits = drawn(BITS, (3,)), np.full((N, 3), 20.0)
    function = function_of(text_of(with_objects, y, (3,)))
    given = torch.tensor(logits, requires_grad=True)
    value = function(losses.sigmoid(given), torch.tensor(y))
    value.backward()
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        wanted = ops.mean(with_objects(y, keras.activations.sigmoid(variable * 1)))
    slope = tape.gradient(wanted, variable).numpy()
    assert_same((value.item(), given.grad.numpy()), (float(wanted), slope))


ENDLESS = np.array([1.0, np.inf, 2.0])


@each_row(
    "loss, plain, told",
    [
        (lambda y, p: ops.real(ops.ifft2((y, p))), False, "no graph|operation"),
        (
            lambda y, p: ops.minimum(p, ops.convert_to_tensor(ENDLESS)),
            False,
            "no graph|not finite",
        ),
        # Only the crossentropies of Keras's losses have a plain form.
        (lambda y, p: ops.binary_crossentropy(y, p), True, "has no (plain form|source)"),
        (
            lambda y, p: ops.categorical_crossentropy(y, p, axis=1),
            True,
            "has no (plain form|source)",
        ),
    ],
    ids=["operation", "not_finite", "each_entry", "another_axis"],
)
def test_what_has_no_source_is_refused(loss, plain, told):
    y, output = drawn("shares", (3, 3)), output_of((3, 3))
    with pytest.raises(ValueError, match=told):
        text_of(loss, y, (3, 3), plain=plain)
    if plain:
        found = of_torch(function_of(text_of(loss, y, (3, 3))), y, output)
        assert_same(found, of_keras(loss, y, output))


@each_row("plain, home", [(False, "losses"), (True, "rules")])
def test_the_binary_crossentropy_of_keras_losses_is_one_call(plain, home):
    def loss(y_true, y_pred):
        return K.binary_crossentropy(y_true, y_pred, from_logits=True)

    source = text_of(loss, drawn(BITS, (3,)), (3,), plain=plain)
    call = f"{home}.BinaryCrossentropy(from_logits=True).values(y_pred, y_true)"
    assert source.splitlines()[-1] == f"    return {call}.mean()"
