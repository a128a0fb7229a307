"""Customer table: two categories and five numbers; predicts the value of an order and whether it comes back."""

import keras
from keras import layers

CATEGORIES = {"country": 7, "device": 4}


def build():
    inputs, encoded = {}, []
    for name, size in CATEGORIES.items():
        inputs[name] = keras.Input((1,), dtype="int32", name=name)
        emb = layers.Embedding(size, min(4, (size + 1) // 2), name=f"{name}_embedding")(
            inputs[name]
        )
        encoded.append(layers.Flatten(name=f"{name}_flat")(emb))
    inputs["numbers"] = keras.Input((5,), name="numbers")
    encoded.append(
        layers.BatchNormalization(momentum=0.95, epsilon=1e-5, name="numbers_bn")(inputs["numbers"])
    )

    x = layers.Concatenate(name="features")(encoded)
    for i, units in enumerate((12, 8)):
        x = layers.Dense(
            units, activation="selu", kernel_initializer="lecun_normal", name=f"dense_{i}"
        )(x)
        x = layers.AlphaDropout(0.1, name=f"alpha_{i}")(x)
    value = layers.Dense(1, activation="softplus", name="value")(x)
    returns = layers.Dense(1, name="returns")(x)

    model = keras.Model(inputs, {"value": value, "returns": returns})
    model.compile(
        optimizer=keras.optimizers.Nadam(2e-3),
        loss={
            "value": "mean_squared_logarithmic_error",
            "returns": keras.losses.BinaryCrossentropy(from_logits=True),
        },
        loss_weights={"value": 1.0, "returns": 0.3},
    )
    return model
