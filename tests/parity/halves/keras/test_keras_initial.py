"""What Keras's weights are drawn by is found, and drawn again with other numbers."""

from contextlib import contextmanager

import keras
import numpy as np
import pytest

from parity.data.samples import Samples
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.run import write_init
from parity.halves.keras.check.weights import build, initializers
from parity.halves.keras.factories import call_factory
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

pytestmark = pytest.mark.long


@contextmanager
def in_float64():
    before = keras.backend.floatx()
    keras.backend.set_floatx("float64")
    try:
        yield
    finally:
        keras.backend.set_floatx(before)


@pytest.fixture(autouse=True)
def _float64():
    with in_float64():
        yield


@keras.saving.register_keras_serializable("test")
class Halves(keras.initializers.Initializer):
    """Draws 0.5 or -0.5."""

    def __call__(self, shape, dtype=None):
        return keras.ops.sign(keras.random.uniform(shape, -1, 1, dtype=dtype)) / 2


class Scaled(keras.layers.Layer):
    """Keeps what drew one weight nowhere, and begins the other with values."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="glorot_uniform", name="scale")
        values = keras.random.uniform((shape[-1],), -0.1, 0.1)
        self.offset = keras.Variable(values, name="offset")

    def call(self, x):
        return x * self.scale + self.offset


def net():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 4)),
            layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both"),
            layers.Dense(4, kernel_initializer=keras.initializers.HeNormal(seed=3), name="seeded"),
            layers.Dense(4, kernel_initializer=Halves(), name="own"),
            layers.Dense(4, kernel_initializer=lambda s, dtype: np.ones(s), name="function"),
            Scaled(name="scaled"),
            layers.BatchNormalization(name="norm"),
        ]
    )


def test_the_layer_that_holds_a_weight_tells_its_initialiser():
    found = {name: each.config.get("class") for name, each in initializers(net()).items()}
    cell = "both.forward_lstm/lstm_cell"
    assert found[f"{cell}/kernel"] == "GlorotUniform"
    assert found[f"{cell}/recurrent_kernel"] == "Orthogonal"
    assert found["both.backward_lstm/lstm_cell/bias"] == "Zeros"
    assert found["seeded.kernel"] == "HeNormal"
    assert found["norm.gamma"] == "Ones"
    assert found["norm.moving_variance"] == "Ones"
    assert found["function.kernel"] is None
    assert "scaled.scale" not in found
    assert "scaled.offset" not in found
    # A class of the user is not Keras's, whatever its name.
    assert found["own.kernel"].endswith(".Halves")


@pytest.fixture(scope="module")
def written():
    """The draws of every weight, once for all tests: a cell draws as often as it is small."""
    spec = CheckSpec(seed=3)
    writer = TraceWriter()
    with in_float64():
        reference = call_factory(net, spec.seed)
        samples = Samples(spec, inputs_of(reference, 4).each)
        build(reference, samples)
        write_init(spec, net, reference, samples, writer)
    own = {name: array[0] for name, array in writer.arrays.items()}
    for layer in reference.model.layers:
        if layer.name in ("seeded", "own"):
            np.testing.assert_array_equal(
                own[f"init/{layer.name}.kernel"], layer.kernel.numpy().reshape(-1)
            )
    return {name.removeprefix("init/"): array for name, array in writer.arrays.items()}


def test_a_small_weight_is_drawn_until_there_are_enough(written):
    for name, count in (
        ("both.forward_lstm/lstm_cell/kernel", 21),  # 48 values
        ("seeded.kernel", 42),  # 24 values
        ("own.kernel", 64),  # 16 values, and no formula
    ):
        draws = written[name]
        assert len(draws) == count
        assert len(np.unique(draws, axis=0)) == count, "also those of a fixed seed differ"


def test_what_is_not_drawn_is_written_once(written):
    assert written["norm.gamma"].shape == (1, 4)
    (bias,) = written["both.forward_lstm/lstm_cell/bias"]
    np.testing.assert_array_equal(bias, np.repeat([0.0, 1.0, 0.0, 0.0], 3))


def test_a_weight_that_its_layer_tells_nothing_of_is_drawn_by_what_it_began_with(written):
    assert written["scaled.scale"].shape == (64, 4)
    assert len(np.unique(written["scaled.scale"], axis=0)) == 64
    assert np.abs(written["scaled.scale"]).max() <= np.sqrt(6 / 8)  # Glorot's limit of (4,)


def test_a_weight_that_began_with_values_is_drawn_with_the_model(written):
    assert written["scaled.offset"].shape == (5, 4)
    assert len(np.unique(written["scaled.offset"], axis=0)) == 5
