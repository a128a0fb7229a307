"""Metric learning for image similarity search: anchors against positives."""

import keras
from keras import layers, ops


def embedding_model():
    inputs = layers.Input(shape=(12, 10, 3))
    x = inputs
    for filters in (6, 8):
        x = layers.Conv2D(filters=filters, kernel_size=3, strides=2, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    embeddings = layers.Dense(units=5, activation=None)(x)
    embeddings = layers.UnitNormalization()(embeddings)
    return keras.Model(inputs, embeddings, name="embedding")


def build(temperature=0.2):
    embed = embedding_model()
    anchors = layers.Input(shape=(12, 10, 3), name="anchors")
    positives = layers.Input(shape=(4, 12, 10, 3), name="positives")
    anchor_embeddings = embed(anchors)
    positive_embeddings = layers.TimeDistributed(embed)(positives)
    similarities = ops.einsum("ne,npe->np", anchor_embeddings, positive_embeddings)
    similarities /= temperature
    model = keras.Model({"anchors": anchors, "positives": positives}, similarities)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
