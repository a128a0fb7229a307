"""Transfer learning: a frozen backbone with batch normalisation in inference mode, and a new head."""

import keras
from keras import layers


def backbone():
    """Stands for a pretrained network."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="c1")(inputs)
    x = layers.BatchNormalization(name="b1")(x)
    x = layers.ReLU(max_value=6.0, name="r1")(x)
    x = layers.Conv2D(8, 3, groups=2, padding="same", use_bias=False, name="c2")(x)
    x = layers.BatchNormalization(name="b2")(x)
    x = layers.ReLU(name="r2")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="p2")(x)
    return keras.Model(inputs, x, name="backbone")


def build():
    base = backbone()
    base.trainable = False
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Rescaling(1.0 / 127.5, offset=-1, name="rescale")(inputs)
    x = base(x, training=False)
    x = layers.Conv2D(8, 1, name="adapter")(x)
    x = layers.BatchNormalization(momentum=0.8, name="adapter_bn")(x)
    x = layers.Activation("swish", name="adapter_act")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    outputs = layers.Dense(1, name="cat_or_dog")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss=keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    return model
