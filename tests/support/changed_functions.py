"""What a test or a check changes in the whole process, and what it was before."""

import contextlib
import importlib
import random
import sys

import numpy as np
import torch

DTYPES = ("float32", "float32")  # Keras's floatx and policy
_MARKS = ("_keeps_numbers", "_has_float64", "_pools_volumes", "_casts_inside")


def restore_functions():
    """Makes these functions what they were; without effect if TensorFlow was never imported."""
    if "parity.halves.keras.factories" not in sys.modules:
        return
    import keras
    import tensorflow as tf

    holders = [(tf.nn, ("max_pool", "avg_pool", "pool")), (tf.image, ("resize",))]
    for name in ("", ".numpy", ".math"):
        module = importlib.import_module(f"keras.src.backend.tensorflow{name}")
        holders.append((module, ("convert_to_tensor",)))
    holders.append((keras.layers.MelSpectrogram, ("_dbscale",)))
    data_layer = importlib.import_module("keras.src.layers.preprocessing.data_layer")
    holders.append((data_layer.DataLayer, ("__call__",)))
    for holder, names in holders:
        for name in names:
            function = getattr(holder, name)
            while any(hasattr(function, mark) for mark in _MARKS):
                function = function.__wrapped__
            if getattr(holder, name) is not function:
                setattr(holder, name, function)


@contextlib.contextmanager
def left_as_found(*, functions=True):
    """After a row of a test (`covering`, `rows`), the process is what it was before.

    `keras.utils.set_random_seed` reseeds the whole process. `keras_impl.build_model` sets Keras's
    dtype in it; a check in float64 changes some of TensorFlow and Keras, and a port under check
    makes new tensors in float64.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    default, keras = torch.get_default_dtype(), sys.modules.get("keras")
    dtypes = (keras.config.floatx(), keras.config.dtype_policy()) if keras else DTYPES
    try:
        yield
    finally:
        if functions:
            restore_functions()
        set_dtypes(default, *dtypes)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def set_dtypes(default=torch.float32, floatx=DTYPES[0], policy=DTYPES[1]):
    """The default dtype of torch, and those of Keras if it was ever imported."""
    torch.set_default_dtype(default)
    if keras := sys.modules.get("keras"):
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
