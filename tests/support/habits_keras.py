"""Keras models whose ports people write in several ways."""

import keras
from keras import layers as L
from keras import ops

import keras_impl


def _compiled(inputs, outputs, loss, optimizer=None):
    model = keras.Model(inputs, outputs)
    model.compile(optimizer or keras.optimizers.SGD(0.01), loss)
    return model


def _charbonnier(y_true, y_pred):
    return ops.mean(ops.sqrt(ops.square(y_true - y_pred) + 1e-6), axis=(1, 2, 3))


def enlarged():
    """An image beside one that is computed in float32."""
    images = keras.Input((6, 5, 2))
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(images)
    x = L.Conv2D(8, 3, padding="same", name="last")(x)
    x = L.Reshape((12, 10, 2))(x)
    skip = L.UpSampling2D(2, interpolation="bilinear")(images)
    return _compiled(images, L.Add()([x, skip]), _charbonnier, keras.optimizers.Adam(0.005))


def _overlap(y_true, y_pred):
    y_true = ops.cast(y_true, y_pred.dtype)
    both = ops.sum(y_true * y_pred, axis=(1, 2, 3))
    each = ops.sum(y_true, axis=(1, 2, 3)) + ops.sum(y_pred, axis=(1, 2, 3))
    crossentropy = ops.mean(keras.losses.binary_crossentropy(y_true, y_pred), axis=(1, 2))
    return crossentropy + 1 - (2 * both + 1) / (each + 1)


def mask():
    """A mask of an image, by a loss of the user's own."""
    images = keras.Input((6, 5, 2))
    x = L.Conv2D(4, 3, padding="same", activation="relu")(images)
    return _compiled(images, L.Conv2D(1, 1, activation="sigmoid")(x), _overlap)


def labelled():
    """A label for each pixel of an image, and one for the image."""
    images = keras.Input((6, 5, 2))
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(images)
    pixels = L.Conv2D(3, 1, activation="softmax", name="pixels")(x)
    whole = L.Dense(4, activation="softmax", name="whole")(L.GlobalAveragePooling2D()(x))
    model = keras.Model(images, {"pixels": pixels, "whole": whole})
    loss = dict.fromkeys(("pixels", "whole"), "sparse_categorical_crossentropy")
    metrics = {name: ["accuracy"] for name in ("pixels", "whole")}
    model.compile(keras.optimizers.SGD(0.01), loss, metrics=metrics)
    return model


def pixels():
    """A label for each pixel of a square image, with as many classes as pixels in a row."""
    images = keras.Input((4, 4, 2))
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(images)
    model = keras.Model(images, L.Conv2D(4, 1, activation="softmax", name="last")(x))
    metrics = ["accuracy", "categorical_crossentropy"]
    model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", metrics=metrics)
    return model


def attention():
    tokens = keras.Input((5, 8))
    x = L.MultiHeadAttention(2, 4, dropout=0.3, name="attention")(tokens, tokens)
    return _compiled(tokens, L.Dense(3)(L.Add()([tokens, x])[:, 0]), "mean_squared_error")


def features():
    tokens = keras.Input((5, 8))
    x = L.SpatialDropout1D(0.4)(tokens)
    return _compiled(tokens, L.Dense(3)(L.Flatten()(x)), "mean_squared_error")


def scheduled():
    x = keras.Input((4,))
    rate = keras.optimizers.schedules.PolynomialDecay(0.05, 6, 0.001, power=2.0)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    return _compiled(x, L.Dense(2)(x), "mean_squared_error", optimizer)


def clipped():
    """A clip by the norm of all gradients, and a rate that is cut."""
    x = keras.Input((4,))
    optimizer = keras.optimizers.SGD(0.05, global_clipnorm=0.5)
    model = _compiled(x, L.Dense(2)(x), "mean_squared_error", optimizer)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.3, patience=2)
    return keras_impl.Reference(model, callbacks=[plateau])


def averaged():
    """An average of the weights that stands in their place in the end."""
    x = keras.Input((4,))
    optimizer = keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.9)
    return _compiled(x, L.Dense(2)(x), "mean_squared_error", optimizer)


def unaveraged():
    x = keras.Input((4,))
    return _compiled(x, L.Dense(2)(x), "mean_squared_error", keras.optimizers.SGD(0.05))


def scaled():
    """A loss that is multiplied, and gradients that are divided: it changes no step."""
    x = keras.Input((4,))
    optimizer = keras.optimizers.SGD(0.05, loss_scale_factor=4.0)
    return _compiled(x, L.Dense(2)(x), "mean_squared_error", optimizer)


class _Shrinking(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        own = super().compute_loss(x, y, y_pred, sample_weight, training)
        return own + 0.1 * ops.mean(ops.square(y_pred))


def shrinking():
    """A loss of the model's own beside that of `compile`."""
    x = keras.Input((4,))
    model = _Shrinking(x, L.Dense(2)(x))
    model.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    return model
