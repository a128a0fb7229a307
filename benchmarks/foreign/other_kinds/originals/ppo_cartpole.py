"""The two networks of PPO; the actor's loss clips a ratio of probabilities."""

import keras
import numpy as np
from keras import layers, ops

observation_dimensions, num_actions, clip_ratio = 4, 2, 0.2


def mlp(x, sizes, activation="tanh", output_activation=None):
    for size in sizes[:-1]:
        x = layers.Dense(units=size, activation=activation)(x)
    return layers.Dense(units=sizes[-1], activation=output_activation)(x)


def logprobabilities(logits, a):
    # Compute the log-probabilities of taking actions a by using the logits
    logprobabilities_all = ops.log_softmax(logits)
    return ops.sum(ops.one_hot(a, num_actions) * logprobabilities_all, axis=1)


def policy_loss(y_true, logits):
    # action, advantage, log-probability of the action when it was taken
    action = ops.cast(y_true[:, 0], "int32")
    advantage, old = y_true[:, 1], y_true[:, 2]
    ratio = ops.exp(logprobabilities(logits, action) - old)
    min_advantage = ops.where(
        advantage > 0, (1 + clip_ratio) * advantage, (1 - clip_ratio) * advantage
    )
    return -ops.mean(ops.minimum(ratio * advantage, min_advantage))


def build():
    from keras_impl import Reference

    observation_input = keras.Input(shape=(observation_dimensions,), dtype="float32")
    logits = mlp(observation_input, [9, 7, num_actions])
    value = ops.squeeze(mlp(observation_input, [9, 7, 1]), axis=1)
    model = keras.Model(observation_input, {"policy": logits, "value": value})
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=3e-4),
        loss={"policy": policy_loss, "value": "mse"},
        loss_weights={"policy": 1.0, "value": 0.5},
    )
    draw = np.random.default_rng(1)
    n = 40
    actions = np.stack(
        [
            draw.integers(0, num_actions, n),
            draw.normal(size=n),
            np.log(draw.uniform(0.3, 0.7, n)),
        ],
        axis=1,
    )
    return Reference(
        model,
        x=draw.normal(size=(n, observation_dimensions)).astype("float32"),
        y={
            "policy": actions.astype("float32"),
            "value": draw.normal(size=n).astype("float32"),
        },
    )
