"""Activity recognition from sensors: 1D convolutions, channel attention, a stateless TCN-like tail; two outputs."""

import keras
from keras import layers, ops


class ChannelAttention(layers.Layer):
    """Weights of channels from their mean and maximum over time (CBAM)."""

    def __init__(self, ratio=2, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, shape):
        c = shape[-1]
        self.fc1 = layers.Dense(c // self.ratio, activation="relu", use_bias=False)
        self.fc2 = layers.Dense(c, use_bias=False)
        self.fc1.build((None, c))
        self.fc2.build((None, c // self.ratio))

    def call(self, x):
        mean = self.fc2(self.fc1(ops.mean(x, axis=1)))
        peak = self.fc2(self.fc1(ops.max(x, axis=1)))
        return x * ops.sigmoid(mean + peak)[:, None, :]


def temporal_block(x, filters, dilation, name):
    y = layers.Conv1D(filters, 3, padding="causal", dilation_rate=dilation, name=f"{name}_conv")(x)
    y = layers.GroupNormalization(groups=4, name=f"{name}_gn")(y)
    y = layers.LeakyReLU(name=f"{name}_act")(y)
    y = layers.SpatialDropout1D(0.1, name=f"{name}_drop")(y)
    if x.shape[-1] != filters:
        x = layers.Conv1D(filters, 1, name=f"{name}_match")(x)
    return layers.Add(name=f"{name}_add")([x, y])


def build():
    signal = keras.Input((12, 6), name="signal")
    x = layers.Conv1D(
        8, 4, strides=1, groups=2, padding="same", activation="leaky_relu", name="conv_in"
    )(signal)
    x = layers.AveragePooling1D(3, strides=2, padding="same", name="avg")(x)
    x = ChannelAttention(name="channels")(x)
    x = temporal_block(x, 8, 1, "tcn_0")
    x = temporal_block(x, 12, 2, "tcn_1")
    pooled = layers.Concatenate(name="pooled")(
        [layers.GlobalMaxPooling1D(name="gmp")(x), layers.GlobalAveragePooling1D(name="gap")(x)]
    )
    activity = layers.Dense(5, name="activity")(pooled)
    calories = layers.Dense(
        1, activation="relu", bias_initializer=keras.initializers.Constant(0.5), name="calories"
    )(pooled)
    model = keras.Model(signal, [activity, calories])
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.InverseTimeDecay(2e-3, decay_steps=2, decay_rate=0.5),
            weight_decay=4e-3,
        ),
        loss=[keras.losses.CategoricalCrossentropy(from_logits=True), "log_cosh"],
        loss_weights=[1.0, 0.4],
    )
    return model
