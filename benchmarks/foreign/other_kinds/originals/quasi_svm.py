"""A quasi-SVM: random Fourier features, a linear layer and the hinge loss."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="svm")
class RandomFourierFeatures(layers.Layer):
    def __init__(self, output_dim, scale=None, trainable=False, **kwargs):
        super().__init__(trainable=trainable, **kwargs)
        self.output_dim = output_dim
        self.scale = scale

    def build(self, input_shape):
        self.random_features = self.add_weight(
            name="unscaled_kernel",
            shape=(input_shape[-1], self.output_dim),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.output_dim,),
            initializer=keras.initializers.RandomUniform(0.0, 2 * math.pi),
            trainable=False,
        )

    def call(self, inputs):
        x = ops.matmul(inputs, self.random_features / self.scale) + self.bias
        return math.sqrt(2.0 / self.output_dim) * ops.cos(x)

    def get_config(self):
        return {**super().get_config(), "output_dim": self.output_dim, "scale": self.scale}


def build():
    model = keras.Sequential(
        [
            keras.Input(shape=(6,)),
            RandomFourierFeatures(output_dim=20, scale=3.0, name="rff"),
            layers.Dense(units=4, name="linear"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-3),
        loss=keras.losses.CategoricalHinge(),
        metrics=[keras.metrics.CategoricalAccuracy(name="acc")],
    )
    return model
