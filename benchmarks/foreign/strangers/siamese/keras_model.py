"""Siamese network with a contrastive loss, after the example of keras.io."""

import keras
from keras import layers, ops

from keras_impl import Reference

from .data import samples


def euclidean_distance(vects):
    x, y = vects
    sum_square = ops.sum(ops.square(x - y), axis=1, keepdims=True)
    return ops.sqrt(ops.maximum(sum_square, keras.backend.epsilon()))


def contrastive_loss(margin=1):
    """0 is the label of pairs of one class, 1 of different ones."""

    def loss(y_true, y_pred):
        square_pred = ops.square(y_pred)
        margin_square = ops.square(ops.maximum(margin - y_pred, 0))
        return ops.mean((1 - y_true) * square_pred + y_true * margin_square)

    return loss


def build():
    inputs = keras.Input((12, 12, 1))
    x = layers.BatchNormalization()(inputs)
    x = layers.Conv2D(4, (5, 5), activation="tanh")(x)
    x = layers.AveragePooling2D(pool_size=(2, 2))(x)
    x = layers.Conv2D(6, (3, 3), activation="tanh")(x)
    x = layers.Flatten()(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dense(6, activation="tanh")(x)
    embedding_network = keras.Model(inputs, x, name="embedding")

    left, right = keras.Input((12, 12, 1), name="left"), keras.Input((12, 12, 1), name="right")
    distance = layers.Lambda(euclidean_distance, output_shape=(1,))(
        [embedding_network(left), embedding_network(right)]
    )
    normal = layers.BatchNormalization()(distance)
    outputs = layers.Dense(1, activation="sigmoid")(normal)
    siamese = keras.Model([left, right], outputs)
    siamese.compile(loss=contrastive_loss(margin=1), optimizer="RMSprop")
    x, y = samples()
    return Reference(siamese, x=x, y=y)
