"""measure: the cells of a benchmark, and the rows that come from them.

`parity.bench.rounds` times the variants of one cell. The rows of a cell count only if all variants
did the same work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.bench.child import BenchTask, ProgramBenchTask
from parity.bench.client import BenchClient
from parity.bench.result import IMAGES_PER_S, OK, REFUSED, SAMPLES_PER_S, SECONDS, Row
from parity.bench.rounds import Cell, in_turns, startup
from parity.data.load import run_data
from parity.data.transfer import save_data
from parity.programs.bench_spec import BenchSpec
from parity.programs.scenarios import scenario
from parity.programs.variants import half_of
from parity.traces.folder import RunFolder

Say = Callable[[str], Any]


def measure(
    spec: BenchSpec,
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
    say: Say,
    on_rows: Callable[[list[Row]], Any] = lambda rows: None,
) -> list[Row]:
    """Times every variant in every cell.

    Args:
        spec: what is timed.
        folder: for the files of the children.
        pythons: interpreter by half.
        timeout_s: limit for one answer of a child; None = no limit.
        say: called with a line of progress.
        on_rows: called with all rows so far after every cell.

    Returns:
        A row for each part, batch size, precision and variant, without ratios. A row that could not
        be measured gives the reason.
    """
    rows: list[Row] = []
    for part in spec.parts:
        for batch_size in spec.batch_sizes:
            place = folder / f"{part}-{batch_size}"
            place.mkdir(parents=True)
            run = spec.run_spec(batch_size)
            if part == "augment" and run.augmentation is None:
                run = run.replace(augmentation=scenario("augmentation").augmentation)
            save_data(run_data(run), RunFolder(place).data)
            # All precisions take turns, because one may be compared with another.
            tasks = [
                BenchTask(part, variant, precision, run)
                for precision in spec.precisions
                for variant in spec.variants
            ]
            if spec.across_precision and "fp32" not in spec.precisions:
                tasks.insert(0, BenchTask(part, spec.baseline, "fp32", run))
            timer = startup if part == "startup" else in_turns
            found = blank(tasks)
            samples = timer(found, Cell(spec, tasks, place, pythons, timeout_s, say))
            rows += of_the_same_work(found, samples, spec.baseline)
            on_rows(list(rows))
    return rows


def numbered(names: Sequence[str]) -> list[str]:
    """Returns the names, each made unique: "torch", "torch#2"."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return found


def blank(tasks: Sequence[BenchTask | ProgramBenchTask]) -> list[Row]:
    """Returns a row for each task, nothing measured yet."""
    names = numbered([f"{task.variant} {task.precision}" for task in tasks])
    return [
        Row(
            part=task.part,
            variant=task.variant + name.partition(" ")[2].removeprefix(task.precision),
            batch_size=task.spec.batch_size or 0,
            precision=task.precision,
            unit=SECONDS if task.part == "startup" else _speed_of(task),
        )
        for task, name in zip(tasks, names, strict=True)
    ]


def _speed_of(task: BenchTask | ProgramBenchTask) -> str:
    """Returns the unit of a speed: samples of a program may be anything."""
    return IMAGES_PER_S if isinstance(task, BenchTask) else SAMPLES_PER_S


def of_the_same_work(rows: Sequence[Row], samples: dict[int, int], baseline: str) -> list[Row]:
    """Refuses rows whose rounds process a different number of samples than the baseline's.

    Args:
        rows: rows of one cell.
        samples: number of samples in a turn, by the number of the row.
        baseline: variant of the baseline. If it failed, the first measured row takes its place.
    """
    measured = [number for number, row in enumerate(rows) if row.status == OK]
    if not measured:
        return list(rows)
    first = next((number for number in measured if rows[number].variant == baseline), measured[0])
    found = list(rows)
    for number in measured:
        if samples[number] != samples[first]:
            reason = (
                f"not the same work: its rounds have {samples[number]} samples, those of "
                f"{rows[first].variant} {samples[first]}"
            )
            found[number] = replace(rows[number], status=REFUSED, reason=reason)
    return found


def accuracies(
    task: BenchTask, num: int, folder: Path, python: str, timeout_s: float | None
) -> list[float]:
    """Trains a variant from several seeds and returns its validation accuracies.

    Args:
        task: a task of the part "accuracy".
        num: number of seeds, starting with that of the spec.
        folder: for the files of the child; created here.
        python: interpreter of the child.
        timeout_s: limit for one training; None = no limit.

    Raises:
        InputError, RunError: the variant cannot be trained.
    """
    folder.mkdir(parents=True)
    save_data(run_data(task.spec), RunFolder(folder).data)
    half = half_of(task.variant)
    client = BenchClient(task, half, python, folder / "child", timeout_s)
    try:
        client.ready()
        found = []
        for _ in range(num):
            client.round()
            found.append(client.accuracy())
        return found
    finally:
        client.close()
