"""Numbers of Python in operations of Keras: float64 in a float64 run, float32 in a float32 run."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_impl.harness import float64_numbers

SAMPLES = np.sin(np.arange(512) ** 1.5).reshape(2, 256)


@pytest.fixture(autouse=True)
def _installed():
    before = keras.config.floatx()
    float64_numbers.install()
    float64_numbers.install()  # a second time changes nothing
    yield
    keras.config.set_floatx(before)


def frequencies():
    return ops.exp(ops.linspace(ops.log(1.0), ops.log(1000.0), 4))


def test_numbers_are_not_rounded_to_float32_on_the_way():
    keras.config.set_floatx("float64")
    np.testing.assert_allclose(frequencies(), [1, 10, 100, 1000], rtol=1e-14)
    assert ops.log(ops.ones((2,), "float32")).dtype == "float32"


def test_a_float32_run_is_as_before():
    keras.config.set_floatx("float32")
    assert ops.log(1000.0).dtype == frequencies().dtype == "float32"


def mel(dtype):
    keras.config.set_floatx(dtype)
    settings = {"fft_length": 64, "sequence_stride": 32, "num_mel_bins": 7, "sampling_rate": 8000}
    return keras.layers.MelSpectrogram(dtype=dtype, **settings)


def test_the_constants_of_a_mel_spectrogram_are_moved_by_a_share_of_float32():
    in_float32 = mel("float32")(SAMPLES).numpy()
    layer = mel("float64")
    exact = layer(SAMPLES).numpy()
    np.testing.assert_array_equal(exact, mel("float64")(SAMPLES))
    float64_numbers.move_constants(layer)
    change = np.abs(layer(SAMPLES) - exact).max()
    rounded = np.abs(in_float32 - exact).max()
    assert 1e-3 * rounded < change < 0.2 * rounded


def test_a_mel_spectrogram_has_a_float64_form():
    made = {dtype: mel(dtype)(SAMPLES).numpy() for dtype in ("float32", "float64")}
    assert made["float64"].dtype == np.float64
    np.testing.assert_allclose(made["float64"], made["float32"], rtol=1e-4)
    assert np.abs(made["float64"] - made["float32"]).max() > 0
