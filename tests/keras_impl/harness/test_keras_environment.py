"""What is set before TensorFlow is imported."""

import os
import subprocess
import sys

import pytest
from paths import ROOT

PROGRAM = """
import os, sys
sys.path.insert(0, {root!r})
from keras_impl.harness.environment import configure
from parity.programs.check_spec import CheckSpec
from parity.programs.scenarios import scenario

configure({spec})
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
"""


@pytest.mark.parametrize(
    ("spec", "given", "expected"),
    [
        ("CheckSpec(keras='a:b')", None, "0"),  # all of it is float64
        ("CheckSpec(keras='a:b')", "1", "1"),
        ("scenario('dropout')", None, "None"),
    ],
)
def test_a_check_goes_without_onednn_and_a_run_and_the_user_have_it(spec, given, expected):
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {} if given is None else {"TF_ENABLE_ONEDNN_OPTS": given}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT), spec=spec)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == [expected]
