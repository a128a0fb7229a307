"""Weather forecast: three quantities, the next two steps, from a window of twelve."""

import keras
from keras import layers

WINDOW, FEATURES, HORIZON, TARGETS = 12, 4, 2, 3


def make_model(units=6, dropout=0.1):
    inputs = keras.Input(shape=(WINDOW, FEATURES), name="window")
    x = layers.Conv1D(8, 3, strides=2, padding="causal", activation="elu", name="conv")(inputs)
    x = layers.GRU(units, return_sequences=True, name="gru_1")(x)
    x = layers.LayerNormalization(name="norm")(x)
    x = layers.Dropout(dropout, name="drop")(x)
    x = layers.GRU(units, reset_after=False, recurrent_activation="hard_sigmoid", name="gru_2")(x)
    x = layers.Dense(
        HORIZON * TARGETS, kernel_regularizer=keras.regularizers.L2(1e-3), name="dense"
    )(x)
    outputs = layers.Reshape((HORIZON, TARGETS), name="forecast")(x)
    return keras.Model(inputs, outputs)


def build():
    model = make_model()
    model.compile(
        loss=keras.losses.Huber(delta=0.5),
        optimizer=keras.optimizers.Adam(learning_rate=5e-3, clipnorm=0.1),
        metrics=["mae"],
    )
    return model
