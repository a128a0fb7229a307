"""The environment of a run: interpreter, machine and versions, which the spec does not contain."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any


def common_environment(packages: tuple[str, ...]) -> dict[str, Any]:
    """Returns the part of the environment that does not depend on the framework.

    Args:
        packages: distributions whose versions are recorded; None for a missing one.
    """
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("numpy", *packages)},
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("OMP_", "GOMP_", "MKL_", "TF_", "KMP_", "CUBLAS_", "NVIDIA_TF32"))
        },
    }


def version(distribution: str) -> str | None:
    """Returns the installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
