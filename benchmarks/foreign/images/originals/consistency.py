"""Consistency training: one network sees a clean and a noisy image."""

import keras
from keras import layers

TEMPERATURE = 10.0


def get_network():
    inputs = keras.Input((12, 14, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    shortcut = x
    x = layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([x, shortcut])
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5)(x), name="network")


def build():
    network = get_network()
    clean = keras.Input((12, 14, 3), name="clean")
    noisy = keras.Input((12, 14, 3), name="noisy")
    labels = layers.Activation("linear", name="labels")(network(clean))
    student = layers.Softmax(name="student")(network(noisy) / TEMPERATURE)
    model = keras.Model({"clean": clean, "noisy": noisy}, {"labels": labels, "student": student})
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        loss={
            "labels": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "student": keras.losses.KLDivergence(),
        },
        loss_weights={"labels": 1.0, "student": TEMPERATURE},
        metrics={"labels": ["accuracy"]},
    )
    return model
