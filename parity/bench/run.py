"""run_bench: a benchmark from its spec to its result, with the gate that variants pass."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.bench.client import BackgroundLoad, BenchClient, Cell, Say, Skipped, in_turns, startup
from parity.bench.result import (
    FAILED,
    IMAGES_PER_S,
    OK,
    REFUSED,
    SAMPLES_PER_S,
    SECONDS,
    SKIPPED,
    BenchResult,
    Row,
)
from parity.bench.server import JOINED, JUDGED, BenchTask, ProgramBenchTask, joined
from parity.bench.statistics import with_ratios
from parity.data.load import run_data, save_data
from parity.errors import InputError, ParityError
from parity.files.atomic import private_folder
from parity.halves.environment import common_environment
from parity.halves.job import ChildOptions
from parity.halves.runner import Signals
from parity.ladder.engine import OF_TRAINING, compare_level
from parity.ladder.items import FAIL
from parity.ladder.result import Result
from parity.programs.backend import check_surroundings, is_refusal
from parity.programs.bench_spec import VARIANTS, BenchSpec, half_of
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenarios import scenario
from parity.runs.run import run_all
from parity.runs.steps import RunOptions
from parity.traces.facts import known
from parity.traces.feed_file import read_feed, write_feed
from parity.traces.folder import RunFolder
from parity.traces.trace import KerasTrace, PortTrace

# --- measure: the cells of a benchmark, and the rows that come from them --------------------------
#
# `parity.bench.client` times the variants of one cell. The rows of a cell count only if all
# variants did the same work.


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


# --- The gate: the speed of a variant counts only if the variant trains as Keras does -------------
#
# `torch_impl.fit` in fp32 must be the same run as Keras's. It is compared level by level, and the
# program that is timed must be that run too. All other variants must be as good as Keras: over
# several seeds, their validation accuracy must be equivalent to Keras's within a margin
# (`parity.sweeps.groups`). Too few seeds prove nothing, and the note says so.


MARGIN = 0.03  # accuracy, fixed beforehand: twice that of a sweep, for a fifth of its epochs
EPOCHS = 6
LADDER = {"train_size": 600, "val_size": 200, "epochs": 2}  # upper limits
ON_THE_LADDER = ("torch", "fp32")  # half precision and compiled networks round differently


def checked(
    rows: Sequence[Row],
    spec: BenchSpec,
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
    say: Say,
) -> list[Row]:
    """Returns rows with the parity of their variants; refuses variants that train differently.

    Rows of "input" and "augment" train nothing, and the baseline is Keras itself; they stay as they
    are.
    """
    if spec.gate_seeds == 0:
        return list(rows)
    found: dict[tuple[str, str], tuple[str, str]] = {}

    @functools.cache
    def reference() -> list[float] | ParityError:
        """Keras's accuracies, computed once, or the error that every row gets as its reason."""
        try:
            return _runs(spec, "keras", "fp32", folder / "gate-keras", pythons, timeout_s)
        except ParityError as error:
            return error

    for row in rows:
        variant = row.variant.partition("#")[0]
        key = variant, row.precision
        if row.status != OK or row.part in ("input", "augment") or key in found:
            continue
        if variant == "keras" and row.precision == "fp32":
            found[key] = "pass", "the reference"
            continue
        say(f"parity of {variant} in {row.precision}")
        place = folder / f"gate-{variant}-{row.precision}"
        try:
            if key == ON_THE_LADDER:
                found[key] = _ladder(spec, place, pythons, timeout_s)
            else:
                theirs = reference()
                if isinstance(theirs, ParityError):
                    found[key] = "unchecked", f"Keras's own runs failed: {theirs}"
                    continue
                ours = _runs(spec, variant, row.precision, place, pythons, timeout_s)
                found[key] = _equivalence(ours, theirs)
        except ParityError as error:
            found[key] = "unchecked", str(error)
    return [_judged(row, found) for row in rows]


def _judged(row: Row, found: dict[tuple[str, str], tuple[str, str]]) -> Row:
    key = row.variant.partition("#")[0], row.precision
    if row.part in ("input", "augment") or key not in found:
        return row
    parity, note = found[key]
    row = replace(row, parity=parity, parity_note=note)
    if parity == "fail" and row.status == OK:
        return replace(row, status=REFUSED, reason=f"it does not train as Keras does: {note}")
    return row


