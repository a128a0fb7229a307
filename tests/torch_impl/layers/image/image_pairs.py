"""A Keras layer of images and its torch module beside each other, call after call."""

import platform

import keras
import numpy as np
import tensorflow as tf
import torch

from torch_impl import layers

# What a generator may be seeded with, beyond 32 bits and below zero too.
SEEDS = (0, 42, 2**31 - 1, 2**31 + 5, 2**40, -3)
ON_X86 = platform.machine().lower() in ("x86_64", "amd64")
BAR = 1e-6  # relative to the greatest pixel, where TensorFlow's kernels have fused operations


def pixels(shape, seed=0, dtype="float32", scale=100.0):
    """Signed numbers; float64 has digits that float32 lacks."""
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(dtype)


def whole_pixels(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def turn(x):
    """(..., H, W, C) to (..., C, H, W)."""
    return torch.tensor(x).movedim(-1, -3)


def turn_back(y):
    return y.movedim(-3, -1).numpy()


def pair(kind, *arguments, dtype="float32", in_graph=False, **options):
    theirs = getattr(keras.layers, kind)(*arguments, dtype=dtype, **options)
    ours = getattr(layers, kind)(*arguments, **options)
    ours.in_graph = in_graph
    return theirs, ours


def compiled(layer):
    """A call of a Keras layer in train mode, as `fit` compiles it."""
    return tf.function(lambda images: layer(images, training=True), autograph=False)


def same(ours, theirs):
    """Whether pixels are the same: bit for bit on x86."""
    theirs = np.asarray(theirs)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    if ON_X86:
        return np.array_equal(ours, theirs)
    return near(ours, theirs, BAR)


def near(ours, theirs, bar):
    theirs = np.asarray(theirs)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    return np.abs(ours - theirs).max() <= bar * np.abs(theirs).max()
