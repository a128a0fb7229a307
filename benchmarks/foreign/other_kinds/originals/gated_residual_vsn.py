"""Gated residual and variable selection networks for income classification."""

import keras
from keras import layers, ops

encoding_size, dropout_rate = 6, 0.15


class GatedLinearUnit(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.linear = layers.Dense(units)
        self.sigmoid = layers.Dense(units, activation="sigmoid")

    def call(self, inputs):
        return self.linear(inputs) * self.sigmoid(inputs)

    def build(self, input_shape):
        self.built = True


class GatedResidualNetwork(layers.Layer):
    def __init__(self, units, dropout_rate):
        super().__init__()
        self.units = units
        self.elu_dense = layers.Dense(units, activation="elu")
        self.linear_dense = layers.Dense(units)
        self.dropout = layers.Dropout(dropout_rate)
        self.gated_linear_unit = GatedLinearUnit(units)
        self.layer_norm = layers.LayerNormalization()
        self.project = layers.Dense(units)

    def call(self, inputs):
        x = self.elu_dense(inputs)
        x = self.linear_dense(x)
        x = self.dropout(x)
        if inputs.shape[-1] != self.units:
            inputs = self.project(inputs)
        x = inputs + self.gated_linear_unit(x)
        return self.layer_norm(x)

    def build(self, input_shape):
        self.built = True


class VariableSelection(layers.Layer):
    def __init__(self, num_features, units, dropout_rate):
        super().__init__()
        self.units = units
        # Create a GRN for each feature independently
        self.grns = [GatedResidualNetwork(units, dropout_rate) for _ in range(num_features)]
        # Create a GRN for the concatenation of all the features
        self.grn_concat = GatedResidualNetwork(units, dropout_rate)
        self.softmax = layers.Dense(units=num_features, activation="softmax")

    def call(self, inputs):
        v = layers.concatenate(inputs)
        v = self.grn_concat(v)
        v = ops.expand_dims(self.softmax(v), axis=-1)

        x = []
        for idx, feature in enumerate(inputs):
            x.append(self.grns[idx](feature))
        x = ops.stack(x, axis=1)
        # The selected features are a weighted sum
        return ops.squeeze(ops.matmul(ops.transpose(v, axes=[0, 2, 1]), x), axis=1)

    def build(self, input_shape):
        self.built = True


def build():
    from keras_impl import Reference

    age = keras.Input((1,), name="age")
    hours = keras.Input((1,), name="hours")
    job = keras.Input((), name="job", dtype="int32")
    features = [
        layers.Dense(units=encoding_size)(age),
        layers.Dense(units=encoding_size)(hours),
        layers.Embedding(input_dim=5, output_dim=encoding_size)(job),
    ]
    features = VariableSelection(3, encoding_size, dropout_rate)(features)
    outputs = layers.Dense(units=1, activation="sigmoid")(features)
    model = keras.Model(inputs={"age": age, "hours": hours, "job": job}, outputs=outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.001),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
    )
    return Reference(model, class_weight={0: 1.0, 1: 3.0})
