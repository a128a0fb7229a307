"""What Keras's weights are drawn by is found, and drawn again with other numbers."""

import keras
import numpy as np
import pytest
from small_keras import net

from parity.data.samples import Samples
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.run import write_init
from parity.halves.keras.check.weights import build, initializers
from parity.halves.keras.factories import call_factory
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

pytestmark = pytest.mark.long


@keras.saving.register_keras_serializable("test")
class Halves(keras.initializers.Initializer):
    """Draws 0.5 or -0.5."""

    def __call__(self, shape, dtype=None):
        return keras.ops.sign(keras.random.uniform(shape, -1, 1, dtype=dtype)) / 2


class Scaled(keras.layers.Layer):
    """Keeps what drew one weight nowhere, and begins the other with values."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="glorot_uniform", name="scale")
        self.offset = keras.Variable(keras.random.uniform((shape[-1],), -0.1, 0.1), name="offset")

    def call(self, x):
        return x * self.scale + self.offset


def model():
    dense = keras.layers.Dense
    return net(
        keras.layers.Bidirectional(keras.layers.LSTM(3, name="lstm"), name="both"),
        dense(4, kernel_initializer=keras.initializers.HeNormal(seed=3), name="seeded"),
        dense(4, kernel_initializer=Halves(), name="own"),
        dense(4, kernel_initializer=lambda s, dtype: np.ones(s), name="function"),
        Scaled(name="scaled"),
        keras.layers.BatchNormalization(name="norm"),
        shape=(6, 4),
    )


CELL = "both.forward_lstm/lstm_cell"
FOUND = {
    **{f"{CELL}/kernel": "GlorotUniform", f"{CELL}/recurrent_kernel": "Orthogonal"},
    **{"both.backward_lstm/lstm_cell/bias": "Zeros", "seeded.kernel": "HeNormal"},
    **{"norm.gamma": "Ones", "norm.moving_variance": "Ones", "function.kernel": None},
}


def test_the_layer_that_holds_a_weight_tells_its_initialiser(in_float64):
    found = {name: each.config.get("class") for name, each in initializers(model()).items()}
    assert {name: found[name] for name in FOUND} == FOUND
    assert not {"scaled.scale", "scaled.offset"} & {*found}
    # A class of the user is not Keras's, whatever its name.
    assert found["own.kernel"].endswith(".Halves")


def test_draws_of_weights_are_as_many_as_they_need_to_be(in_float64):
    """A cell draws as often as it is small."""
    spec, writer = CheckSpec(seed=3), TraceWriter()
    reference = call_factory(model, spec.seed)
    samples = Samples(spec, inputs_of(reference, 4).each)
    build(reference, samples)
    write_init(spec, model, reference, samples, writer)
    written = {name.removeprefix("init/"): array for name, array in writer.arrays.items()}
    for name in ("seeded", "own"):
        first = reference.model.get_layer(name).kernel.numpy().reshape(-1)
        np.testing.assert_array_equal(written[f"{name}.kernel"][0], first)
    for name, count in (
        (f"{CELL}/kernel", 21),  # 48 values
        ("seeded.kernel", 42),  # 24 values
        ("own.kernel", 64),  # 16 values, and no formula
        ("scaled.scale", 64),  # of which its layer tells nothing: by what it began with
        ("scaled.offset", 5),  # which began with values: with the model
        ("norm.gamma", 1),  # which is not drawn
    ):
        different = np.unique(written[name], axis=0)  # also those of a fixed seed
        assert len(written[name]) == len(different) == count, name
    assert np.abs(written["scaled.scale"]).max() <= np.sqrt(6 / 8)  # Glorot's limit of (4,)
    (bias,) = written[f"{CELL}/bias"]
    np.testing.assert_array_equal(bias, np.repeat([0.0, 1.0, 0.0, 0.0], 3))
    sizes = {written[kind].shape[1] for kind in ("scaled.scale", "scaled.offset", "norm.gamma")}
    assert sizes == {4}
