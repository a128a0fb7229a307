"""Odd little Keras programs: activations, dtypes, optimizers and outputs that are rare."""

import functools
import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

SGD = keras.optimizers.SGD


def _compiled(model, loss="mean_squared_error", optimizer=None, **settings):
    model.compile(optimizer or SGD(0.01), loss, **settings)
    return model


def _chain(*layers, shape=(5,), **settings):
    return _compiled(keras.Sequential([keras.Input(shape), *layers]), **settings)


def _two(activation="relu", optimizer=None, **settings):
    return _chain(L.Dense(4, activation=activation), L.Dense(3), optimizer=optimizer, **settings)


def _ended(end, units=4, **settings):
    given = keras.Input((5,))
    return _compiled(keras.Model(given, end(L.Dense(units)(given))), **settings)


def _texts(layer):
    given = keras.Input((1,), dtype="string")
    return _compiled(keras.Model(given, L.Dense(2)(L.Flatten()(L.Embedding(5, 3)(layer(given))))))


def linear():
    return _chain(L.Dense(3))


def two():
    return _two()


def image():
    return _chain(L.Conv2D(3, 3), shape=(7, 6, 2))


def recurrent():
    return _chain(L.LSTM(3), shape=(5, 4))


def no_weights():
    return _chain(L.ReLU())


def single():
    return _chain(L.LayerNormalization())


def greatest_of_volumes():
    conv = L.Conv3D(3, 3, padding="same", activation="relu")
    pool = L.MaxPooling3D((2, 3, 2), strides=2, padding="same")
    return _chain(conv, pool, L.Flatten(), L.Dense(2), shape=(6, 5, 7, 2))


def means_of_volumes():
    conv = L.Conv3D(3, 3, padding="same")
    pool = L.AveragePooling3D((2, 2, 3), padding="same")
    return _chain(conv, pool, L.Flatten(), L.Dense(2), shape=(6, 5, 7, 2))


class Normed(L.Layer):
    """Calls an operation that TensorFlow has not in float64."""

    def call(self, x):
        return tf.nn.local_response_normalization(x, depth_radius=1, alpha=0.5, beta=0.5)


def no_kernel():
    return _chain(L.Conv2D(4, 3), Normed(name="normed"), L.Flatten(), L.Dense(2), shape=(6, 5, 2))


def layer_in_float16():
    layers = [L.Dense(4, activation="relu", dtype="mixed_float16"), L.Dense(3, dtype="float32")]
    return _chain(*layers)


def policy_of_float16():
    keras.mixed_precision.set_global_policy("mixed_float16")
    return _two()


def scaled_loss():
    return _two(optimizer=keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(0.01)))


def square():
    return _two(lambda x: x * x)


def partial():
    return _two(functools.partial(keras.activations.leaky_relu, negative_slope=0.3))


class Doubled:
    """A callable that is neither a function nor a layer."""

    def __call__(self, x):
        return keras.ops.tanh(x) * 2


def callable_object():
    return _two(Doubled())


def layer_as_activation():
    return _two(L.LeakyReLU(negative_slope=0.2))


class Swish(L.Layer):
    """A layer of the user's."""

    def call(self, x):
        return x * keras.ops.sigmoid(x)


def own_layer_as_activation():
    return _two(Swish())


def partial_at_the_end():
    softmax = functools.partial(keras.activations.softmax, axis=-1)
    return _chain(L.Dense(3, activation=softmax), loss="categorical_crossentropy")


def rank_of_one():
    return _chain(L.Flatten(), L.Dense(3), shape=())


def lookup():
    return _texts(L.StringLookup(vocabulary=["a", "b"]))


def vectorized():
    return _texts(L.TextVectorization(vocabulary=["a", "b"], output_sequence_length=4))


def whole_numbers():
    return _ended(lambda x: keras.ops.argmax(x, axis=-1))


def truths():
    return _ended(lambda x: x > 0)


def no_loss():
    return _chain(L.Dense(3), loss=None)


def not_compiled():
    return keras.Sequential([keras.Input((5,)), L.Dense(3)])


def not_built():
    return _compiled(keras.Sequential([L.Dense(4), L.Dense(3)]))


def scalars():
    return _ended(lambda x: keras.ops.squeeze(x, -1), units=1)


def jit():
    return _two(jit_compile=True)


def eager():
    return _two(run_eagerly=True)


def several_steps():
    return _two(steps_per_execution=4)


def saved_model():
    folder = tempfile.mkdtemp()
    _two().export(folder, verbose=False)
    return _chain(L.TFSMLayer(folder, call_endpoint="serve"))


def _trained(model):
    given = np.random.default_rng(0)
    x, y = given.normal(size=(16, 5)), given.normal(size=(16, 3))
    model.fit(x, y, epochs=2, batch_size=4, verbose=0)
    return model


def trained():
    return _trained(_two(optimizer=keras.optimizers.Adam(0.01)))


def loaded():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        _trained(_two(optimizer=keras.optimizers.Nadam(0.01))).save(path)
        return keras.models.load_model(path)


def loaded_with_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        _trained(_two(optimizer=SGD(schedule, momentum=0.9))).save(path)
        return keras.models.load_model(path)


class AlwaysDropout(L.Dropout):
    """Drops in eval mode, too, as in a Monte Carlo dropout."""

    def call(self, x):
        return super().call(x, training=True)


class OwnDropout(L.SpatialDropout1D):
    """Drops when Keras's does."""

    def call(self, x, training=False):
        return super().call(x, training=training)


def always_dropped():
    return _chain(L.Dense(6), AlwaysDropout(0.4, name="always"), L.Dense(3))


def own_dropout():
    return _chain(L.Dense(6), OwnDropout(0.4, name="own"), L.Dense(3), shape=(4, 5))


class DirectDropout(L.Layer):
    """Drops by a function of Keras, in each mode."""

    def __init__(self, **options):
        super().__init__(**options)
        self.generator = keras.random.SeedGenerator(3)

    def call(self, x):
        return keras.random.dropout(x, 0.4, seed=self.generator)


def direct_dropout():
    return _chain(L.Dense(6), DirectDropout(name="direct"), L.Dense(3))
