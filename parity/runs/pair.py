"""Pair: one training of a program in both halves, from jobs to a result."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from parity.divergences import REGISTRY
from parity.divergences.causes import cause_record, name_causes
from parity.divergences.whole_training import TrainingEvidence, of_training
from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildJob, Failure, can_fork
from parity.ladder.anchored_tolerance import RATE, anchors_record, drift_record
from parity.ladder.comparers.training import judge_training
from parity.ladder.coverage import NO_EPOCHS
from parity.ladder.engine import (
    OF_ANCHORED_TRAINING,
    OF_PROBE,
    OF_SEEDS,
    OF_TRAINING,
    compare_level,
    compare_levels,
)
from parity.ladder.incomplete import (
    CUSTOM_LOOP,
    CUSTOM_TRAIN_STEP,
    SEVERAL_OUTPUTS,
    incomplete_of,
    incomplete_training,
    not_compared_of,
)
from parity.ladder.items import FAIL, PASS, SKIPPED, UNKNOWN_TARGETS, Item, Level, metric_of
from parity.ladder.own_loop import OF_STEPS, left_to_loop
from parity.ladder.result import Found, Result, verdict_of
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import ScenarioSpec
from parity.runs.steps import Recorded, RunOptions, planned, unfinished, written
from parity.traces.folder import RunFolder
from parity.traces.trace import History, KerasTrace, PortTrace

# --- The result of a run: what the probes found, and what its whole training shows ----------------


PHANTOM_STEP = (
    "at the end of a stream of unknown length, Keras begins a step and finds no batch: it counts "
    "the step, draws masks and decays weights once more; the port was given the same, and does not "
    "do so by itself; `steps_per_epoch`, or a dataset of known length, keeps Keras from it"
)
# What a check leaves open, and the whole training compares.
_TRAINED = (SEVERAL_OUTPUTS, CUSTOM_TRAIN_STEP, UNKNOWN_TARGETS, f"the model's own {CUSTOM_LOOP}")


def compared(spec: ProgramSpec, run: RunFolder, against: Recorded | None = None) -> Result:
    """Compares what both halves left.

    Args:
        spec: of the training.
        run: folder of the run.
        against: what stood for the Keras half, if it was recorded.

    Raises:
        InputError: the bundle lacks what the comparison needs.
        RunError: a trace is damaged.
    """
    halves = [run.half(half) for half in HALVES]
    source = None if against is None else against.path
    keras, port = KerasTrace(halves[0].path, source), PortTrace(halves[1].path)
    trainings = KerasTrace(halves[0].training.path, source), PortTrace(halves[1].training.path)
    by_half: Mapping[str, KerasTrace | PortTrace] = dict(zip(HALVES, trainings, strict=True))
    open_ = incomplete_of(keras, port)
    levels = compare_levels(OF_PROBE, keras, port)
    levels = left_to_loop(levels, port, OF_STEPS if _is_of_loop(*trainings) else ())
    result = Result(
        verdict=PASS,
        spec=spec.told(),
        levels=levels,
        environment={"keras": keras.environment, "torch": port.environment},
        mode=str(trainings[1].facts["mode"]),
        incomplete=(
            *(each for each in open_ if each["what"] not in _TRAINED),
            *incomplete_training(*trainings),
        ),
        not_compared=(
            *(each for each in not_compared_of(keras, port) if each["why"] != NO_EPOCHS),
            *(
                {"what": e["what"], "why": e["why"]}
                for e in open_
                if e["what"] == CUSTOM_TRAIN_STEP
            ),
            *_left_out(*trainings),
            *(map(dict, against.not_compared) if against is not None else ()),
        ),
        behaviour={h: judge_training(t, trainings[0]).to_json() for h, t in by_half.items()},
        history={h: history_of(trace, spec) for h, trace in by_half.items()},
        wall_s={h: trace.wall_s for h, trace in by_half.items()},
    )
    drawn: dict[str, Level] = {}
    if result.mode == "seeded":
        drawn = {name: compare_level(name, OF_SEEDS, keras, trainings[1]) for name in OF_SEEDS}
    schedule = keras.facts.get("schedule") or {}
    result = with_training(name_causes(result, keras, port), *trainings, drawn, schedule)
    return replace(result, verdict=verdict_of(result.levels, result.incomplete))


def _is_of_loop(keras: KerasTrace, torch: PortTrace) -> bool:
    """Whether plain steps say nothing of a port: its own loop makes others, or Keras's."""
    if not torch.facts.get("has_own_loop"):
        return False
    if not torch.facts.get("loop_is_plain", True):
        return True
    comparers = OF_ANCHORED_TRAINING if "anchors" in keras.facts else OF_TRAINING
    names = ("trajectory", "schedule")
    return all(compare_level(name, comparers, keras, torch).status == PASS for name in names)


