"""Keras models with layers that are compared by themselves, one of a kind each."""

import keras
from keras import layers as L
from keras import ops


def _compiled(model):
    model.compile(keras.optimizers.SGD(0.01), "mean_squared_error")
    return model


def _chain(shape, *layers):
    return _compiled(keras.Sequential([keras.Input(shape), *layers]))


def _between(layer):
    return _chain((5,), L.Dense(4), layer, L.Dense(3))


def _of_two(layer):
    given = keras.Input((5,))
    parts = [L.Dense(4)(given), L.Dense(4)(given)]
    return _compiled(keras.Model(given, L.Dense(2)(layer(parts))))


def rms_norm():
    return _between(L.RMSNormalization())


def unit_norm():
    return _between(L.UnitNormalization())


class StochasticDepth(L.Layer):
    """Drops whole samples, by uniform numbers."""

    def __init__(self, rate, **settings):
        super().__init__(**settings)
        self.rate = rate
        self.generator = keras.random.SeedGenerator(3)

    def call(self, x, training=None):
        if not training:
            return x
        shape = (ops.shape(x)[0], 1)
        number = keras.random.uniform(shape, 0, 1, seed=self.generator)
        return x / (1 - self.rate) * ops.floor(1 - self.rate + number)


def stochastic_depth():
    layers = [L.Dense(4), StochasticDepth(0.0), L.Dense(4), StochasticDepth(0.4), L.Dense(3)]
    return _chain((5,), *layers)


class OwnLoss(keras.Model):
    """Says itself what it makes small."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        near = ops.mean(ops.square(y_pred[:, 0] - 0.5))
        return near + 0.25 * ops.mean(ops.abs(y_pred[:, 1:]))


def own_loss():
    given = keras.Input((5,))
    model = OwnLoss(given, L.Dense(3)(ops.tanh(L.Dense(4)(given))))
    model.compile(keras.optimizers.SGD(0.01))
    return model


class Adding(L.Layer):
    """Adds all that a model makes small."""

    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


def added_alone():
    model = keras.Sequential([keras.Input((5,)), L.Dense(4), Adding(), L.Dense(3)])
    model.compile(keras.optimizers.SGD(0.01))
    return model


class Patches(L.Layer):
    def call(self, x):
        flat = ops.image.extract_patches(x, 2)
        return ops.reshape(flat, (-1, flat.shape[1] * flat.shape[2], flat.shape[3]))


def patches():
    return _chain((4, 6, 3), Patches(), L.Dense(5), L.LayerNormalization(), L.Flatten(), L.Dense(2))


def patches_by_convolution():
    layers = [L.Conv2D(5, 2, strides=2), L.LayerNormalization(), L.GlobalAveragePooling2D()]
    return _chain((4, 6, 3), *layers, L.Dense(2))


class Gated(L.Layer):
    """Has a split, a leaky ReLU and another layer in its code."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.inner, self.outer = L.Dense(8), L.Dense(4)
        self.norm = L.LayerNormalization()

    def call(self, x):
        x = ops.leaky_relu(self.inner(x), negative_slope=0.2)
        left, right = ops.split(self.outer(x), 2, axis=-1)
        return left * self.norm(right)


def code():
    return _chain((5,), Gated(), L.Dense(3))


def float32_in_lambda():
    return _between(L.Lambda(lambda x: x / (ops.convert_to_tensor(0.1) + ops.abs(x))))


def joined_branches():
    given = keras.Input((6, 8, 2))
    first = L.Conv2D(4, 3, padding="same", dilation_rate=1)(given)
    second = L.Conv2D(4, 3, padding="same", dilation_rate=2)(given)
    parts = [L.ReLU()(L.BatchNormalization()(x)) for x in (first, second)]
    mean = L.Conv2D(4, 1)(L.AveragePooling2D((6, 8))(given))
    x = L.Concatenate()([L.UpSampling2D((6, 8))(mean), *parts])
    return _compiled(keras.Model(given, L.Dense(2)(L.GlobalAveragePooling2D()(L.Conv2D(3, 3)(x)))))


def padded_images():
    padding = L.ZeroPadding2D(((0, 1), (0, 1)))
    return _chain((5, 6, 2), padding, L.Conv2D(3, 3, strides=2), L.Flatten())


def dot():
    return _of_two(L.Dot(1))


def cosine():
    return _of_two(L.Dot(1, normalize=True))


def _pooled(pool):
    return _chain((5, 6, 2), L.Conv2D(4, 3), pool, L.Conv2D(3, 1), L.Flatten())


def mean_kept():
    return _pooled(L.GlobalAveragePooling2D(keepdims=True))


def greatest_kept():
    return _pooled(L.GlobalMaxPooling2D(keepdims=True))


def larger_signals():
    return _chain((4, 2), L.UpSampling1D(3), L.Conv1D(3, 3), L.GlobalAveragePooling1D())


def larger_volumes():
    layers = [L.UpSampling3D((1, 2, 3)), L.Conv3D(3, 2), L.GlobalAveragePooling3D()]
    return _chain((3, 4, 2, 2), *layers)


def celu():
    given = keras.Input((5,))
    return _compiled(keras.Model(given, L.Dense(3)(ops.celu(L.Dense(4)(given), alpha=0.7))))


def hard_tanh():
    return _between(L.Activation("hard_tanh"))


def soft_shrink():
    return _between(L.Activation("soft_shrink"))


def tanh_shrink():
    return _between(L.Activation("tanh_shrink"))


def log_sigmoid():
    return _between(L.Activation("log_sigmoid"))


def bins():
    bins = L.Discretization(bin_boundaries=[-1.0, 0.0, 1.0])
    return _chain((2,), bins, L.Embedding(5, 3), L.Flatten(), L.Dense(2))


def alpha_dropout():
    return _between(L.AlphaDropout(0.3))


def gaussian_dropout():
    return _between(L.GaussianDropout(0.3))


def gaussian_noise():
    return _between(L.GaussianNoise(0.3))


def noise_of_images():
    return _chain((6, 6, 6), L.GaussianNoise(0.2), L.Conv2D(3, 3), L.Flatten(), L.Dense(2))


class Sampling(L.Layer):
    """What the encoder of a VAE samples: x + exp(x / 2) * noise, in eval mode, too."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.generator = keras.random.SeedGenerator(7)

    def call(self, x):
        noise = keras.random.normal(ops.shape(x), seed=self.generator)
        more = keras.random.normal(ops.shape(x), mean=0.5, stddev=2.0, seed=self.generator)
        return x + ops.exp(0.5 * x) * noise + 0.1 * more


def sampling():
    return _between(Sampling())
