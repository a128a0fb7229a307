"""Siamese network with a contrastive loss, after the example of keras.io."""

import keras
from keras import layers, ops


def euclidean_distance(vects):
    x, y = vects
    sum_square = ops.sum(ops.square(x - y), axis=1, keepdims=True)
    return ops.sqrt(ops.maximum(sum_square, keras.config.epsilon()))


def make_embedding():
    inp = keras.Input((14, 14, 1))
    x = layers.BatchNormalization(name="bn_in")(inp)
    x = layers.Conv2D(4, (5, 5), activation="tanh", name="conv1")(x)
    x = layers.AveragePooling2D(pool_size=(2, 2), name="pool1")(x)
    x = layers.Conv2D(8, (3, 3), activation="tanh", name="conv2")(x)
    x = layers.AveragePooling2D(pool_size=(2, 2), padding="same", name="pool2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.BatchNormalization(name="bn_flat")(x)
    x = layers.Dense(10, activation="tanh", name="embedding")(x)
    return keras.Model(inp, x, name="embedding_network")


def contrastive_loss(margin=1.0):
    def loss(y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        square_pred = ops.square(y_pred)
        margin_square = ops.square(ops.maximum(margin - y_pred, 0))
        return ops.mean((1 - y_true) * square_pred + y_true * margin_square, axis=-1)

    return loss


def build():
    embedding_network = make_embedding()
    left, right = keras.Input((14, 14, 1), name="left"), keras.Input((14, 14, 1), name="right")
    distance = layers.Lambda(euclidean_distance, output_shape=(1,), name="distance")(
        [embedding_network(left), embedding_network(right)]
    )
    normal = layers.BatchNormalization(name="bn_out")(distance)
    output = layers.Dense(1, activation="sigmoid", name="score")(normal)
    siamese = keras.Model([left, right], output, name="siamese")
    siamese.compile(
        loss=contrastive_loss(margin=1.0),
        optimizer=keras.optimizers.SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
        metrics=["accuracy"],
    )
    return siamese
