"""The result of a run: what the probes found, and what its whole training shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from parity.divergences import REGISTRY
from parity.divergences.causes import name_causes, told_cause
from parity.divergences.whole_training import TrainingEvidence, of_training
from parity.ladder.comparers.behaviour import judge_training
from parity.ladder.comparers.rates import RATE
from parity.ladder.coverage import NO_EPOCHS
from parity.ladder.drift import told_anchors, told_drift
from parity.ladder.engine import compare_level, compare_levels
from parity.ladder.incomplete import (
    OWN_LOOP,
    OWN_TRAIN_STEP,
    SEVERAL_OUTPUTS,
    incomplete_of,
    incomplete_training,
    not_compared_of,
)
from parity.ladder.items import FAIL, PASS, SKIPPED, Item, Level
from parity.ladder.loss_items import UNKNOWN_TARGETS
from parity.ladder.metric_items import metric_of
from parity.ladder.result import Found, Result, verdict_of
from parity.ladder.table import OF_ANCHORED_TRAINING, OF_PROBE, OF_SEEDS, OF_TRAINING
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import ScenarioSpec
from parity.runs.run_options import Recorded
from parity.traces.folder import RunFolder
from parity.traces.trace import History, Trace

PHANTOM_STEP = (
    "at the end of a stream of unknown length, Keras begins a step and finds no batch: it counts "
    "the step, draws masks and decays weights once more; the port was given the same, and does not "
    "do so by itself; `steps_per_epoch`, or a dataset of known length, keeps Keras from it"
)
# What a check leaves open, and the whole training compares.
_TRAINED = (SEVERAL_OUTPUTS, OWN_TRAIN_STEP, UNKNOWN_TARGETS, f"the model's own {OWN_LOOP}")


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
    sources = (source, None)
    keras, port = (Trace(h.path, source) for h, source in zip(halves, sources, strict=True))
    trainings = (Trace(halves[0].training.path, source), Trace(halves[1].training.path))
    open_ = incomplete_of(keras, port)
    result = Result(
        verdict=PASS,
        spec=spec.told(),
        levels=compare_levels(OF_PROBE, keras, port),
        environment={"keras": keras.environment, "torch": port.environment},
        mode=str(trainings[1].facts["mode"]),
        incomplete=(
            *(each for each in open_ if each["what"] not in _TRAINED),
            *incomplete_training(*trainings),
        ),
        not_compared=(
            *(each for each in not_compared_of(keras, port) if each["why"] != NO_EPOCHS),
            *({"what": e["what"], "why": e["why"]} for e in open_ if e["what"] == OWN_TRAIN_STEP),
            *_left_out(*trainings),
            *(map(dict, against.not_compared) if against is not None else ()),
        ),
        behaviour={
            h: judge_training(trace, trainings[0]).to_json()
            for h, trace in zip(HALVES, trainings, strict=True)
        },
        history={h: history_of(trace, spec) for h, trace in zip(HALVES, trainings, strict=True)},
        wall_s={h: trace.wall_s for h, trace in zip(HALVES, trainings, strict=True)},
    )
    drawn: dict[str, Level] = {}
    if result.mode == "seeded":
        drawn = {name: compare_level(name, OF_SEEDS, keras, trainings[1]) for name in OF_SEEDS}
    schedule = keras.facts.get("schedule") or {}
    result = with_training(name_causes(result, keras, port), *trainings, drawn, schedule)
    return replace(result, verdict=verdict_of(result.levels, result.incomplete))


def history_of(training: Trace, spec: ProgramSpec) -> History:
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


def _left_out(keras: Trace, torch: Trace) -> Iterator[dict[str, str]]:
    """Yields {"what", "why"} of what of a training is not compared."""
    for name, why in (torch.facts.get("metrics_left_out") or {}).items():
        yield {"what": f"the metric {name}", "why": f"it is not known here ({why})"}
    for name, why in (keras.facts.get("written_flows") or {}).items():
        told = f"the images of {name} were written down, and not augmented again, since {why}"
        yield {"what": f"the augmentation of {name}", "why": told}
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
    keras: Trace,
    torch: Trace,
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
            anchors=told_anchors(keras, trained["trajectory"]),
            drift=told_drift(keras, torch),
        )
    levels = tuple(
        _joined(level, trained[level.id]) if level.id in trained else level
        for level in result.levels
    )
    divergences, inherited = result.divergences, result.inherited
    # A metric that differs changes its own columns, and nothing else.
    columns = {metric_of(found.item.name) for found in divergences if found.level == "metrics"}
    failed = [(lvl, i) for lvl in trained.values() for i in lvl.items if i.status == FAIL]
    own = [(lvl, i) for lvl, i in failed if i.name.removeprefix("val_") not in columns]
    if own and all(found.level == "metrics" for found in divergences):
        level, item = min(own, key=lambda pair: _step(pair[1]))
        items = tuple(each for _, each in own)
        matches = of_training(TrainingEvidence(keras, torch, item, items, schedule or {}))
        causes = tuple(told_cause(REGISTRY[name], match) for name, match in matches)
        names = dict.fromkeys(each.name for each in items)
        divergences += (Found(level.id, item, tuple(names), causes),)
        failed = [pair for pair in failed if pair not in own]
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
