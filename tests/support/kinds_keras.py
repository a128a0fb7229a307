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
