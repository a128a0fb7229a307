"""Adversarial training (FGSM): the mean of the losses of clean and of perturbed images."""

import keras
from keras import layers, ops

from keras_impl import Reference

from .data import samples


class AdversarialClassifier(keras.Model):
    def __init__(self, classifier, epsilon=0.03, **kwargs):
        super().__init__(**kwargs)
        self.classifier = classifier
        self.epsilon = epsilon
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.clean_tracker = keras.metrics.Mean(name="clean_loss")

    def call(self, inputs, training=False):
        return self.classifier(inputs, training=training)

    @property
    def metrics(self):
        return [self.loss_tracker, self.clean_tracker]

    def train_step(self, data):
        import tensorflow as tf

        images, labels = data
        images = tf.convert_to_tensor(images)
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = self.compute_loss(images, labels, self(images, training=False))
        gradient = tape.gradient(loss, images)
        perturbed = ops.clip(images + self.epsilon * ops.sign(gradient), 0.0, 1.0)

        with tf.GradientTape() as tape:
            clean_loss = self.compute_loss(images, labels, self(images, training=True))
            adversarial_loss = self.compute_loss(images, labels, self(perturbed, training=True))
            loss = 0.5 * clean_loss + 0.5 * adversarial_loss
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.loss_tracker.update_state(loss)
        self.clean_tracker.update_state(clean_loss)
        return {"loss": self.loss_tracker.result(), "clean_loss": self.clean_tracker.result()}


def make_classifier():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(4)(x)
    return keras.Model(inputs, outputs, name="classifier")


def build():
    model = AdversarialClassifier(make_classifier())
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9, global_clipnorm=0.5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    x, y = samples()
    return Reference(model, x=x, y=y)
