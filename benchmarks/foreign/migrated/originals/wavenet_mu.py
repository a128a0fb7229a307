"""WaveNet-like next-sample model over quantised audio: dilated causal convolutions with gates and skip connections."""

import keras
from keras import layers

LEVELS = 16


class GatedResidual(layers.Layer):
    """tanh(filter) * sigmoid(gate), a residual and a skip output."""

    def __init__(self, channels, skip, dilation, **kwargs):
        super().__init__(**kwargs)
        self.filter = layers.Conv1D(
            channels, 2, dilation_rate=dilation, padding="causal", name="filter"
        )
        self.gate = layers.Conv1D(
            channels, 2, dilation_rate=dilation, padding="causal", name="gate"
        )
        self.res = layers.Conv1D(channels, 1, name="res")
        self.skip = layers.Conv1D(skip, 1, name="skip")

    def call(self, x):
        z = keras.ops.tanh(self.filter(x)) * keras.ops.sigmoid(self.gate(x))
        return x + self.res(z), self.skip(z)


def build(channels=6, skip=8, dilations=(1, 2, 4)):
    audio = keras.Input((12, 1), name="audio")
    x = layers.Conv1D(channels, 3, padding="causal", name="front")(audio)
    skips = []
    for d in dilations:
        x, s = GatedResidual(channels, skip, d, name=f"residual_{d}")(x)
        skips.append(s)
    x = layers.Add(name="skips")(skips)
    x = layers.ReLU(name="relu_1")(x)
    x = layers.Conv1D(skip, 1, activation="relu", name="post_1")(x)
    logits = layers.Conv1D(LEVELS, 1, name="post_2")(x)
    model = keras.Model(audio, logits, name="wavenet")
    schedule = keras.optimizers.schedules.ExponentialDecay(
        5e-3, decay_steps=3, decay_rate=0.5, staircase=True
    )
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model