def history_of(training: KerasTrace | PortTrace, spec: ProgramSpec) -> History:
    """Returns the history of a training; that of a scenario has the rate of every epoch.

    Keras's `fit` tells the rate only if a callback changes it.

    Args:
        training: of a half.
        spec: of the training.
    """
    if not isinstance(spec, ScenarioSpec) or RATE in training.history:
        return training.history
    rates = training["training/rates"]
    return {**training.history, RATE: [float(rates[n - 1]) for n in training.facts["epoch_ends"]]}


def _left_out(keras: KerasTrace, torch: PortTrace) -> Iterator[dict[str, str]]:
    """Yields {"what", "why"} of what of a training is not compared."""
    for name, why in (torch.facts.get("metrics_left_out") or {}).items():
        yield {"what": f"the metric {name}", "why": f"it is not known here ({why})"}
    for name, why in (keras.facts.get("written_flows") or {}).items():
        reason = f"the images of {name} were written down, and not augmented again, since {why}"
        yield {"what": f"the augmentation of {name}", "why": reason}
    if "training/image_sums" in keras and "training/image_sums" not in torch:
        why = "Port(augment=...) is missing; the port was fed the images of Keras's generator"
        yield {"what": "an augmentation of the port", "why": why}
    if keras.facts.get("phantom_steps"):
        yield {"what": "a step without a batch", "why": PHANTOM_STEP}
    if (number := keras.facts.get("num_fits", 1)) > 1:
        why = (
            f"the script calls `fit` {number} times, and the first call is compared; one call with "
            "more epochs would be compared whole"
        )
        yield {"what": "later trainings of the script", "why": why}
    if (error := keras.facts.get("broke_off")) is not None:
        yield {"what": "what the script does after `fit`", "why": f"it broke off ({error})"}


def with_training(
    result: Result,
    keras: KerasTrace,
    torch: PortTrace,
    drawn: Mapping[str, Level] | None = None,
    schedule: Mapping[str, Any] | None = None,
) -> Result:
    """Adds what a whole training shows.

    Where the probes have found a difference, the training differs because of it. Otherwise the
    first difference of the training is a divergence of its own.

    Args:
        result: of the probes.
        keras: training of the reference.
        torch: training of the port.
        drawn: the levels at which random numbers are compared that the port has drawn itself.
        schedule: what the probes tell of Keras's schedule.
    """
    trained = dict(drawn or {})
    comparers = OF_ANCHORED_TRAINING if "anchors" in keras.facts else OF_TRAINING
    for name in comparers:
        level = compare_level(name, comparers, keras, torch)
        trained[name] = _joined(trained[name], level) if name in trained else level
    if "anchors" in keras.facts:
        result = replace(
            result,
            anchors=anchors_record(keras, trained["trajectory"]),
            drift=drift_record(keras, torch),
        )
    levels = tuple(
        _joined(level, trained[level.id]) if level.id in trained else level
        for level in result.levels
    )
    divergences, inherited = result.divergences, result.inherited
    # A metric that differs changes its own columns, and nothing else.
    columns = {metric_of(found.item.name) for found in divergences if found.level == "metrics"}
    failed = [(lvl, i) for lvl in trained.values() for i in lvl.items if i.status == FAIL]
    unexplained = [(lvl, i) for lvl, i in failed if i.name.removeprefix("val_") not in columns]
    if unexplained and all(found.level == "metrics" for found in divergences):
        level, item = min(unexplained, key=lambda pair: _step(pair[1]))
        items = tuple(each for _, each in unexplained)
        matches = of_training(TrainingEvidence(keras, torch, item, items, schedule or {}))
        causes = tuple(cause_record(REGISTRY[name], match) for name, match in matches)
        names = dict.fromkeys(each.name for each in items)
        divergences += (Found(level.id, item, tuple(names), causes),)
        failed = [pair for pair in failed if pair not in unexplained]
    by_level: dict[str, list[str]] = {}
    for level, item in failed:
        by_level.setdefault(level.id, []).append(item.name)
    inherited += tuple((name, tuple(names)) for name, names in by_level.items())
    return replace(result, levels=levels, divergences=divergences, inherited=inherited)


