"""Attention of several heads is Keras's, over random settings: values, gradients, steps, masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from layer_pairs import BAR, own_names, signed

from torch_impl.layers import GroupQueryAttention, MultiHeadAttention
from torch_impl.weights import assign, read

pytestmark = pytest.mark.usefixtures("direct")

RATE = 0.01
NUM_SETTINGS = 16


def arrays_for(shapes, batch, seed):
    return {name: signed((batch, *s), seed + n) for n, (name, s) in enumerate(shapes.items())}


def both(theirs, ours, arrays, training, **options):
    """Outputs and gradients of both; a plain step of all weights. Returns the differences."""
    constants = {name: tf.constant(array) for name, array in arrays.items()}
    weights = {name: w for name, w in own_names(theirs).items() if w.trainable}
    with tf.GradientTape() as tape:
        tape.watch(list(constants.values()))
        made = tf.nest.flatten(theirs(**constants, training=training, **options))
        upstream = [signed(output.shape, 90 + n) for n, output in enumerate(made)]
        total = sum(tf.reduce_sum(t * u) for t, u in zip(made, upstream, strict=True))
    slopes = tape.gradient(total, [list(constants.values()), [w.value for w in weights.values()]])
    ours.train(training).zero_grad()
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    turned = {
        name: torch.tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }
    mine = ours(**tensors, **turned)
    mine = list(mine) if isinstance(mine, tuple) else [mine]
    sum((o * torch.tensor(u)).sum() for o, u in zip(mine, upstream, strict=True)).backward()
    found = {
        f"output {n}": difference(o.detach(), t)
        for n, (o, t) in enumerate(zip(mine, made, strict=True))
    }
    own = read(ours, gradient=True)
    pairs = {name: (tensors[name].grad, s) for name, s in zip(constants, slopes[0], strict=True)}
    pairs |= {name: (own.get(name), s) for name, s in zip(weights, slopes[1], strict=True)}
    known = {name: pair for name, pair in pairs.items() if pair[1] is not None}
    largest = max(np.max(np.abs(slope)) for _, slope in known.values())
    for name, (mine, slope) in known.items():
        # That of a key's bias is rounding alone: it adds the same to all scores of a query.
        least = largest if name == "key/bias" else 0.0
        found[f"gradient of {name}"] = difference(mine, slope, least)
        if name in weights:
            weights[name].assign(weights[name].numpy() - RATE * slope.numpy())
    with torch.no_grad():
        for parameter in ours.parameters():
            if parameter.grad is not None:
                parameter.sub_(RATE * parameter.grad)
    return found


def difference(ours, theirs, least=0.0):
    """The greatest difference, relative to the greatest entry, or to `least` if that is more."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    return np.max(np.abs(ours - theirs)) / max(np.max(np.abs(theirs)), least, 1e-300)


def fill(layer, seed=5):
    """Random weights, so small that no softmax saturates."""
    for number, weight in enumerate(own_names(layer).values()):
        weight.assign(0.5 * signed(weight.shape, 100 * seed + number))


def assert_same(theirs, ours, shapes, make_options, steps=2):
    theirs.build(**{f"{name}_shape": (None, *shape) for name, shape in shapes.items()})
    fill(theirs)
    names = {name: weight.numpy() for name, weight in own_names(theirs).items()}
    ours = ours.double()
    assert assign(ours, names) == set(names)
    found = {}
    for step in range(steps):
        for training in (False, True):
            batch = 2 + step
            arrays = arrays_for(shapes, batch, 10 * step)
            for name, value in both(
                theirs, ours, arrays, training, **make_options(batch, step)
            ).items():
                found[f"{name}, step {step}, {training=}"] = value
    for name, value in read(ours).items():
        found[f"{name} after the steps"] = difference(value, own_names(theirs)[name].numpy())
    assert not {name: value for name, value in found.items() if not value <= BAR}


def without_window(settings, called):
    """A mask with an axis of heads cannot be joined with any other, in Keras."""
    if called["attention_mask"] == "4":
        settings["sliding_window"] = None


def drawn_settings(number):
    """Settings of a layer, shapes of its inputs, and of what it is called with."""
    rng = np.random.default_rng(1000 + number)
    chance = lambda p: bool(rng.random() < p)  # noqa: E731
    pick = lambda *values: values[int(rng.integers(len(values)))]  # noqa: E731
    steps, others = pick(3, 5), pick(3, 4, 6)
    shapes = {"query": (steps, pick(4, 6)), "value": (others, pick(4, 5))}
    if chance(0.5):
        shapes["key"] = (others, pick(3, 4, 5))
    settings = {
        "num_heads": pick(1, 2, 3),
        "key_dim": pick(1, 2, 5),
        "value_dim": pick(None, 3, 4),
        "dropout": pick(0.0, 0.0, 0.4),
        "use_bias": chance(0.7),
        "output_shape": pick(None, 7, (2, 3)),
        "sliding_window": pick(None, None, 1, 2),
        "use_gate": chance(0.3),
        "seed": int(rng.integers(100)),
    }
    called = {
        "use_causal_mask": chance(0.4),
        "return_attention_scores": chance(0.3),
        "attention_mask": pick(None, "3", "4", "dead"),
        "value_mask": chance(0.3),
        "key_mask": chance(0.2),
    }
    without_window(settings, called)
    return settings, shapes, called


