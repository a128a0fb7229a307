"""How well a model knows its samples: as `evaluate` says, and its predictions as `predict` does."""

import functools

import keras
import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from keras_impl.reference import Reference
from parity.halves.keras.program.training import Evaluation
from parity.traces.trace import TraceWriter

NUM = 300  # a batch of 256, and a smaller one
DRAW = np.random.default_rng(5)
X = DRAW.random((NUM, 6, 6, 1)).astype(np.float32)
Y = (X.mean((1, 2, 3)) > 0.5).astype(np.int64)
Y[256:] = 1 - Y[256:]  # the smaller batch is known less well
X_VAL, Y_VAL = DRAW.random((270, 6, 6, 1)).astype(np.float32), DRAW.integers(0, 2, 270)


def model():
    keras.utils.set_random_seed(1)
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(2, activation="softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy"
    net.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], run_eagerly=True)
    return net


def evaluated(reference, epochs=2):
    writer = TraceWriter()
    watching = Evaluation(reference, writer)
    fed = {"x": reference.x, "y": reference.y, "validation_data": reference.validation_data}
    history = reference.model.fit(**fed, epochs=epochs, verbose=0, callbacks=[watching]).history
    return writer, watching, history


@functools.cache
def of_arrays():
    """A reference that was trained on arrays, and what was written of it."""
    reference = Reference(model(), x=X, y=Y, validation_data=(X_VAL, Y_VAL))
    return reference, *evaluated(reference)


def test_it_is_what_evaluate_says_of_all_samples_after_the_epoch():
    reference, writer, watching, history = of_arrays()
    loss, accuracy = reference.model.evaluate(X, Y, batch_size=50, verbose=0)
    assert set(writer.columns) == {"eval_loss", "eval_accuracy"}
    assert all(len(column) == 2 for column in writer.columns.values())
    assert writer.columns["eval_accuracy"][-1] == pytest.approx(accuracy, abs=1e-7)
    assert writer.columns["eval_loss"][-1] == pytest.approx(loss, rel=1e-6)
    assert watching.wall_s > 0
    # A mean over batches, and that of the epoch, would be others.
    parts = [
        reference.model.evaluate(X[rows], Y[rows], verbose=0)[1]
        for rows in (slice(256), slice(256, None))
    ]
    assert abs(np.mean(parts) - accuracy) > 0.01
    assert abs(history["accuracy"][-1] - accuracy) > 1e-6


def test_of_a_flow_the_images_before_their_augmentation_are_evaluated():
    flow = ImageDataGenerator(rotation_range=180, rescale=0.1).flow(X, Y, batch_size=32)
    reference = Reference(model(), x=flow, validation_data=(X_VAL, Y_VAL))
    writer, _, _ = evaluated(reference, epochs=1)
    loss, _ = reference.model.evaluate(X, Y, batch_size=50, verbose=0)
    assert writer.columns["eval_loss"] == [pytest.approx(loss, rel=1e-6)]
    augmented = np.concatenate([flow[number][0] for number in range(len(flow))])
    assert abs(reference.model.evaluate(augmented, Y, verbose=0)[0] - loss) > 1e-3


def test_predictions_are_those_of_predict_with_the_final_weights():
    reference, writer, _, _ = of_arrays()
    expected = reference.model.predict(X_VAL, batch_size=64, verbose=0)
    np.testing.assert_allclose(writer.arrays["predictions/val"], expected, rtol=1e-6)
    assert writer.arrays["predictions/val"].shape == (270, 2)


def test_predictions_are_made_after_the_best_weights_were_restored():
    class Restores(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.layers[-1].bias.assign([5.0, -5.0])

    writer = TraceWriter()
    net = model()
    reference = Reference(net, x=X, y=Y, validation_data=(X_VAL, Y_VAL))
    net.fit(X, Y, verbose=0, callbacks=[Restores(), Evaluation(reference, writer)])
    assert (writer.arrays["predictions/val"][:, 0] > 0.9).all()
