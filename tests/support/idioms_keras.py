"""Keras models whose ports in `idioms_torch.py` are right, each written in another way."""

import keras
from keras import layers, ops


def _compiled(model):
    model.compile(keras.optimizers.Adam(1e-3), "mean_squared_error")
    return model


def _model(shape, *parts):
    return _compiled(keras.Sequential([keras.Input(shape), *parts]))


def dense():
    return _model((6,), layers.Dense(6, activation="relu"), layers.Dense(5), layers.Dense(3))


def conv():
    return _model(
        (9, 8, 3),
        layers.Conv2D(4, 3, activation="relu"),
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(3),
    )


def one_channel():
    return _model(
        (9, 8, 1),
        layers.Conv2D(1, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, 2, activation="relu"),
        layers.Flatten(),
        layers.Dense(3),
    )


def one_channel_autoencoder():
    return _model(
        (8, 8, 1),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.Conv2D(1, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(3),
    )


def norms():
    return _model(
        (7, 6),
        layers.Dense(8),
        layers.LayerNormalization(epsilon=1e-5),
        layers.BatchNormalization(epsilon=1e-5, momentum=0.9),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3),
    )


def tokens():
    return _model(
        (7,),
        layers.Embedding(11, 5),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3),
    )


def recurrent(kind, *, bidirectional=False, rate=0.0, sequences=False):
    def layer(units, last):
        made = kind(units, return_sequences=sequences or not last)
        return layers.Bidirectional(made) if bidirectional else made

    parts = [layer(4, False)]
    parts += [layers.Dropout(rate)] if rate else []
    parts += [layer(4, not rate)] if rate == 0 else [layer(4, False), layers.Dropout(rate)]
    parts += [layer(4, True)] if rate else []
    return _model((6, 5), *parts, layers.Dense(3))


def lstm():
    return recurrent(layers.LSTM)


def lstm_dropout():
    return recurrent(layers.LSTM, rate=0.4)


def gru():
    return recurrent(layers.GRU)


def gru_dropout():
    return recurrent(layers.GRU, rate=0.4, sequences=True)


def rnn_bidirectional():
    return recurrent(layers.SimpleRNN, bidirectional=True)


def lstm_bidirectional():
    return recurrent(layers.LSTM, bidirectional=True, rate=0.3)


def one_lstm():
    return _model((6, 5), layers.LSTM(4, return_sequences=True), layers.Dense(3))


class LayerScale(layers.Layer):
    """Multiplies each feature by a weight."""

    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.gamma


class PositionEmbedding(layers.Layer):
    """Adds a vector for each place."""

    def build(self, shape):
        self.pos_embedding = self.add_weight(
            name="pos_embedding", shape=(1, *shape[1:]), initializer="random_normal"
        )

    def call(self, x):
        return x + self.pos_embedding


class ClassToken(layers.Layer):
    """Puts a trained vector in front of a sequence."""

    def build(self, shape):
        self.cls = self.add_weight(name="cls", shape=(1, 1, shape[-1]), initializer="random_normal")

    def call(self, x):
        token = ops.broadcast_to(self.cls, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1)


class OwnDense(layers.Layer):
    """A dense layer that holds its weights itself, in one square matrix."""

    def build(self, shape):
        self.table = self.add_weight(name="table", shape=(shape[-1], shape[-1]))
        self.shift = self.add_weight(name="shift", shape=(shape[-1],))

    def call(self, x):
        return ops.tanh(x @ self.table + self.shift)


def layer_scale():
    return _model(
        (7, 6),
        layers.Dense(6),
        LayerScale(),
        layers.Dense(6, activation="relu"),
        LayerScale(),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3),
    )