def _ladder(
    spec: BenchSpec, folder: Path, pythons: dict[str, str], timeout_s: float | None
) -> tuple[str, str]:
    """Compares a short run of the same program level by level, as `parity run` does."""
    from parity.runs.run import run_all
    from parity.runs.steps import RunOptions

    children = ChildOptions(pythons["keras"], pythons["torch"], timeout_s)
    options = RunOptions(out=folder / "ladder", children=children)
    run = spec.run_spec(spec.batch_sizes[0])
    sizes = {name: min(LADDER[name], getattr(spec, name)) for name in ("train_size", "val_size")}
    run = run.replace(**sizes, epochs=LADDER["epochs"])
    (result,) = run_all([run], options)
    if result.verdict == "error":  # after its first line, an error holds the end of a log
        return "unchecked", "; ".join(error.partition("\n")[0] for error in result.errors)
    if result.verdict != "pass":
        level, item = result.first_divergence or ("?", None)
        where = getattr(level, "id", level)
        return "fail", f"seeded: {where}, {getattr(item, 'name', item)}"
    # The ladder compares `fit`. The timed program is a loop of its own around the same parts, with
    # the same half, machine and seed, so every single prediction must be the same.
    timed = BenchTask("accuracy", *ON_THE_LADDER, run)
    (found,) = accuracies(timed, 1, folder / "timed", pythons["torch"], timeout_s)
    expected = result.history["torch"]["val_accuracy"][-1]
    if found != expected:
        return (
            "fail",
            f"seeded: the program that is timed reaches an accuracy of {found:.4f}, "
            f"torch_impl.fit {expected:.4f}",
        )
    return "pass", "seeded: the same run, level by level"


def _runs(
    spec: BenchSpec,
    variant: str,
    precision: str,
    folder: Path,
    pythons: dict[str, str],
    timeout_s: float | None,
) -> list[float]:
    run = spec.run_spec(spec.batch_sizes[0]).replace(epochs=EPOCHS)
    task = BenchTask("accuracy", variant, precision, run)
    python = pythons[VARIANTS[variant].half]
    return accuracies(task, spec.gate_seeds, folder, python, timeout_s)


def _equivalence(ours: Sequence[float], theirs: Sequence[float]) -> tuple[str, str]:
    from parity.sweeps.groups import equivalence_of_groups

    found = equivalence_of_groups(ours, theirs, MARGIN)
    figures = (
        f"accuracy {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) of Keras's, "
        f"margin {MARGIN:g}, {found.n} seeds of {EPOCHS} epochs"
    )
    if found.verdict == "equivalent":
        return "pass", f"as good as Keras: {figures}"
    if found.verdict == "different":
        return "fail", figures
    if found.has_enough:
        return "unchecked", f"inconclusive: {figures}; the difference is near the margin"
    return "unchecked", f"inconclusive: {figures}; needs {found.n_needed or 'more'} seeds"


# --- The rows of a benchmark of a user's program: a run first, then the variants in turns ---------
#
# The run trains two epochs in both halves, as `parity run` does, and judges the port. It leaves
# what the children need: what `fit` is fed, and with what weights it begins. Of a flow of
# ImageDataGenerator, these are its arrays: both halves augment them within the turns. Each other
# variant is trained once on the same batches, with the same masks, and judged like the port. Only
# what passes is timed.


EPOCHS_OF_A_ROUND = 2  # of the run that judges
BASE = "torch-eager"  # the port as it stands
STEP = "step"
NO_RESIDENT_BATCH = (
    "a flow of ImageDataGenerator makes every batch anew, and no step is made on one that is there "
    "already; the part train times both"
)
SAME, IN_CUSTOM_LOOP = "the same training, step by step", ", in the port's own loop"


