"""A small program of a user on images that ImageDataGenerator augments."""

from functools import partial

import keras
import numpy as np
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from keras_impl import Reference

draw = np.random.default_rng(4)
x = draw.uniform(size=(50, 10, 10, 1)).astype("float32")
y = x.mean((1, 2, 3)).argsort().argsort() % 3
x_val, y_val = x[:20] ** 2, y[:20]
ARGUMENTS = {
    "rotation_range": 20,
    "width_shift_range": 0.1,
    "height_shift_range": 0.2,
    "shear_range": 5,
    "zoom_range": 0.15,
    "horizontal_flip": True,
}


def model():
    net = keras.Sequential(
        [
            keras.Input((10, 10, 1)),
            keras.layers.Conv2D(3, 3, activation="tanh"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    net.compile(
        keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return net


def build(fit=(), flow=(), **changes):
    """The program; `fit`, `flow` and the others change its arguments."""
    datagen = ImageDataGenerator(**ARGUMENTS, **changes)
    datagen.fit(x)
    given = {"epochs": 3, "validation_data": (x_val, y_val), **dict(fit)}
    return Reference(model(), x=datagen.flow(x, y, **{"batch_size": 8, **dict(flow)}), **given)


standardised = partial(
    build, rescale=0.5, featurewise_center=True, featurewise_std_normalization=True
)


weighted = partial(build, fit={"class_weight": {0: 0.5, 1: 2.0}})


# Passes over the batches do not end with the epochs, and flows are seeded.
in_parts = partial(build, fit={"steps_per_epoch": 5, "epochs": 4}, flow={"seed": 11})


def validated_on_a_flow():
    """Validation draws from the same generator, and another order every time."""
    datagen = ImageDataGenerator(rotation_range=90, width_shift_range=[-2, 1])
    flow = datagen.flow(x_val, y_val, batch_size=8)
    return build(fit={"validation_data": flow, "epochs": 4})


# Cannot be made again in torch.
preprocessed = partial(build, preprocessing_function=np.sqrt)


def changing():
    """A callback changes the images while they are fed."""
    reference = build()

    def change(epoch, logs):
        reference.x.x[:] = reference.x.x[::-1]

    callback = keras.callbacks.LambdaCallback(on_epoch_end=change)
    return Reference(
        reference.model, [callback], x=reference.x, epochs=3, validation_data=(x_val, y_val)
    )
