"""What is set before TensorFlow is imported."""

import os
import subprocess
import sys

from paths import ROOT
from rows import each_row

# In the place of TensorFlow: it tells what it finds when it is imported, and takes all settings.
TENSORFLOW = """
import os
from unittest.mock import MagicMock
config = MagicMock()
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
"""
KERAS = "import os; print(os.environ['KERAS_BACKEND'])"  # in the place of Keras
PROGRAM = """
import os, sys
sys.path[:0] = {paths!r}
from parity.halves.keras.environment import configure
from parity.programs.check_spec import CheckSpec
from parity.programs.scenarios import scenario

assert "tensorflow" not in sys.modules
configure({spec})
assert sys.modules["tensorflow"].config.mock_calls
print(os.environ.get("KERAS_BACKEND"))
"""


@each_row(
    "spec, given, expected",
    [
        ("CheckSpec(keras='a:b')", None, "0"),  # all of it is float64
        ("CheckSpec(keras='a:b')", "1", "1"),
        ("scenario('dropout')", None, "None"),
    ],
)
def test_a_check_goes_without_onednn_and_a_run_and_the_user_have_it(
    spec, given, expected, tmp_path
):
    environment = {} if given is None else {"TF_ENABLE_ONEDNN_OPTS": given}
    assert configured(tmp_path, spec, environment)[0] == expected


@each_row("given", [None, "tensorflow"])
def test_keras_computes_with_tensorflow_and_a_program_finds_the_users_own_variable(given, tmp_path):
    """A program that sets a default for it, where there is none, asks for this back end."""
    environment = {} if given is None else {"KERAS_BACKEND": given}
    assert configured(tmp_path, "CheckSpec(keras='a:b')", environment)[1:] == [
        "tensorflow",
        str(given),
    ]


def configured(folder, spec, variables):
    """What TensorFlow, Keras and the program find in a half that is set up for a spec."""
    (folder / "tensorflow.py").write_text(TENSORFLOW)
    (folder / "keras.py").write_text(KERAS)
    free = ("TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND")
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(paths=[str(folder), str(ROOT)], spec=spec)],
        env={k: v for k, v in os.environ.items() if k not in free} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.split()
