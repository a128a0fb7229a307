"""Two-tower recommender, a subclassed model with a dictionary of inputs; item vectors of text are frozen."""

import keras
import numpy as np
from keras import layers, ops

from keras_impl import Input, Reference

USERS, ITEMS = 30, 20


class Tower(layers.Layer):
    def __init__(self, units, out, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(units, activation="mish")
        self.norm = layers.BatchNormalization(center=False, momentum=0.9)
        self.project = layers.Dense(out, use_bias=False)

    def call(self, x, training=None):
        x = self.norm(self.hidden(x), training=training)
        return ops.normalize(self.project(x), axis=-1)


class TwoTower(keras.Model):
    def __init__(self, dim=6, **kwargs):
        super().__init__(**kwargs)
        self.user_embedding = layers.Embedding(
            USERS, dim, embeddings_regularizer=keras.regularizers.L2(1e-3)
        )
        self.item_embedding = layers.Embedding(
            ITEMS, dim, embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1)
        )
        text = np.random.default_rng(7).normal(size=(ITEMS, 4)) / 2
        self.item_text = layers.Embedding(
            ITEMS, 4, trainable=False, embeddings_initializer=keras.initializers.Constant(text)
        )
        self.user_bias = layers.Embedding(USERS, 1, embeddings_initializer="zeros")
        self.user_tower = Tower(8, 5)
        self.item_tower = Tower(8, 5)
        self.temperature = self.add_weight(name="temperature", shape=(), initializer="ones")

    def call(self, inputs, training=None):
        user, item, age = inputs["user"], inputs["item"], inputs["age"]
        u = ops.concatenate([self.user_embedding(user), age], axis=-1)
        i = ops.concatenate([self.item_embedding(item), self.item_text(item)], axis=-1)
        score = ops.sum(
            self.user_tower(u, training=training) * self.item_tower(i, training=training),
            axis=-1,
            keepdims=True,
        )
        return score * ops.exp(self.temperature) + self.user_bias(user)


def build():
    model = TwoTower()
    model.compile(
        optimizer=keras.optimizers.Lion(learning_rate=1e-3, weight_decay=0.05),
        loss=keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.05),
    )
    return Reference(
        model,
        inputs={
            "user": Input((), dtype="int32"),
            "item": Input((), dtype="int32"),
            "age": Input((2,)),
        },
    )
