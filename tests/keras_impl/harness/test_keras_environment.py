"""What is set before TensorFlow is imported."""

import os
import subprocess
import sys

import pytest
from paths import ROOT

# In the place of TensorFlow: it tells what it finds when it is imported, and takes all settings.
TENSORFLOW = """
import os
from unittest.mock import MagicMock
config = MagicMock()
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
"""
PROGRAM = """
import os, sys
sys.path[:0] = {paths!r}
from keras_impl.harness.environment import configure
from parity.programs.check_spec import CheckSpec
from parity.programs.scenarios import scenario

assert "tensorflow" not in sys.modules
configure({spec})
assert sys.modules["tensorflow"].config.mock_calls
"""


@pytest.mark.parametrize(
    ("spec", "given", "expected"),
    [
        ("CheckSpec(keras='a:b')", None, "0"),  # all of it is float64
        ("CheckSpec(keras='a:b')", "1", "1"),
        ("scenario('dropout')", None, "None"),
    ],
)
def test_a_check_goes_without_onednn_and_a_run_and_the_user_have_it(
    spec, given, expected, tmp_path
):
    (tmp_path / "tensorflow.py").write_text(TENSORFLOW)
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {} if given is None else {"TF_ENABLE_ONEDNN_OPTS": given}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(paths=[str(tmp_path), str(ROOT)], spec=spec)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == [expected]
