"""Two towers for retrieval and rating: the in-batch softmax is a loss that a layer adds."""

import keras
from keras import layers, ops

USERS, ITEMS, DIM, TEMPERATURE = 40, 50, 8, 0.2


class InBatchSoftmax(layers.Layer):
    """Adds the loss of finding each user's item among those of the batch; returns the cosines."""

    def __init__(self, temperature, weight, **kwargs):
        super().__init__(**kwargs)
        self.temperature, self.weight = temperature, weight

    def call(self, inputs):
        user, item = inputs
        scores = ops.matmul(user, ops.transpose(item)) / self.temperature
        labels = ops.arange(ops.shape(scores)[0])
        loss = keras.losses.sparse_categorical_crossentropy(labels, scores, from_logits=True)
        self.add_loss(self.weight * ops.mean(loss))
        return ops.sum(user * item, axis=1, keepdims=True)


def build():
    user_id = keras.Input((), dtype="int32", name="user_id")
    user_age = keras.Input((1,), name="user_age")
    item_id = keras.Input((), dtype="int32", name="item_id")
    user = layers.Concatenate()([layers.Embedding(USERS, DIM, name="users")(user_id), user_age])
    user = layers.Dense(16, activation="relu", name="user_hidden")(user)
    user = layers.Dense(DIM, name="user_vector")(user)
    item = layers.Embedding(ITEMS, DIM, name="items")(item_id)
    item = layers.Dense(DIM, activation="relu", name="item_vector")(item)
    user, item = layers.UnitNormalization()(user), layers.UnitNormalization()(item)
    cosine = InBatchSoftmax(TEMPERATURE, weight=0.5)([user, item])
    rating = layers.Dense(1, name="rating")(layers.Concatenate()([cosine, user * item]))
    model = keras.Model({"user_id": user_id, "user_age": user_age, "item_id": item_id}, rating)
    model.compile(optimizer=keras.optimizers.Adagrad(0.05), loss="mean_absolute_error")
    return model
