"""run_bench: a benchmark from its spec to its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from parity.bench.background_load import BackgroundLoad
from parity.bench.gate import checked
from parity.bench.measure import measure
from parity.bench.program import measure_program
from parity.bench.result import BenchResult, Row
from parity.bench.statistics import with_ratios
from parity.files.private import private_folder
from parity.halves.environment import common_environment
from parity.halves.options import ChildOptions
from parity.halves.runner import Signals
from parity.programs.backend import check_surroundings
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
    check_surroundings()
    environment = common_environment(("keras", "tensorflow", "torch", "torchvision"))
    environment["began"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    load = BackgroundLoad()

    def result(rows: list[Row], *, is_finished: bool) -> BenchResult:
        compared = with_ratios(rows, spec.baseline, across_precision=spec.across_precision)
        return BenchResult(spec.to_json(), compared, environment, is_finished)

    def keep(rows: list[Row]) -> None:
        on_result(result(rows, is_finished=False))

    with (
        Signals() as signals,
        private_folder("bench") as folder,
        signals.raised(),
    ):
        if spec.program is not None:  # the gate comes first, and leaves what the children need
            rows = measure_program(spec, folder, children, say, on_rows=keep)
            environment["background_cpu_share"] = load.share()
            return result(rows, is_finished=True)
        pythons, timeout_s = children.pythons, children.timeout_s
        rows = measure(spec, folder / "rounds", pythons, timeout_s, say, on_rows=keep)
        environment["background_cpu_share"] = load.share()
        rows = checked(rows, spec, folder / "gate", pythons, timeout_s, say)
    return result(rows, is_finished=True)