@dataclass(frozen=True)
class Judgement:
    """What is known of a variant before it is timed.

    Attributes:
        status: "ok", or why it is not timed.
        reason: why the status is not "ok".
        parity: "pass", "fail" or "unchecked".
        note: how that was found.
    """

    status: str = OK
    reason: str = ""
    parity: str = "unchecked"
    note: str = ""

    def applied(self, row: Row) -> Row:
        """Returns a row with this judgement."""
        return replace(
            row,
            status=self.status,
            reason=self.reason,
            parity=self.parity,
            parity_note=self.note,
        )


def measure_program(
    spec: BenchSpec,
    folder: Path,
    children: ChildOptions,
    say: Say,
    on_rows: Callable[[list[Row]], Any] = lambda rows: None,
) -> list[Row]:
    """Judges and times every variant of a program in every cell.

    Args:
        spec: what is timed.
        folder: for the files of the children.
        children: interpreters, and the time limit for one answer.
        say: called with a line of progress.
        on_rows: called with all rows so far after every cell.

    Returns:
        A row for each part, batch size and variant, without ratios.

    Raises:
        InputError: the program cannot be found, or asks for another back end of Keras.
    """
    say("the program is trained in both halves, and compared")
    program_spec = spec.program_spec(spec.batch_sizes[0] if spec.batch_sizes else None)
    run, result = _run(program_spec, folder / "run", children)
    if result.verdict == "error":
        reason = "; ".join(error.partition("\n")[0] for error in result.errors)
        if is_refusal(reason):
            raise InputError(reason)
        return _rows_without_values(spec, Judgement(FAILED, reason))
    try:
        task = _task(spec, program_spec, run)
    except InputError as error:
        return _rows_without_values(spec, Judgement(FAILED, str(error)))
    if has_custom_loop(run.half("torch")):
        say("the port has a loop of its own, which is timed")
    found = _judgements(spec, task, result, folder / "judged", children, say)
    rows: list[Row] = []
    for part in spec.parts:
        for batch_size in spec.batch_sizes or (task.batch_size,):
            place = folder / f"{part}-{batch_size}"
            place.mkdir(parents=True)
            tasks = [_of_cell(task, part, variant, batch_size, spec) for variant in spec.variants]
            if task.is_flow and part == STEP:
                rows += [Judgement(SKIPPED, NO_RESIDENT_BATCH).applied(row) for row in blank(tasks)]
                continue
            cell = Cell(spec, tasks, place, children.pythons, children.timeout_s, say)
            blanks = [found[row.variant.partition("#")[0]].applied(row) for row in blank(tasks)]
            samples = in_turns(blanks, cell)
            rows += of_the_same_work(blanks, samples, spec.baseline)
            on_rows(list(rows))
    return rows


def _run(spec: ProgramSpec, folder: Path, children: ChildOptions) -> tuple[RunFolder, Result]:
    """Trains the program in both halves; returns the folder of the run, and its result."""
    options = RunOptions(folder, replace(children, quiet=True), keeps_feed=True)
    (result,) = run_all([spec.replace(epochs=EPOCHS_OF_A_ROUND)], options)
    (place,) = (path for path in folder.iterdir() if path.is_dir())
    return RunFolder(place), result


def _rows_without_values(spec: BenchSpec, judgement: Judgement) -> list[Row]:
    """Returns the rows of a program of which nothing can be timed."""
    return [
        judgement.applied(row)
        for part in spec.parts
        for batch_size in spec.batch_sizes or (None,)
        for row in blank(
            [
                ProgramBenchTask(part, variant, "fp32", spec.program_spec(batch_size), 0, "")
                for variant in spec.variants
            ]
        )
    ]


def _task(spec: BenchSpec, program_spec: ProgramSpec, run: RunFolder) -> ProgramBenchTask:
    """Returns what all tasks have in common; writes the samples of an epoch if `fit` gets batches.

    Raises:
        InputError: the batches of `fit` cannot be joined.
    """
    fit = KerasTrace(run.half("keras").path).facts["fit"]
    batch_size, number = fit["batch_size"], fit["num_samples"]
    nests, settings = read_feed(run.half("keras").feed) if number is None else ({}, {})
    is_flow = "train_flow" in nests
    is_written = number is None and not is_flow
    if is_flow:
        batch_size = settings["flows"]["train_flow"]["flow"]["batch_size"]
        number = len(nests["train_flow"]["x"])
    elif is_written:
        batches = nests["train_batches"][: settings["epoch_ends"][0]]
        found, batch_size = joined(batches)
        number = len(_first(found["x"]))
        write_feed(run.path / JOINED, found, {})
    return ProgramBenchTask(
        part=JUDGED,
        variant=BASE,
        precision="fp32",
        spec=program_spec.replace(batch_size=batch_size),
        samples=known(number),
        run=str(run.path),
        is_written=is_written,
        is_flow=is_flow,
    )


