"""run_bench: a benchmark from its spec to its result."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.bench.gate import checked
from parity.bench.measure import measure
from parity.bench.others import Others
from parity.bench.result import BenchResult
from parity.bench.spec import BenchSpec
from parity.bench.statistics import with_ratios
from parity.environment import common_environment
from parity.runner import check_interpreters


def run_bench(
    spec: BenchSpec,
    *,
    keras_python: str = sys.executable,
    torch_python: str = sys.executable,
    timeout_s: float = 600.0,
    say: Callable[[str], Any] = lambda text: None,
) -> BenchResult:
    """Times all variants of a benchmark, and checks that they train as Keras does.

    Args:
        spec: what is measured.
        keras_python: interpreter of the Keras half.
        torch_python: likewise of the torch half.
        timeout_s: that one answer of a child may take: its start, or a round.
        say: told what is going on.

    Raises:
        InputError: the spec, the data or an interpreter cannot be used.
    """
    check_interpreters(keras=keras_python, torch=torch_python)
    pythons = {"keras": keras_python, "torch": torch_python}
    began = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with tempfile.TemporaryDirectory(prefix="parity-bench-") as name:
        folder = Path(name)
        others = Others()
        rows = measure(spec, folder / "rounds", pythons, timeout_s, say)
        share_of_others = others.share()
        rows = checked(rows, spec, folder / "gate", pythons, timeout_s, say)
    rows = with_ratios(rows, spec.baseline, across_precision=spec.across_precision)
    environment = {
        **common_environment(("keras", "tensorflow", "torch", "torchvision")),
        "began": began,
        "share_of_others": share_of_others,
    }
    return BenchResult(spec.to_dict(), rows, environment)
