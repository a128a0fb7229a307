"""A residual network behind random flips and rotations, with L2, SGD and a step schedule."""

import keras
from keras import layers, regularizers

from keras_impl import Input, Reference

CLASSES, L2 = 5, 1e-3


def conv(x, filters, kernel_size, strides=1):
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_regularizer=regularizers.L2(L2),
    )(x)
    return layers.BatchNormalization()(x)


def residual_block(x, filters, strides):
    shortcut = x
    y = layers.ReLU()(conv(x, filters, 3, strides))
    y = conv(y, filters, 3)
    if strides != 1 or x.shape[-1] != filters:
        shortcut = conv(x, filters, 1, strides)
    return layers.ReLU()(layers.Add()([y, shortcut]))


def schedule(epoch, lr):
    return 0.05 if epoch < 3 else 0.005


def build():
    inputs = keras.Input((16, 16, 3), name="images")
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.RandomRotation(0.1)(x)
    x = layers.ReLU()(conv(x, 6, 3))
    x = residual_block(x, 6, strides=1)
    x = residual_block(x, 8, strides=2)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(CLASSES, activation="softmax", kernel_regularizer=regularizers.L2(L2))(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return Reference(
        model,
        callbacks=[keras.callbacks.LearningRateScheduler(schedule)],
        inputs={"images": Input(kind="image")},
    )