def options_of(called, heads, shapes):
    def make(batch, seed):
        rng = np.random.default_rng(seed)
        steps, others = shapes["query"][0], shapes["value"][0]
        options = {k: called[k] for k in ("use_causal_mask", "return_attention_scores")}
        if called["attention_mask"]:
            middle = (heads,) if called["attention_mask"] == "4" else ()
            mask = rng.random((batch, *middle, steps, others)) < 0.7
            if called["attention_mask"] == "dead":
                mask[0, 1] = False  # this query may look nowhere
            options["attention_mask"] = mask
        for name in ("value_mask", "key_mask"):
            if called["attention_mask"] == "4":
                options["use_causal_mask"] = False  # Keras cannot join masks of other axes
            elif called[name] and (name != "key_mask" or "key" in shapes):
                mask = rng.random((batch, others)) < 0.7
                mask[:, 0] = True
                options[name] = mask
        return options

    return make


@one_test
@pytest.mark.parametrize("number", range(NUM_SETTINGS))
def test_multi_head_attention_is_keras_one(number):
    settings, shapes, called = drawn_settings(number)
    if called["return_attention_scores"] and settings["output_shape"] == (2, 3):
        settings["output_shape"] = 5
    theirs = keras.layers.MultiHeadAttention(**settings, dtype="float64")
    named = {f"{name}_shape": shape for name, shape in shapes.items()}
    ours = MultiHeadAttention(**settings, **named)
    assert_same(theirs, ours, shapes, options_of(called, settings["num_heads"], shapes))


@one_test
@pytest.mark.parametrize("number", range(8))
def test_group_query_attention_is_keras_one(number):
    settings, shapes, called = drawn_settings(number)
    size = shapes["query"][1]
    shapes = {name: (shape[0], size) for name, shape in shapes.items()}
    heads = settings["num_heads"]
    chosen = {k: settings[k] for k in ("dropout", "use_bias", "sliding_window", "use_gate", "seed")}
    chosen |= {
        "head_dim": settings["key_dim"],
        "num_query_heads": 2 * heads,
        "num_key_value_heads": heads,
    }
    theirs = keras.layers.GroupQueryAttention(**chosen, dtype="float64")
    ours = GroupQueryAttention(**chosen, query_size=size)
    assert_same(theirs, ours, shapes, options_of(called, 2 * heads, shapes))


@one_test
@pytest.mark.parametrize(
    ("axes", "dropout"), [(None, 0.0), ((2,), 0.3), ((1, 2), 0.0), (-2, 0.3)], ids=str
)
def test_attention_over_several_axes_is_keras_one(axes, dropout):
    shapes = {"query": (3, 4, 5), "value": (3, 4, 6)}
    settings = {"num_heads": 2, "key_dim": 3, "attention_axes": axes, "dropout": dropout, "seed": 4}
    theirs = keras.layers.MultiHeadAttention(**settings, dtype="float64")
    ours = MultiHeadAttention(**settings, query_shape=shapes["query"], value_shape=shapes["value"])
    assert_same(theirs, ours, shapes, lambda batch, seed: {})


def test_a_mask_of_floats_counts_from_half_in_grouped_attention_alone():
    """Keras's softmax layer takes half as the limit; its other ways take any value but zero."""
    mask = np.array([[[0.0, 0.3, 1.0], [0.6, 0.2, 0.0], [1.0, 1.0, 0.4]]] * 2)
    for dropout in (0.0, 0.3):
        settings = {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1, "seed": 1}
        theirs = keras.layers.GroupQueryAttention(**settings, dropout=dropout, dtype="float64")
        ours = GroupQueryAttention(**settings, dropout=dropout, query_size=4)
        shapes = {"query": (3, 4), "value": (3, 4)}
        assert_same(theirs, ours, shapes, lambda batch, seed: {"attention_mask": mask[:1]}, steps=1)


@one_test
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_heads": 0}, "num_heads=0.*expected positive numbers"),
        ({"flash_attention": True}, "flash_attention=True: expected None or False"),
        ({"sliding_window": 0}, "sliding_window=0: expected a positive number or None"),
        ({"key_shape": (5, 6)}, r"key_shape=\(5, 6\): expected the same axes"),
    ],
    ids=["heads", "flash", "window", "key"],
)
def test_settings_that_keras_refuses_are_errors(options, text):
    with pytest.raises(ValueError, match=text):
        MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, "query_shape": (4, 6), **options})
