"""Structured data learning with a deep and cross network, with a dict of named inputs."""

import keras
from keras import layers

NUMERIC = ["age", "income"]
CATEGORICAL = {"job": 6, "region": 4}
hidden_units = [8, 8]


def create_model_inputs():
    inputs = {}
    for name in NUMERIC:
        inputs[name] = layers.Input(name=name, shape=(), dtype="float32")
    for name in CATEGORICAL:
        inputs[name] = layers.Input(name=name, shape=(), dtype="int32")
    return inputs


def encode_inputs(inputs, use_embedding=False):
    encoded_features = []
    for name in inputs:
        if name in CATEGORICAL:
            size = CATEGORICAL[name]
            if use_embedding:
                encoded = layers.Embedding(size, 3, name=f"{name}_embedding")(inputs[name])
            else:
                encoded = layers.CategoryEncoding(
                    num_tokens=size, output_mode="one_hot", name=f"{name}_onehot"
                )(inputs[name])
        else:
            encoded = keras.ops.expand_dims(inputs[name], -1)
        encoded_features.append(encoded)
    return layers.concatenate(encoded_features)


def build():
    keras.backend.clear_session()
    inputs = create_model_inputs()
    x0 = encode_inputs(inputs, use_embedding=True)

    cross = x0
    for _ in hidden_units:
        units = cross.shape[-1]
        x = layers.Dense(units)(cross)
        cross = x0 * x + cross
    cross = layers.BatchNormalization()(cross)

    deep = x0
    for units in hidden_units:
        deep = layers.Dense(units)(deep)
        deep = layers.BatchNormalization()(deep)
        deep = layers.ReLU()(deep)
        deep = layers.Dropout(0.1)(deep)

    merged = layers.concatenate([cross, deep])
    outputs = layers.Dense(units=3, activation="softmax")(merged)
    model = keras.Model(inputs=inputs, outputs=outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.001),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    return model
