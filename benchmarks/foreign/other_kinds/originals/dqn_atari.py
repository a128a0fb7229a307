"""Deep Q-learning: the network, Huber's loss and clipped gradients."""

import keras
from keras import layers

num_actions = 4


def create_q_model():
    return keras.Sequential(
        [
            layers.Input((21, 21, 4)),
            layers.Conv2D(6, 8, strides=4, activation="relu"),
            layers.Conv2D(8, 2, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="relu"),
            layers.Dense(num_actions, activation="linear"),
        ]
    )


def build():
    model = create_q_model()
    optimizer = keras.optimizers.Adam(learning_rate=0.00025, clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=keras.losses.Huber())
    return model