def layer_scale_of_images():
    return _model(
        (9, 8, 3),
        layers.Conv2D(4, 3),
        LayerScale(),
        layers.Conv2D(4, 3),
        LayerScale(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    )


def vit():
    return _model(
        (8, 8, 3),
        layers.Conv2D(6, 4, 4),
        layers.Reshape((4, 6)),
        ClassToken(),
        PositionEmbedding(),
        layers.LayerNormalization(epsilon=1e-6),
        layers.Dense(6, activation="gelu"),
        LayerScale(),
        layers.Flatten(),
        layers.Dense(3),
    )


def own_dense():
    return _model((6,), layers.Dense(5), OwnDense(), OwnDense(), layers.Dense(3))


class NormedDense(layers.Layer):
    """A dense layer with weight normalisation."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(self.units,), initializer="ones")
        self.v = self.add_weight(name="v", shape=(shape[-1], self.units))
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, x):
        norm = ops.sqrt(ops.sum(self.v**2, axis=0))
        return x @ (self.v * (self.g / norm)) + self.bias


def weight_norm():
    return _model((6,), NormedDense(5), layers.ReLU(), layers.Dense(3))


def only_dense():
    return _model((6,), layers.Dense(3))


def shuffle():
    x = keras.Input((6, 5, 4))
    y = layers.Conv2D(6, 1)(x)
    y = layers.Reshape((6, 5, 2, 3))(y)
    y = layers.Permute((1, 2, 4, 3))(y)
    y = layers.Reshape((6, 5, 6))(y)
    y = layers.Conv2D(4, 3, activation="relu")(y)
    y = layers.GlobalAveragePooling2D()(y)
    return _compiled(keras.Model(x, layers.Dense(3)(y)))


def sums():
    x = keras.Input((9, 8, 3))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(4, 3, padding="same", activation="relu")(a)
    c = layers.Conv2D(4, 3, padding="same", activation="relu")(b)
    y = layers.Add()([a, b, c])
    y = layers.Flatten()(layers.GlobalAveragePooling2D()(y))
    return _compiled(keras.Model(x, layers.Dense(3)(y)))


def repeat():
    x = keras.Input((6,))
    y = layers.RepeatVector(5)(layers.Dense(4, activation="relu")(x))
    y = layers.LSTM(4, return_sequences=True)(y)
    return _compiled(keras.Model(x, layers.TimeDistributed(layers.Dense(3))(y)))


def permuted():
    return _model(
        (7, 6),
        layers.Permute((2, 1)),
        layers.Dense(5, activation="relu"),
        layers.Permute((2, 1)),
        layers.Dense(4),
        layers.Flatten(),
        layers.Dense(3),
    )


def time_distributed():
    return _model(
        (5, 8, 7, 2),
        layers.TimeDistributed(layers.Conv2D(3, 3, activation="relu")),
        layers.TimeDistributed(layers.MaxPooling2D(2)),
        layers.TimeDistributed(layers.Flatten()),
        layers.GRU(4),
        layers.Dense(3),
    )


def limited():
    return _model(
        (6,),
        layers.Dense(8, activation="relu", kernel_constraint=keras.constraints.MaxNorm(2)),
        layers.Dense(3),
    )


def sentences():
    words = keras.Input((4, 5))
    y = layers.GRU(5, return_sequences=True)(words)
    y = layers.GRU(5, return_sequences=True)(y)
    y = layers.Bidirectional(layers.LSTM(3))(y)
    encoder = keras.Model(words, layers.Dense(4, activation="tanh")(y))
    x = keras.Input((3, 4, 5))
    y = layers.GRU(4)(layers.TimeDistributed(encoder)(x))
    return _compiled(keras.Model(x, layers.Dense(3)(y)))


def decoder():
    return _model(
        (6,),
        layers.Dense(4 * 3 * 5),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Reshape((4, 3, 5)),
        layers.Conv2DTranspose(4, 3, strides=2, padding="valid", activation="relu"),
        layers.Conv2D(2, 3, activation="sigmoid"),
    )


def decoder_square():
    return _model(
        (6,),
        layers.Dense(4 * 4 * 4, activation="relu"),
        layers.Reshape((4, 4, 4)),
        layers.Conv2D(2, 3, activation="sigmoid"),
        layers.Flatten(),
        layers.Dense(3),
    )


def pooled():
    return _model(
        (9, 8, 3),
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(4, 2, activation="silu"),
        layers.UpSampling2D(2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    )


def two_branches():
    image, table = keras.Input((6, 5, 3)), keras.Input((7,))
    a = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image))
    b = layers.Dense(5, activation="relu")(table)
    y = layers.Concatenate()([a, b])
    return _compiled(keras.Model([image, table], layers.Dense(3)(y)))


def attention():
    x = keras.Input((5, 6))
    y = layers.MultiHeadAttention(2, 4)(x, x)  # Keras keeps 1 / sqrt(4) in float32
    y = layers.LayerNormalization(epsilon=1e-5)(x + y)
    return _compiled(keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling1D()(y))))


def towers():
    x = keras.Input((6,))
    a, b = layers.Dense(5, activation="tanh"), layers.Dense(5, activation="tanh")
    c, d = layers.Dense(4), layers.Dense(4)
    y = layers.Subtract()([c(a(x)), d(b(x))])
    return _compiled(keras.Model(x, layers.Dense(3)(y)))


class StochasticDepth(layers.Layer):
    """Drops a whole branch of a sample."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.generator = keras.random.SeedGenerator(3)

    def call(self, x, training=False):
        if not training:
            return x
        shape = (ops.shape(x)[0], *[1] * (len(x.shape) - 1))
        kept = keras.random.uniform(shape, seed=self.generator, dtype=x.dtype) < 1 - self.rate
        return x * ops.cast(kept, x.dtype) / (1 - self.rate)


def stochastic_depth():
    x = keras.Input((6,))
    y = layers.Dense(6, activation="relu")(x)
    y = layers.Add()([x, StochasticDepth(0.3)(y)])
    return _compiled(keras.Model(x, layers.Dense(3)(y)))
