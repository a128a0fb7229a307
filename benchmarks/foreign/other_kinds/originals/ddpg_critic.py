"""The critic of DDPG: a state and an action go in, a value comes out."""

import keras
from keras import layers

num_states, num_actions = 3, 2


def get_critic():
    # State as input
    state_input = layers.Input(shape=(num_states,), name="state")
    state_out = layers.Dense(6, activation="relu")(state_input)
    state_out = layers.Dense(8, activation="relu")(state_out)

    # Action as input
    action_input = layers.Input(shape=(num_actions,), name="action")
    action_out = layers.Dense(8, activation="relu")(action_input)

    # Both are passed through separate layer before concatenating
    concat = layers.Concatenate()([state_out, action_out])

    out = layers.Dense(12, activation="relu")(concat)
    out = layers.Dense(12, activation="relu")(out)
    outputs = layers.Dense(1)(out)

    # Outputs single value for a given state-action
    return keras.Model([state_input, action_input], outputs)


def build():
    model = get_critic()
    model.compile(optimizer=keras.optimizers.Adam(0.002), loss="mean_squared_error")
    return model
