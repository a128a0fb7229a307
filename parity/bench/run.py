"""run_bench: a benchmark from its spec to its result."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.bench.background_load import BackgroundLoad
from parity.bench.gate import checked
from parity.bench.measure import measure
from parity.bench.result import BenchResult, Row
from parity.bench.statistics import with_ratios
from parity.halves.environment import common_environment
from parity.halves.options import ChildOptions
from parity.halves.runner import Signals
from parity.programs.bench_spec import BenchSpec


def run_bench(
    spec: BenchSpec,
    *,
    children: ChildOptions | None = None,
    say: Callable[[str], Any] = lambda text: None,
    on_result: Callable[[BenchResult], Any] = lambda result: None,
) -> BenchResult:
    """Times all variants of a benchmark, and checks that they train as Keras does.

    Args:
        spec: what is measured.
        children: interpreters, and the time limit for one answer of a child, such as its start or
            a round. One child works at a time.
        say: called with a line of progress.
        on_result: called after every cell with the unfinished result so far, so that hours of
            measurement are kept if a later cell fails.

    Raises:
        InputError: the spec, the data or an interpreter cannot be used.
        KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP was received; nothing is left running.
    """
    children = children or ChildOptions()
    children.check_interpreters()
    environment = common_environment(("keras", "tensorflow", "torch", "torchvision"))
    environment["began"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    load = BackgroundLoad()

    def result(rows: list[Row], *, is_finished: bool) -> BenchResult:
        compared = with_ratios(rows, spec.baseline, across_precision=spec.across_precision)
        return BenchResult(spec.to_dict(), compared, environment, is_finished)

    with (
        Signals() as signals,
        tempfile.TemporaryDirectory(prefix="parity-bench-") as name,
        signals.raised(),
    ):
        folder = Path(name)
        rows = measure(
            spec,
            folder / "rounds",
            children.pythons,
            children.timeout_s,
            say,
            on_rows=lambda rows: on_result(result(rows, is_finished=False)),
        )
        environment["background_cpu_share"] = load.share()
        rows = checked(rows, spec, folder / "gate", children.pythons, children.timeout_s, say)
    return result(rows, is_finished=True)
