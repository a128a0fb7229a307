"""A small ConvNeXt for 16x16 images, trained with label smoothing, AdamW and a cosine schedule with warmup."""

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="convnext")
class LayerScale(layers.Layer):
    def __init__(self, init_value=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.init_value = init_value

    def build(self, input_shape):
        self.gamma = self.add_weight(
            name="gamma",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.init_value),
        )

    def call(self, x):
        return x * self.gamma

    def get_config(self):
        return {**super().get_config(), "init_value": self.init_value}


def convnext_block(x, dim, name):
    shortcut = x
    x = layers.DepthwiseConv2D(5, padding="same", name=f"{name}_dwconv")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm")(x)
    x = layers.Dense(4 * dim, activation="gelu", name=f"{name}_pwconv1")(x)
    x = layers.Dense(dim, name=f"{name}_pwconv2")(x)
    x = LayerScale(0.1, name=f"{name}_scale")(x)
    return layers.Add(name=f"{name}_add")([shortcut, x])


def build(num_classes=5):
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(6, 4, strides=4, name="stem_conv")(inputs)
    x = layers.LayerNormalization(epsilon=1e-6, name="stem_norm")(x)
    x = convnext_block(x, 6, "stage0_block0")
    x = layers.LayerNormalization(epsilon=1e-6, name="down_norm")(x)
    x = layers.Conv2D(10, 2, strides=2, name="down_conv")(x)
    x = convnext_block(x, 10, "stage1_block0")
    x = convnext_block(x, 10, "stage1_block1")
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name="head_norm")(x)
    outputs = layers.Dense(num_classes, name="head")(x)
    model = keras.Model(inputs, outputs, name="convnext_tiny")

    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0, decay_steps=20, warmup_target=4e-3, warmup_steps=4, alpha=0.01
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=schedule, weight_decay=0.05),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        metrics=["accuracy"],
    )
    return model
