"""Keras programs with code of the user's own, of which golden packages are written."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from keras import ops

from keras_impl import Input, Reference

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 2))
SCALE = 3


class Quantiles(keras.losses.Loss):
    """A loss as a class, with numbers of its own, of which one is an array."""

    def __init__(self, levels, name="quantile", **options):
        super().__init__(name=name, **options)
        self.levels, self.table = levels, np.ones(3)

    def call(self, y_true, y_pred):
        e = y_true - y_pred
        level = ops.convert_to_tensor(self.levels, dtype=e.dtype)
        return ops.mean(ops.maximum(level * e, (level - 1) * e), axis=-1)


class Holder:
    """Has a loss as a method."""

    def __init__(self, power):
        self.power = power

    def distance(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)


def raised(y_true, y_pred, power=2):
    return ops.mean(ops.abs(y_true - y_pred) ** power, axis=-1)


def scaled(error):
    return SCALE * ops.abs(error)


def fit(y_true, y_pred):
    """Calls a function of the program; its name is one that a plain train.py has, too."""
    return ops.mean(scaled(y_true - y_pred), axis=-1)


class Worst(keras.metrics.Metric):
    """A metric of the program's, with a name that is not that of its class."""

    def __init__(self):
        super().__init__(name="worst")

    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return 0.0


def spread(y_true, y_pred):
    return ops.max(y_pred, axis=-1) - ops.min(y_pred, axis=-1)


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises, and then is what another schedule says."""

    def __init__(self, peak, steps):
        self.peak, self.steps = peak, steps
        self.after = keras.optimizers.schedules.ExponentialDecay(peak, 10, 0.5)

    def __call__(self, step):
        rise = self.peak * (ops.cast(step, "float32") + 1.0) / self.steps
        return ops.minimum(rise, self.after(step))


class L2(keras.regularizers.Regularizer):
    """A penalty of rows, with the name of one of Keras's."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * ops.sum(ops.max(x, axis=0))


class Clip(keras.constraints.Constraint):
    """The constraint of a critic: all weights lie in a small box."""

    def __init__(self, limit):
        self.limit = limit

    def __call__(self, w):
        return ops.clip(w, -self.limit, self.limit)


ROWS = [[0.5], [1.0], [1.0], [1.0]]


def halved(w):
    return w * ops.convert_to_tensor(ROWS, dtype=w.dtype)


def model_of(shape, body, *given, **compiled):
    """A compiled model; `body` makes its outputs of its input."""
    inputs = L.Input(shape)
    model = keras.Model(inputs, body(inputs))
    if given or compiled:
        model.compile(*given, **compiled)
    return model


def rules():
    """Each part of a training is of the user's own; one penalty and one constraint is Keras's."""

    def body(x):
        x = L.Dense(
            3,
            "tanh",
            name="first",
            kernel_constraint=halved,
            bias_constraint=Clip(0.01),
            kernel_regularizer=L2(0.5),
        )(x)
        return L.Dense(
            2,
            name="last",
            kernel_constraint=Clip(0.05),
            bias_constraint="non_neg",
            activity_regularizer=L2(0.25),
            bias_regularizer="l2",
        )(x)

    wide = keras.metrics.MeanMetricWrapper(spread, name="wide")
    rate = keras.optimizers.SGD(Warmup(0.25, 4))
    model = model_of((4,), body, rate, fit, metrics=[Worst(), spread, wide, "mae"])
    return Reference(model, x=X, y=Y, epochs=2, batch_size=5)


def outputs(*losses, **options):
    def build():
        def body(x):
            return {name: L.Dense(2, name=name)(x) for name in ("kind", "size")}

        both = dict(zip(("kind", "size"), losses, strict=True))
        model = model_of((4,), body, "sgd", both, loss_weights={"kind": 1.0, "size": 0.5})
        return Reference(model, epochs=2, batch_size=8, **options)

    return build


def one(loss, units=3, **options):
    return lambda: Reference(
        model_of((4,), L.Dense(units, kernel_regularizer="l2"), "sgd", loss), **options
    )


