"""Denoising convolutional autoencoder for grey images with a sparse code."""

import keras
from keras import layers, regularizers


def encoder(shape=(15, 15, 1)):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.GaussianNoise(0.1, name="noise"),
            layers.Conv2D(6, 3, strides=2, padding="same", name="conv1"),
            layers.LeakyReLU(negative_slope=0.2, name="leaky1"),
            layers.Conv2D(8, 3, strides=2, padding="same", name="conv2"),
            layers.PReLU(
                shared_axes=[1, 2],
                alpha_initializer=keras.initializers.Constant(0.25),
                name="prelu",
            ),
            layers.Flatten(name="flatten"),
            layers.Dense(
                7, activation="sigmoid", activity_regularizer=regularizers.L1(1e-3), name="code"
            ),
        ],
        name="encoder",
    )


def decoder():
    return keras.Sequential(
        [
            keras.Input((7,)),
            layers.Dense(4 * 4 * 8, activation="relu", name="expand"),
            layers.Reshape((4, 4, 8), name="reshape"),
            layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu", name="up1"),
            layers.Conv2DTranspose(4, 2, strides=2, padding="valid", activation="relu", name="up2"),
            layers.Cropping2D(((0, 1), (0, 1)), name="crop"),
            layers.Conv2D(1, 3, padding="same", name="pixels"),
        ],
        name="decoder",
    )


def build():
    image = keras.Input((15, 15, 1), name="image")
    autoencoder = keras.Model(image, decoder()(encoder()(image)), name="autoencoder")
    autoencoder.compile(
        optimizer=keras.optimizers.Adagrad(learning_rate=0.02),
        loss="mean_absolute_error",
    )
    return autoencoder
