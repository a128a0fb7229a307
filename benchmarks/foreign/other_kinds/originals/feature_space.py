"""Structured data with preprocessing inside of the model, as FeatureSpace makes it."""

import keras
from keras import layers


def build():
    sex = keras.Input((1,), name="sex", dtype="int32")
    thal = keras.Input((1,), name="thal", dtype="int64")
    age = keras.Input((1,), name="age")
    rest_bp = keras.Input((1,), name="rest_bp")

    features = [
        layers.CategoryEncoding(num_tokens=2, output_mode="one_hot")(sex),
        layers.CategoryEncoding(num_tokens=5, output_mode="one_hot")(
            layers.IntegerLookup(vocabulary=[3, 6, 7, 9], output_mode="int")(thal)
        ),
        layers.CategoryEncoding(num_tokens=4, output_mode="one_hot")(
            layers.Discretization(bin_boundaries=[-0.7, 0.1, 0.8])(age)
        ),
        layers.Normalization(mean=[0.2], variance=[2.5])(rest_bp),
    ]
    x = layers.Concatenate()(features)
    x = layers.Dense(16, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    output = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model({"sex": sex, "thal": thal, "age": age, "rest_bp": rest_bp}, output)
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model
