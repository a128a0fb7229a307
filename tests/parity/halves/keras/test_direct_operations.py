"""Operations that run as they are make no functions and the same bits."""

import json
import os
import subprocess
import sys

import pytest
from paths import ROOT

PROGRAM = """
import hashlib, json, os, sys
from contextlib import nullcontext
sys.path.insert(0, {root!r})
import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from parity.halves.keras.kernels import direct_operations

L = keras.layers

def makes_functions(slope):
    # Of an operation with a setting that no other has.
    tf.zeros(1)
    context.context().enable_graph_collection()
    tf.raw_ops.LeakyRelu(features=[1.0, -1.0], alpha=slope)
    functions = bool(context.context().export_run_metadata().partition_graphs)
    context.context().disable_graph_collection()
    return functions

def of_step(dtype):
    # Outputs, masks and gradients of layers of many kinds, drawn and computed outside of graphs.
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    keras.utils.set_random_seed(1)
    images, rows = L.Input((8, 8, 3)), L.Input((5, 4))
    x = L.Conv2D(4, 3, padding="same", activation="gelu")(images)
    x = L.MaxPooling2D()(L.BatchNormalization()(x))
    x = L.Flatten()(L.DepthwiseConv2D(3, activation="leaky_relu")(x))
    y = L.LayerNormalization()(L.MultiHeadAttention(2, 3)(rows, rows))
    y = L.Bidirectional(L.LSTM(3))(y)
    z = L.Dropout(0.5)(L.Concatenate()([x, y]))
    model = keras.Model([images, rows], L.Dense(3, activation="softmax")(z))
    draw = np.random.default_rng(2)
    given = [tf.constant(draw.normal(size=(6, *s)), dtype) for s in ((8, 8, 3), (5, 4))]
    with tf.GradientTape() as tape:
        output = model(given, training=True)
        loss = keras.losses.CategoricalCrossentropy()(tf.one_hot([0, 1, 2, 0, 1, 2], 3), output)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer = keras.optimizers.AdamW(0.1, global_clipnorm=0.5)
    optimizer.apply(gradients, model.trainable_variables)
    return [output, loss, *gradients, *(v.value for v in model.variables)]

for is_direct in (False, True):
    reader, writer = os.pipe()
    if not os.fork():
        with direct_operations() if is_direct else nullcontext():
            inside = makes_functions(0.123)
            found = [np.asarray(x) for dtype in {dtypes} for x in of_step(dtype)]
        functions = inside, makes_functions(0.456)
        digests = [hashlib.sha256(x.tobytes()).hexdigest() for x in found]
        os.write(writer, json.dumps([functions, digests]).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as told:
        print(told.read())
    os.wait()
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize(("onednn", "same"), [("0", ("float32", "float64")), ("1", ("float64",))])
def test_they_make_no_functions_and_the_same_bits_in_their_block(onednn, same):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT), dtypes=same)],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn},
        capture_output=True,
        text=True,
        check=True,
    )
    (as_functions, theirs), (directly, ours) = map(json.loads, ended.stdout.splitlines())
    assert (as_functions, directly) == ([True, True], [False, True])
    assert len(theirs) == 55 * len(same)
    assert ours == theirs
