"""What Keras computes, written down once for the tests that need no Keras."""

from pathlib import Path

import pytest

from parity import record


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The path of a bundle."""
    path = tmp_path_factory.mktemp("bundle") / "keras_model.parity"
    return record(f"{Path(__file__).with_name('keras_model.py')}:build", path)