def _step(item: Item) -> float:
    """Returns the step of an item; one of no step is after all others."""
    return float("inf") if item.step is None else item.step


def _joined(probe: Level, whole: Level) -> Level:
    """Returns one level of what the probes and the whole training found."""
    if whole.status == SKIPPED and not whole.applies:
        return probe
    if probe.status == SKIPPED and not probe.items:
        return replace(whole, not_compared=probe.not_compared)
    status = FAIL if FAIL in (probe.status, whole.status) else probe.status
    source = f"{probe.tolerance_source}; whole training: {whole.tolerance_source}"
    return replace(
        probe, status=status, tolerance_source=source, items=(*probe.items, *whole.items)
    )


# --- Pair: one training of a program in both halves, from jobs to a result ------------------------
#
# A pair has one run directory: `keras/` and `torch/` with the traces of their probes and trainings,
# a log for each child, and `result.json`. While it runs, it also has what the Keras half was fed
# and its recorded states, which can be computed again and are large.


class Pair:
    """One training of a program in both halves.

    Args:
        spec: of the training.
        directory: of the run, which exists and is empty.
        options: how to carry it out.
        comparison: makes the result of what both halves left.
        data: of a scenario, as its result tells them; empty for a program, which has its own.
    """

    def __init__(
        self,
        spec: ProgramSpec,
        directory: Path,
        options: RunOptions,
        comparison: Callable[[ProgramSpec, RunFolder], Result],
        data: Mapping[str, Any],
    ) -> None:
        self._comparison, self._data = comparison, data
        self.spec, self.directory, self.options = spec, directory, options
        self.failures: list[Failure] = []
        self.result: Result | None = None
        self._compared: Result | None = None

    def prepare(self) -> list[ChildJob]:
        """Writes the specs of the children; returns their jobs, Keras's first.

        Raises:
            InputError: the bundle that stands for the Keras half cannot be used.
        """
        if (against := self.options.against) is None:
            return [self._job(half) for half in HALVES]
        against.unpack(against.path, self.folder.half("keras"))
        return [self._job("torch")]

    def fail(self, failure: Failure) -> None:
        """Keeps why a job failed, and says so to a half that waits for it."""
        self.failures.append(failure)
        half = self.folder.half(failure.job.half)
        for folder in (half, half.training):
            if not folder.has_ended:
                folder.path.mkdir(exist_ok=True)
                write_json(folder.failure, {"is_input": False, "message": failure.reason})

    def compare(self) -> tuple[Level, ...]:
        """Compares what both halves left."""
        self._compared = self._comparison(self.spec, self.folder)
        return self._compared.levels

    def finish(self, levels: tuple[Level, ...] | None, *errors: str) -> Result:
        """Writes result.json, and removes what the halves were fed unless it is kept.

        Args:
            levels: the ladder; None if there is none.
            *errors: the reasons why there is none, a paragraph each.
        """
        if levels is None:
            reasons = (*errors, *self._failure_reasons())
            result = unfinished(self.spec, reasons, mode="replayed")
        else:
            assert self._compared is not None
            result = replace(self._compared, data=dict(self._data))
        self.result = written(self.folder, result)
        keras = self.folder.half("keras")
        if not self.options.keeps_feed:
            keras.feed.unlink(missing_ok=True)
        shutil.rmtree(keras.training.anchors, ignore_errors=True)
        return self.result

    @property
    def folder(self) -> RunFolder:
        """The paths of the files of the run."""
        return RunFolder(self.directory)

    def _failure_reasons(self) -> list[str]:
        """Returns why the halves failed: what they wrote themselves, else what was seen of them."""
        found = []
        for failure in self.failures:
            half = self.folder.half(failure.job.half)
            files = [f.failure for f in (half, half.training) if f.failure.exists()]
            reason = str(read_json(files[0])["message"]) if files else failure.reason
            if reason not in found:
                found.append(reason)
        return found

    def _job(self, half: str) -> ChildJob:
        return ChildJob(
            name=f"{self.directory.name} {half}",
            half=half,
            python=self.options.children.pythons[half],
            directories=(planned(self.folder.half(half), self.spec),),
            log=self.folder.log(half),
            sources=(self.folder.half("keras").path,) if half == "torch" else (),
            saves_weights=self.options.save_weights,
            may_fork=can_fork(self.spec),
        )
