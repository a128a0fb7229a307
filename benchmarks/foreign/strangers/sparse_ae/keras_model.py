"""A sparse autoencoder that classifies as well: an activity regulariser, and a KL term by add_loss."""

import keras
from keras import layers, ops, regularizers

from keras_impl import Reference


class SparseAutoencoder(keras.Model):
    def __init__(self, rho=0.1, beta=0.05, **kwargs):
        super().__init__(**kwargs)
        self.rho, self.beta = rho, beta
        self.hidden = layers.Dense(
            18, activation="relu", activity_regularizer=regularizers.L1(1e-2), name="hidden"
        )
        self.code = layers.Dense(8, activation="sigmoid", name="code")
        self.noise = layers.GaussianNoise(0.1)
        self.decoder = layers.Dense(14, name="decoder")
        self.classifier = layers.Dense(3, name="classifier")

    def call(self, inputs, training=None):
        code = self.code(self.hidden(inputs))
        mean = ops.mean(code, axis=0)
        kl = self.rho * ops.log(self.rho / mean) + (1 - self.rho) * ops.log(
            (1 - self.rho) / (1 - mean)
        )
        self.add_loss(self.beta * ops.sum(kl))
        return self.decoder(self.noise(code, training=training)), self.classifier(code)


def build():
    inputs = keras.Input((14,), name="x")
    reconstruction, logits = SparseAutoencoder()(inputs)
    model = keras.Model(inputs, [reconstruction, logits])
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=["mse", keras.losses.SparseCategoricalCrossentropy(from_logits=True)],
        loss_weights=[1.0, 0.2],
    )
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=3, min_lr=2e-5)
    return Reference(model, callbacks=[plateau])
