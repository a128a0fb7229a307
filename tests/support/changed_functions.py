"""Functions of Keras and TensorFlow that a check in float64 changes in its whole process."""

import importlib
import sys

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
