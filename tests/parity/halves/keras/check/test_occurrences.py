"""Keras's optimizers take each occurrence of a token by itself, and a check says so."""

import keras
import numpy as np
import tensorflow as tf
from rows import each_row

from parity.halves.keras.check.optimizer import places_moved_by_rows
from parity.halves.keras.check.run import run_check
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

RATE, EPSILON = 0.1, 1e-7
ROWS = [[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]]


def sliced(rows, indices):
    return tf.IndexedSlices(tf.constant(rows), tf.constant(indices), tf.constant([3, 2]))


def table():
    return keras.Variable(np.ones((3, 2)), dtype="float32", name="table")


@each_row(
    "optimizer, is_apart",
    [
        (lambda: keras.optimizers.Adam(RATE), True),
        (lambda: keras.optimizers.RMSprop(RATE), True),
        (lambda: keras.optimizers.Adagrad(RATE), True),
        (lambda: keras.optimizers.SGD(RATE, clipvalue=0.4), True),
        (lambda: keras.optimizers.SGD(RATE, momentum=0.9, nesterov=True), False),
    ],
)
def test_only_what_is_not_linear_in_the_gradient_takes_rows_apart(optimizer, is_apart):
    variables, optimizer = [keras.Variable(np.ones(2), dtype="float32"), table()], optimizer()
    gradients = [tf.ones(2), sliced(ROWS, [1, 1, 2])]
    optimizer.apply(gradients, variables)
    before = [v.numpy() for v in (*variables, *optimizer.variables)]
    assert places_moved_by_rows(optimizer, gradients, variables) == ([1] if is_apart else [])
    after = [v.numpy() for v in (*variables, *optimizer.variables)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert places_moved_by_rows(optimizer, [tf.ones(2), sliced(ROWS, [0, 1, 2])], variables) == []


@each_row("optimizer, is_told", [("adam", True), ("sgd", False)])
def test_a_check_of_an_embedding_tells_what_it_does_not_compare(optimizer, is_told):
    def build():
        net = keras.Sequential(
            [
                keras.Input((6,), dtype="int32"),
                keras.layers.Embedding(4, 3, name="embedding"),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(1),
            ]
        )
        net.compile(optimizer, "mse")
        return net

    writer = TraceWriter()
    run_check(CheckSpec(steps=2), build, writer)
    told = [entry["what"] for entry in writer.facts["not_compared"]]
    assert ("training of embedding.embeddings by repeated rows" in told) is is_told
