"""CTC in float64: TensorFlow has no kernel but one in float32, and Keras casts to that.

The block computes by the equations of the same loss. Source: Graves et al. 2006, "Connectionist
Temporal Classification", equations 6 to 8, in logarithms; arguments as keras 3.15
`backend/tensorflow/nn.py` (`ctc_loss`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from parity.halves.keras import versions

_NONE = -1e30  # logarithm of a probability of 0, without an infinity that makes gradients NaN


@contextmanager
def ctc_in_float64() -> Iterator[None]:
    """Gives Keras's CTC loss the dtype of its outputs in the block. Keras 3 only."""
    if versions.IS_KERAS_2:
        yield
        return
    module: Any = importlib.import_module("keras.src.backend.tensorflow.nn")
    before = module.ctc_loss
    module.ctc_loss = ctc_loss
    try:
        yield
    finally:
        module.ctc_loss = before


def ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> Any:
    """Returns -log p of each sample's labels, (N,), in the dtype of the outputs.

    Args:
        target: labels, (N, L) integers; L of at least 1.
        output: logits, (N, T, C).
        target_length: number of labels of each sample, (N,).
        output_length: number of steps of each sample, (N,).
        mask_index: the class that is the blank.
    """
    output = tf.convert_to_tensor(output)
    labels = tf.cast(target, tf.int32)
    lengths, steps = tf.cast(target_length, tf.int32), tf.cast(output_length, tf.int32)
    num, most = labels.shape[0], labels.shape[1]
    blanks = tf.fill((num, most), mask_index)
    # A blank before each label, and one behind the last.
    states = tf.reshape(tf.stack([blanks, labels], axis=-1), (num, 2 * most))
    states = tf.concat([states, blanks[:, :1]], axis=1)
    two_before = tf.concat([tf.fill((num, 2), mask_index), states[:, :-2]], axis=1)
    skips = (states != mask_index) & (states != two_before)
    logs = tf.gather(tf.nn.log_softmax(output), states, axis=2, batch_dims=1)
    none = tf.cast(_NONE, output.dtype)
    alpha = tf.where(tf.range(2 * most + 1) < 2, logs[:, 0], none)
    for step in range(1, output.shape[1]):
        one = tf.concat([tf.fill((num, 1), none), alpha[:, :-1]], axis=1)
        two = tf.concat([tf.fill((num, 2), none), alpha[:, :-2]], axis=1)
        ways = tf.stack([alpha, one, tf.where(skips, two, none)])
        after = tf.reduce_logsumexp(ways, axis=0) + logs[:, step]
        alpha = tf.where((step < steps)[:, None], after, alpha)
    last = tf.gather(alpha, 2 * lengths, batch_dims=1)
    label = tf.gather(alpha, tf.maximum(2 * lengths - 1, 0), batch_dims=1)
    label = tf.where(lengths > 0, label, none)
    found = -tf.reduce_logsumexp(tf.stack([last, label]), axis=0)
    return tf.where(found > -none / 2, tf.cast(float("inf"), output.dtype), found)
