"""What is recorded of the machine: enough to explain a run, nothing private."""

import json
import platform
import sys

import numpy as np
import pytest

from parity.halves import environment
from parity.halves.environment import common_environment


def test_the_record_is_plain_json_and_says_what_ran_where():
    record = common_environment(())
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["python"] == platform.python_version()
    assert record["executable"] == sys.executable
    assert record["machine"] == platform.machine()
    assert record["cores"] >= 1
    assert isinstance(record["processor"], str)
    assert record["versions"] == {"numpy": np.__version__}


def test_versions_of_the_packages_asked_for_are_recorded_and_a_missing_one_is_none():
    versions = common_environment(("click", "no-such-package"))["versions"]
    assert list(versions) == ["numpy", "click", "no-such-package"]
    assert versions["click"]
    assert versions["no-such-package"] is None


@pytest.mark.parametrize(
    ("name", "is_recorded"),
    [
        ("OMP_NUM_THREADS", True),
        ("MKL_NUM_THREADS", True),
        ("TF_ENABLE_ONEDNN_OPTS", True),
        ("KMP_AFFINITY", True),
        ("CUBLAS_WORKSPACE_CONFIG", True),
        ("NVIDIA_TF32_OVERRIDE", True),
        ("HOME", False),
        ("API_TOKEN", False),
        ("NVIDIA_VISIBLE_DEVICES", False),
        ("XTF_", False),
    ],
)
def test_only_variables_that_change_arithmetic_are_recorded(monkeypatch, name, is_recorded):
    monkeypatch.setenv(name, "7")
    variables = common_environment(())["variables"]
    assert variables.get(name) == ("7" if is_recorded else None)
    assert list(variables) == sorted(variables)


def test_a_system_without_cpuinfo_says_what_python_knows(monkeypatch):
    def missing(*arguments, **options):
        raise FileNotFoundError

    monkeypatch.setattr(environment, "open", missing, raising=False)
    monkeypatch.setattr(platform, "processor", lambda: "a processor")
    assert common_environment(())["processor"] == "a processor"
