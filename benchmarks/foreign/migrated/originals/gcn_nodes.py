"""Node classification with graph convolutions; features and adjacency matrix are inputs."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class GraphConv(layers.Layer):
    """activation(D^-1/2 (A + I) D^-1/2 X W + b)"""

    def __init__(self, units, activation=None, use_bias=True, kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        features, _ = input_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features[-1], self.units),
            initializer="he_uniform",
            regularizer=self.kernel_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        x, adjacency = inputs
        a = ops.abs(adjacency) + ops.eye(adjacency.shape[-1], dtype=adjacency.dtype)
        degree = ops.sum(a, axis=-1)
        scale = ops.rsqrt(degree)
        a = a * scale[:, :, None] * scale[:, None, :]
        x = ops.matmul(a, ops.matmul(x, self.kernel))
        if self.use_bias:
            x = x + self.bias
        return self.activation(x)


def build(nodes=7, features=5, classes=3):
    x_in = keras.Input((nodes, features), name="features")
    a_in = keras.Input((nodes, nodes), name="adjacency")
    x = layers.Dropout(0.2, name="drop_in")(x_in)
    x = GraphConv(
        8, "elu", kernel_regularizer=keras.regularizers.L1L2(l1=1e-4, l2=5e-3), name="gcn_1"
    )([x, a_in])
    x = layers.Dropout(0.2, name="drop_1")(x)
    x = GraphConv(6, "elu", use_bias=False, name="gcn_2")([x, a_in])
    x = layers.UnitNormalization(axis=-1, name="unit")(x)
    x = layers.Dense(classes, use_bias=False, name="readout")(x)
    model = keras.Model([x_in, a_in], x)
    model.compile(
        optimizer=keras.optimizers.RMSprop(
            0.01, rho=0.95, momentum=0.8, centered=True, epsilon=1e-5
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
