"""A graph convolution network on a fixed graph: a class for each node, with weights of nodes."""

import keras
import numpy as np
from keras import layers, ops, regularizers

from keras_impl import Reference

from .graph import NODES, normalized_adjacency

FEATURES, CLASSES = 6, 3


class GraphConvolution(layers.Layer):
    def __init__(self, units, adjacency, activation=None, kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.adjacency = adjacency
        self.activation = keras.activations.get(activation)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.units),
            initializer="glorot_uniform",
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, x):
        adjacency = ops.convert_to_tensor(self.adjacency, dtype=x.dtype)
        return self.activation(ops.matmul(adjacency, ops.matmul(x, self.kernel)) + self.bias)


def build():
    adjacency = normalized_adjacency()
    inputs = keras.Input((NODES, FEATURES))
    x = layers.Dropout(0.2)(inputs)
    x = GraphConvolution(12, adjacency, "relu", kernel_regularizer=regularizers.L2(5e-3))(x)
    x = layers.Dropout(0.2)(x)
    x = GraphConvolution(8, adjacency, "relu")(x)
    x = layers.LayerNormalization()(x)
    outputs = GraphConvolution(CLASSES, adjacency)(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    weights = np.random.default_rng(0).uniform(0.0, 2.0, size=(32, NODES)).astype("float32")
    return Reference(model, sample_weight=weights)