class Windows(keras.utils.PyDataset):
    """Makes batches of 6."""

    def __len__(self):
        return 2

    def __getitem__(self, number):
        return np.ones((6, 4, 3)), np.ones((6, 4))


def sequence(make, optimizer):
    """A program with batches of its own, and an optimizer that may take norms of variables."""
    return lambda: Reference(
        model_of((4, 3), lambda x: L.Dense(1)(make()(x)), optimizer(), "mse"), x=Windows()
    )


class Doubling(keras.Model):
    """Trains on x alone, by code of its own."""

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = ops.mean((self(data, training=True) - 2 * data) ** 2)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply(gradients, self.trainable_weights)
        return {"loss": loss}


def stepped():
    inputs = L.Input((4,))
    model = Doubling(inputs, L.Dense(4)(L.Dropout(0.2)(inputs)))
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 100)))
    return Reference(model, x=X, epochs=2, batch_size=5)


def stopped():
    """Callbacks on a metric with a plain form, and on one without."""
    metrics = ["accuracy", keras.metrics.AUC(curve="PR", name="pr")]
    model = model_of((4,), L.Dense(2, "softmax"), "sgd", "categorical_crossentropy", metrics)
    model.compile("sgd", "categorical_crossentropy", metrics=metrics)
    kept = keras.callbacks.ReduceLROnPlateau("val_accuracy", mode="max")
    stop = keras.callbacks.EarlyStopping("val_pr", mode="max")
    labels = np.eye(2)[[0, 1] * 10]
    given = {"validation_data": (X, labels), "callbacks": [kept, stop], "validation_freq": 2}
    return Reference(model, x=X, y=labels, epochs=3, **given)


class Pair(L.Layer):
    """Takes two tensors in a list, and returns two; holds weights of all kinds."""

    def __init__(self, **options):
        super().__init__(**options)
        self.scale = self.add_weight(
            shape=(2,), initializer=lambda shape, dtype=None: ops.ones(shape, dtype) * 3, name="w"
        )
        self.seen = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="seen")

    def call(self, inputs):
        a, b = inputs
        return tf.add(a, b), a * b


class Mixer(L.Layer):
    """Holds a model, a list of layers, and attributes that a module has, too."""

    def __init__(self, width, **options):
        super().__init__(**options)
        self.net = keras.Sequential([L.Dense(2 * width, activation="relu"), L.Dense(width)])
        self.modules = [L.Dense(width), L.Dropout(0.5)]
        self.train = self.add_weight(shape=(width,), initializer="ones", name="train")

    def call(self, x, scale):
        return tf.multiply(self.modules[1](self.modules[0](self.net(x))), scale) * self.train


def square(x):
    return tf.square(x)


def mixed():
    a, b = L.Input((6, 4), name="left"), L.Input((6, 4), name="right")
    x, y = Pair(name="pair")([a, b])
    x = Mixer(4, name="one")(x, scale=y)
    x = Mixer(4, name="two")(x, scale=y)
    x = Mixer(3, name="three")(L.Dense(3, activation=square)(x), scale=L.Dense(3)(y))
    x = L.Lambda(lambda t, k: tf.multiply(t, k), arguments={"k": 2})(x)
    return keras.Model([a, b], L.Dense(2, activation=square)(L.Flatten()(x)))


class Mix(L.Layer):
    """Takes a dict and a list, and returns a dict."""

    def call(self, inputs, others=None):
        a = tf.multiply(inputs["a"], 2.0) + inputs["b"]["c"]
        return {"sum": a + others[0], "last": a}


def scaling(rate):
    class Scaled(L.Layer):
        """Uses a name of the function around it, and has a number that is not finite."""

        def __init__(self, low=float("-inf"), **options):
            super().__init__(**options)
            self.low = low

        def call(self, x):
            return tf.maximum(x * rate, self.low)

        def get_config(self):
            return {**super().get_config(), "low": self.low}

    return Scaled(name="scaled")


