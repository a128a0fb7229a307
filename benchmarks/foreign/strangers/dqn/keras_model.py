"""Double DQN with a dueling network: batches of transitions, Huber loss, a target that follows slowly."""

import keras
from keras import layers, ops

from keras_impl import Reference

from .data import transitions

STATE, ACTIONS, GAMMA, TAU = 4, 3, 0.95, 0.05


def q_network(name):
    inputs = keras.Input((STATE,))
    x = layers.Dense(16, activation="relu")(inputs)
    x = layers.Dense(12, activation="relu")(x)
    value = layers.Dense(1)(x)
    advantage = layers.Dense(ACTIONS)(x)
    q = value + advantage - ops.mean(advantage, axis=1, keepdims=True)
    return keras.Model(inputs, q, name=name)


class DoubleDQN(keras.Model):
    def __init__(self):
        super().__init__()
        self.online = q_network("online")
        self.target = q_network("target")
        self.target.set_weights(self.online.get_weights())
        self.target.trainable = False
        self.huber = keras.losses.Huber(delta=1.0)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.q_tracker = keras.metrics.Mean(name="q")

    @property
    def metrics(self):
        return [self.loss_tracker, self.q_tracker]

    def train_step(self, batch):
        import tensorflow as tf

        best = ops.argmax(self.online(batch["next_state"]), axis=1)
        future = ops.sum(self.target(batch["next_state"]) * ops.one_hot(best, ACTIONS), axis=1)
        updated = batch["reward"] + GAMMA * (1.0 - batch["done"]) * future
        with tf.GradientTape() as tape:
            q = self.online(batch["state"], training=True)
            chosen = ops.sum(q * ops.one_hot(batch["action"], ACTIONS), axis=1)
            loss = self.huber(updated, chosen)
        grads = tape.gradient(loss, self.online.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.online.trainable_variables))
        for t, o in zip(self.target.variables, self.online.variables):
            t.assign(TAU * o + (1.0 - TAU) * t)
        self.loss_tracker.update_state(loss)
        self.q_tracker.update_state(ops.mean(chosen))
        return {"loss": self.loss_tracker.result(), "q": self.q_tracker.result()}


def build():
    model = DoubleDQN()
    model.compile(optimizer=keras.optimizers.Adam(2e-3, clipnorm=0.5))
    return Reference(model, x=transitions())
