"""What several of these tests share."""

import pytest


@pytest.fixture
def float64():
    """Keras makes weights and computes in float64; tests/conftest.py sets it back."""
    import keras

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