def _first(nest: Any) -> Any:
    while isinstance(nest, tuple | dict):
        nest = next(iter(nest.values() if isinstance(nest, dict) else nest))
    return nest


def _of_cell(
    task: ProgramBenchTask, part: str, variant: str, batch_size: int, spec: BenchSpec
) -> ProgramBenchTask:
    """Returns the task of a variant: an epoch, or as many whole batches as may be in a turn."""
    most = max(batch_size, spec.train_size // batch_size * batch_size)
    return replace(
        task,
        part=part,
        variant=variant,
        spec=task.spec.replace(batch_size=batch_size),
        samples=min(task.samples, most),
    )


def has_custom_loop(half: RunFolder) -> bool:
    """Whether a port makes the steps of an epoch itself, from the folder of its run."""
    return bool(PortTrace(half.training.path).facts.get("has_own_loop"))


def _judgements(
    spec: BenchSpec,
    task: ProgramBenchTask,
    result: Result,
    folder: Path,
    children: ChildOptions,
    say: Say,
) -> dict[str, Judgement]:
    """Returns what is known of each variant."""
    if spec.gate_seeds == 0:
        return {name: Judgement() for name in spec.variants}
    port = _of_run(result, in_custom_loop=has_custom_loop(task.folder("torch")))
    found = {}
    for name in dict.fromkeys(spec.variants):
        if name == "keras":
            found[name] = Judgement(parity="pass", note="the reference")
        elif name == BASE or port.parity == "fail":
            found[name] = port
        else:
            say(f"parity of {name}")
            found[name] = _of_variant(replace(task, variant=name), folder / name, children, port)
    if all(found[name].status != OK for name in found if name != "keras"):
        found["keras"] = Judgement(SKIPPED, "there is nothing left to compare it with")
    return found


def _of_run(result: Result, *, in_custom_loop: bool) -> Judgement:
    """Returns what the run says of the port as it stands."""
    if result.verdict == "pass":
        return Judgement(parity="pass", note=SAME + (IN_CUSTOM_LOOP if in_custom_loop else ""))
    if result.verdict != "fail":
        return Judgement(note=f"the run is {result.verdict}: `parity run` says why")
    note = "a level fails"
    if (first := result.first) is not None:
        causes = ", ".join(f"{cause['id']} {cause['title']}" for cause in first.causes[:1])
        note = f"{first.level}, {first.item.name}" + (f": {causes}" if causes else "")
    return Judgement(REFUSED, f"it does not train as Keras does: {note}", "fail", note)


def _of_variant(
    task: ProgramBenchTask, folder: Path, children: ChildOptions, port: Judgement
) -> Judgement:
    """Trains a variant once and compares it with Keras's training."""
    client = None
    try:
        python = children.pythons["torch"]
        client = BenchClient(task, "torch", python, folder, children.timeout_s)
        client.ready()
        client.round()
    except Skipped as reason:
        return Judgement(SKIPPED, str(reason))
    except ParityError as error:
        return Judgement(FAILED, str(error))
    finally:
        if client is not None:
            client.close()
    if port.parity != "pass":
        return port
    keras = KerasTrace(task.folder("keras").training.path)
    torch = PortTrace(RunFolder(folder).training.path)
    for name in OF_TRAINING:
        level = compare_level(name, OF_TRAINING, keras, torch)
        if level.status == FAIL:
            item = level.first_failure
            note = f"{name}, {getattr(item, 'name', item)}"
            return Judgement(REFUSED, f"it does not train as Keras does: {note}", "fail", note)
    return Judgement(parity="pass", note=port.note)


# --- run_bench: a benchmark from its spec to its result -------------------------------------------


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
