"""The rows of a benchmark of a user's program: a run first, then the variants in turns.

The run trains two epochs in both halves, as `parity run` does, and judges the port. It leaves what
the children need: what `fit` is fed, and with what weights it begins. Of a flow of
ImageDataGenerator, these are its arrays: both halves augment them within the turns. Each other
variant is trained once on the same batches, with the same masks, and judged like the port. Only
what passes is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.bench.child import JOINED, JUDGED, ProgramBenchTask
from parity.bench.client import BenchClient, Skipped
from parity.bench.joined import joined
from parity.bench.measure import blank, of_the_same_work
from parity.bench.result import FAILED, OK, REFUSED, SKIPPED, Row
from parity.bench.rounds import Cell, in_turns
from parity.errors import InputError, ParityError
from parity.halves.options import ChildOptions
from parity.ladder.engine import compare_level
from parity.ladder.items import FAIL
from parity.ladder.result import Result
from parity.ladder.table import OF_TRAINING
from parity.programs.backend import is_refusal
from parity.programs.bench_spec import BenchSpec
from parity.programs.program_spec import ProgramSpec
from parity.runs.run import run_all
from parity.runs.run_options import RunOptions
from parity.traces.feed_file import read_feed, write_feed
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

EPOCHS = 2  # of the run that judges
BASE = "torch-eager"  # the port as it stands
STEP = "step"
NO_RESIDENT_BATCH = (
    "a flow of ImageDataGenerator makes every batch anew, and no step is made on one that is there "
    "already; the part train times both"
)
SAME, OWN_LOOP = "the same training, step by step", ", in the port's own loop"
Say = Callable[[str], Any]


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
    own = spec.program_spec(spec.batch_sizes[0] if spec.batch_sizes else None)
    run, result = _run(own, folder / "run", children)
    if result.verdict == "error":
        reason = "; ".join(error.partition("\n")[0] for error in result.errors)
        if is_refusal(reason):
            raise InputError(reason)
        return _rows_without_values(spec, Judgement(FAILED, reason))
    try:
        task = _task(spec, own, run)
    except InputError as error:
        return _rows_without_values(spec, Judgement(FAILED, str(error)))
    if has_own_loop(run.half("torch")):
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
    (result,) = run_all([spec.replace(epochs=EPOCHS)], options)
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


def _task(spec: BenchSpec, own: ProgramSpec, run: RunFolder) -> ProgramBenchTask:
    """Returns what all tasks have in common; writes the samples of an epoch if `fit` gets batches.

    Raises:
        InputError: the batches of `fit` cannot be joined.
    """
    fit = Trace(run.half("keras").path).facts["fit"]
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
        spec=own.replace(batch_size=batch_size),
        samples=number,
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


def has_own_loop(half: RunFolder) -> bool:
    """Whether a port makes the steps of an epoch itself, from the folder of its run."""
    return bool(Trace(half.training.path).facts.get("has_own_loop"))


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
    port = _of_run(result, in_own_loop=has_own_loop(task.folder("torch")))
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


def _of_run(result: Result, *, in_own_loop: bool) -> Judgement:
    """Returns what the run says of the port as it stands."""
    if result.verdict == "pass":
        return Judgement(parity="pass", note=SAME + (OWN_LOOP if in_own_loop else ""))
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
    sides = Trace(task.folder("keras").training.path), Trace(RunFolder(folder).training.path)
    for name in OF_TRAINING:
        level = compare_level(name, OF_TRAINING, *sides)
        if level.status == FAIL:
            item = level.first_failure
            note = f"{name}, {getattr(item, 'name', item)}"
            return Judgement(REFUSED, f"it does not train as Keras does: {note}", "fail", note)
    return Judgement(parity="pass", note=port.note)
