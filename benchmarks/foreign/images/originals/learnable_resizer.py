"""Learning to resize in computer vision."""

import keras
from keras import layers, ops

TARGET = (8, 12)


@keras.saving.register_keras_serializable(package="resizer")
class LearnableResizer(layers.Layer):
    def __init__(self, filters=4, num_res_blocks=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.num_res_blocks = num_res_blocks
        self.conv_7 = layers.Conv2D(filters, 7, strides=1, padding="same", name="conv_7")
        self.conv_1 = layers.Conv2D(filters, 1, strides=1, padding="same", name="conv_1")
        self.norm_1 = layers.BatchNormalization(name="norm_1")
        self.res = [
            (
                layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"res_a{i}"),
                layers.BatchNormalization(name=f"res_norm_a{i}"),
                layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"res_b{i}"),
                layers.BatchNormalization(name=f"res_norm_b{i}"),
            )
            for i in range(num_res_blocks)
        ]
        self.conv_out = layers.Conv2D(3, 7, strides=1, padding="same", name="conv_out")

    def call(self, inputs, training=None):
        naive_resize = ops.image.resize(inputs, TARGET, interpolation="bilinear")
        x = ops.leaky_relu(self.conv_7(inputs), negative_slope=0.2)
        x = self.norm_1(ops.leaky_relu(self.conv_1(x), negative_slope=0.2), training=training)
        bottleneck = ops.image.resize(x, TARGET, interpolation="bilinear")
        x = bottleneck
        for conv_a, norm_a, conv_b, norm_b in self.res:
            skip = x
            x = norm_a(conv_a(x), training=training)
            x = ops.leaky_relu(x, negative_slope=0.2)
            x = norm_b(conv_b(x), training=training)
            x = x + skip
        x = x + bottleneck
        return self.conv_out(x) + naive_resize

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "num_res_blocks": self.num_res_blocks,
        }


def build():
    inputs = layers.Input((16, 18, 3))
    x = layers.Rescaling(scale=1.0 / 255, name="scale")(inputs)
    x = LearnableResizer(name="resizer")(x)
    x = layers.Conv2D(6, 3, strides=2, activation="relu", name="backbone_1")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="backbone_2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(2, activation="softmax", name="head")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        optimizer="sgd",
        metrics=["accuracy"],
    )
    return model