class Gate(L.Layer):
    """Calls a layer only where the width of what it gets is not its own."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.dense, self.project, self.unused = L.Dense(units), L.Dense(units), L.Dense(3)

    def build(self, shape):
        self.dense.build(shape)
        if shape[-1] != self.units:
            self.project.build(shape)

    def call(self, x):
        return tf.add(self.dense(x), x if x.shape[-1] == self.units else self.project(x))


class Recurrent(L.Layer):
    """Has weights of Keras that are below a cell."""

    def __init__(self, **options):
        super().__init__(**options)
        self.table, self.memory = L.Embedding(5, 4, mask_zero=True), L.LSTM(3)

    def call(self, x):
        return tf.identity(self.memory(self.table(x)))


def nested():
    """Layers that take nests, have names of functions around them, or are not always called."""
    a, b, c = (L.Input((3,), name=name) for name in "abc")
    x = Mix(name="mix")({"b": {"c": c}, "a": a}, others=[b])
    x = Gate(5, name="second")(Gate(5, name="first")(scaling(0.25)(x["last"] + x["sum"])))
    words = L.Input((6,), dtype="int32", name="words")
    x = L.Dense(2)(L.Concatenate()([x, Recurrent(name="own")(words)]))
    return keras.Model([a, b, c, words], x)


class Network(keras.Model):
    """A class of its own for a whole network, with models inside of it; it changes its images."""

    def __init__(self):
        super().__init__()
        images = L.Input((6, 6, 3))
        x = L.Conv2D(4, 3)(images)
        self.augment = keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1)])
        self.net = keras.Model(images, L.Concatenate()([x, L.Conv2D(4, 3)(images)]))
        self.pool = L.GlobalAveragePooling2D()
        self.gates = [Gate(5), Gate(5)]
        self.drop = L.Dropout(0.5)
        self.head = L.Dense(2, activation="softmax")

    def call(self, x, training=None):
        x = self.pool(self.net(self.augment(x, training=training)))
        for gate in self.gates:
            x = gate(x)
        return self.head(self.drop(tf.identity(x), training=training))


def conv(filters, **options):
    return L.Conv2D(filters, 3, padding="same", **options)


def images_out(x):
    """Of three outputs in a nest, two are images."""
    label = L.Dense(3, activation="softmax", name="label")(L.GlobalAveragePooling2D()(x))
    pixels = conv(4, activation="softmax", name="pixels")(x)
    return {"maps": [pixels, conv(3, name="same")(pixels)], "label": label}


LABELS = "sparse_categorical_crossentropy"
CLIPPED = partial(keras.optimizers.Adam, clipnorm=0.1)
PROGRAMS = {
    "rules": rules,
    "outputs": outputs(Quantiles(0.1, name="low"), partial(raised, power=4)),
    "one_of_two": outputs("mse", fit, x=X, sample_weight={"kind": np.ones(20), "size": None}),
    "in_a_list": one([Quantiles([0.1, 0.5, 0.9], reduction="sum")], class_weight={0: 1.0, 1: 2.0}),
    "method": one(Holder(3.0).distance, x=X, y=Y[:, 0], sample_weight=np.ones(20)),
    "column": one(raised, 1, x=X, y=Y[:, 0]),
    "without": lambda: model_of((4,), L.Dense(3), "sgd", None),
    "gru": sequence(lambda: L.Bidirectional(L.GRU(2)), CLIPPED),
    "lstm": sequence(lambda: L.LSTM(2), CLIPPED),
    "stepped": stepped,
    "stopped": stopped,
    "mixed": mixed,
    "nested": nested,
    "subclassed": lambda: Reference(Network(), inputs=Input((6, 6, 3))),
    "signal": lambda: model_of((8, 3), L.Conv1D(2, 3, padding="same"), "sgd", "mse"),
    "images": lambda: model_of(
        (6, 5, 3), images_out, "sgd", {"maps": [LABELS, "mse"], "label": LABELS}
    ),
}
