"""Keras models with layers that are unlike Keras's own, for the Keras half of a check."""

import keras
import tensorflow as tf

L = keras.layers


def chain(*layers, shape=(6,), loss="mse", **settings):
    """A factory of a plain chain of layers, each given as a function that makes it."""

    def build():
        model = keras.Sequential([keras.Input(shape, **settings), *(layer() for layer in layers)])
        model.compile(keras.optimizers.SGD(0.1), loss)
        return model

    return build


class Third(L.Layer):
    """A constant in float32, which TensorFlow does not mix with float64."""

    def call(self, x):
        return x * tf.constant(0.3)


class InFloat32(L.Layer):
    """A cast that is written down."""

    def call(self, x):
        return tf.cast(x, tf.float32) / 3.0


class Scale(L.Layer):
    """A weight in float32, and one without a name."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], dtype="float32", name="scale")
        self.shift = self.add_weight(shape=shape[-1:], initializer="zeros")

    def call(self, x):
        return tf.cast(x, tf.float32) * self.scale + self.shift


class Block(L.Layer):
    """Layers, and a weight beside them."""

    def build(self, shape):
        self.inner = L.Dense(shape[-1], activation="tanh")
        self.inner.build(shape)
        self.gamma = self.add_weight(shape=shape[-1:], name="gamma", initializer="ones")

    def call(self, x):
        return x + self.gamma * self.inner(x)


class Tokens(keras.Model):
    """A model that holds weights itself."""

    def __init__(self):
        super().__init__()
        self.embed = L.Dense(4)
        self.place = self.add_weight(shape=(4,), name="place")
        self.more = [self.add_weight(shape=(4,), name=f"part{n}") for n in range(2)]
        self.block = Block()

    def call(self, x):
        return self.block(self.embed(x) + self.place) * self.more[0] + self.more[1]


class DropPath(L.Layer):
    """Stochastic depth as tutorials write it."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def call(self, x, training=None):
        if not training:
            return x
        kept = tf.floor(1 - self.rate + tf.random.uniform((tf.shape(x)[0], 1)))
        return x / (1 - self.rate) * kept


class Sampled(keras.Model):
    """Noise in the code of the model itself, in eval mode too."""

    def __init__(self):
        super().__init__()
        self.code, self.out = L.Dense(4), L.Dense(2)

    def call(self, x):
        code = self.code(x)
        return self.out(code + keras.random.normal(keras.ops.shape(code)))


class Words(L.Layer):
    """Words with their places in a text of any length, and a mask by code of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.table, self.places = L.Embedding(7, 4), L.Embedding(9, 4)

    def call(self, x):
        return self.table(x) + self.places(keras.ops.arange(0, keras.ops.shape(x)[-1], 1))

    def compute_mask(self, x, mask=None):
        return keras.ops.not_equal(x, 0)
