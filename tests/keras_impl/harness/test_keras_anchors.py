"""What changes between the steps of a Keras training is counted; what a step changes is not."""

import keras
import numpy as np
import pytest
from keras_impl.harness.anchors import Anchors

from keras_impl.models import build_model
from parity.data.dataset import Data
from parity.programs.run_spec import RunSpec
from parity.traces.anchor_folder import AnchorFolder
from parity.traces.folder import RunFolder
from parity.traces.trace import TraceWriter

SPEC = RunSpec(scenario="underfit", model="underfit", batch_size=4, epochs=2)


class Changes(keras.callbacks.Callback):
    """Calls a function with the model before the third step, which begins an epoch."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.change(self.model)


@pytest.fixture
def changed_between(tmp_path):
    """The counts of a run of four steps."""

    def run(change):
        x = np.random.default_rng(0).random((8, 12, 12, 1), np.float32)
        y = np.arange(8) % 3
        data = Data(x, y, x[:2], y[:2], x[:2], y[:2], num_classes=3, source="test")
        writer = TraceWriter()
        anchors = Anchors(SPEC, data, writer, AnchorFolder(RunFolder(tmp_path), lambda: None))
        model = build_model(SPEC, (12, 12, 1), 3)
        callbacks = [Changes(change), anchors]
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
        anchors.finish()
        return writer.arrays["between_steps"].tolist()

    return run


def test_what_the_steps_change_is_not_counted(changed_between):
    assert changed_between(lambda model: None) == [0, 0, 0, 0]


def test_every_value_of_a_weight_that_is_changed_is_counted(changed_between):
    def clipped(model):
        bias = model.layers[-1].bias
        bias.assign(bias.numpy() + np.float32([0.0, 0.5, 0.25]))

    assert changed_between(clipped) == [0, 0, 2, 0]


def test_slots_are_counted_and_a_value_that_stays_no_number_is_not(changed_between):
    def cleared(model):
        momentum = model.optimizer._momentums[-1]  # of the last bias
        momentum.assign(np.full(momentum.shape, np.nan, "float32"))

    assert changed_between(cleared) == [0, 0, 3, 0]
