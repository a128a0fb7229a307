"""Faults planted at a moment of a float32 training: python benchmarks/accuracy/planted_moments.py

The torch half of a program trains as it should until some step or epoch, and with a fault from
there on. The default judge must see it: `parity run` in float32, from anchors. A fault is caught at
the right place if the first anchor that fails is the one before the moment or the next one after
it. A changed rule that decides nothing otherwise afterwards changes nothing, and is not counted.

    python benchmarks/accuracy/planted_moments.py dropout cured_by_l2 --moments 0.25 0.95
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# The checkout comes first, so that the folder tests/torch_impl is not taken for the package.
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

PROGRAMS = ("underfit", "capacity", "augmentation", "dropout", "cured_by_l2")
PROGRAMS += ("cured_by_early_stopping",)
MOMENTS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass
class Moment:
    """Where a training is.

    Attributes:
        step: from which on a fault is there.
        epoch: from which on a rule is another one.
        now: number of own steps of the training so far.
    """

    step: int
    epoch: int
    now: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the fault is there."""
        return self.now >= self.step


@contextmanager
def counted(moment: Moment) -> Iterator[None]:
    """Keeps the number of own steps; steps from anchors do not count."""
    from parity.halves.torch.program.anchors import Anchors

    before_step = Anchors.before_step

    def before(self: Anchors) -> None:
        before_step(self)
        moment.now += not self.are_made

    Anchors.before_step = before  # type: ignore[method-assign]
    try:
        yield
    finally:
        Anchors.before_step = before_step  # type: ignore[method-assign]


def _in_step(change: Callable[[Any], Callable[[], None]]) -> Callable[[Any, Moment], None]:
    """A fault inside of the optimizer's step; `change` makes it and returns how to undo it."""

    def plant(patch: Any, moment: Moment) -> None:
        from torch_impl.trainer.step import Stepper

        step = Stepper.step

        def faulty(self: Stepper, batch: Any) -> Any:
            undo = change(self) if moment.is_over else None
            made = step(self, batch)
            if undo is not None:
                undo()
            return made

        patch.setattr(Stepper, "step", faulty)

    return plant


def _setting(name: str, value: Callable[[Any], Any]) -> Callable[[Any], Callable[[], None]]:
    def change(stepper: Any) -> Callable[[], None]:
        group = stepper.optimizer.param_groups[0]
        kept = group[name]
        group[name] = value(kept)
        return lambda: group.__setitem__(name, kept)

    return change


def _frozen(stepper: Any) -> Callable[[], None]:
    """The first layer is left as it is, though its slots go on."""
    weight = next(stepper.port.module.parameters())
    kept = weight.detach().clone()
    return lambda: weight.data.copy_(kept)


def _mask_rate(patch: Any, moment: Moment) -> None:
    from torch_impl.layers import Dropout

    draw = Dropout.draw

    def faulty(self: Dropout, *arguments: Any) -> Any:
        kept = self.rate
        self.rate = kept + 0.01 * moment.is_over
        drawn = draw(self, *arguments)
        self.rate = kept
        return drawn

    patch.setattr(Dropout, "draw", faulty)


def _last_batch(patch: Any, moment: Moment) -> None:
    """The smaller last batch of an epoch is dropped."""
    from torch_impl.trainer import Trainer

    train = Trainer._train

    def faulty(self: Trainer, batches: Any) -> Any:
        return train(self, list(batches)[:-1] if moment.is_over else batches)

    patch.setattr(Trainer, "_train", faulty)


def _rule(which: str, **changes: Callable[[Any], Any]) -> Callable[[Any, Moment], None]:
    """A rule with another setting from an epoch on."""

    def plant(patch: Any, moment: Moment) -> None:
        from torch_impl import schedule

        rule = getattr(schedule, which)
        step = rule.step

        def faulty(self: Any, value: float) -> Any:
            epoch = self.__dict__.setdefault("num_epochs", 0)
            self.num_epochs += 1
            if epoch >= moment.epoch and not hasattr(self, "planted"):
                self.planted = True
                for name, changed in changes.items():
                    holder = self._monitor if name == "_min_delta" else self
                    setattr(holder, name, changed(getattr(holder, name)))
            return step(self, value)

        patch.setattr(rule, "step", faulty)

    return plant


def _restored(patch: Any, moment: Moment) -> None:
    """The weights of the last epoch stay."""
    from torch_impl.schedule import EarlyStopping

    patch.setattr(EarlyStopping, "restore", lambda self: None)


FAULTS: dict[str, Callable[[Any, Moment], None]] = {
    "rate x 1.01": _in_step(_setting("lr", lambda rate: rate * 1.01)),
    "epsilon 1e-8": _in_step(_setting("eps", lambda eps: 1e-8)),
    "momentum 0.91": _in_step(_setting("betas", lambda betas: (betas[0] + 0.01, betas[1]))),
    "weight decay 1e-3": _in_step(_setting("weight_decay", lambda decay: decay + 1e-3)),
    "first layer frozen": _in_step(_frozen),
    "last batch dropped": _last_batch,
    "mask rate + 0.01": _mask_rate,
    "patience + 1": _rule("ReduceLROnPlateau", patience=lambda n: n + 1),
    "patience - 1": _rule("ReduceLROnPlateau", patience=lambda n: n - 1),
    "factor x 2": _rule("ReduceLROnPlateau", factor=lambda factor: factor * 2),
    "min_delta + 0.02": _rule("ReduceLROnPlateau", _min_delta=lambda delta: delta + 0.02),
    "cooldown + 2": _rule("ReduceLROnPlateau", cooldown=lambda n: n + 2),
    "stops one epoch later": _rule("EarlyStopping", patience=lambda n: n + 1),
    "stops one epoch earlier": _rule("EarlyStopping", patience=lambda n: n - 1),
    "last weights stay": _restored,
}
ONLY_ONCE = {"last weights stay"}  # whatever the moment
# Levels at which a fault may be named.
OF_STEPS = list(FAULTS)[:7]
LEVELS = {name: "trajectory" if name in OF_STEPS[1:] else "schedule" for name in FAULTS}


def fits(name: str, spec: Any) -> bool:
    """Whether a program has what a fault changes."""
    if name == "mask rate + 0.01":
        return spec.model == "dropout"
    if name.startswith("stops") or name == "last weights stay":
        rule = spec.early_stopping
        return rule is not None and (name.startswith("stops") or rule.restore_best_weights)
    return name in OF_STEPS or spec.reduce_lr is not None


def of_program(program: str, moments: tuple[float, ...], seed: int) -> list[dict[str, Any]]:
    """Plants all faults in a program; returns a row for each."""
    import pytest
    from pairs import compared_with, keras_run, trainings

    from parity.programs.scenarios import scenario

    spec = scenario(program).replace(seed=seed)
    from parity.halves import keras as keras_half

    keras_half.configure(spec)
    from parity.halves import torch as torch_half

    torch_half.configure(spec)
    rows = []
    with tempfile.TemporaryDirectory(prefix="parity-moments-") as name:
        folder = Path(name)
        keras = keras_run(folder, spec)
        num_steps, anchors = len(keras["training/rates"]), keras.facts["anchors"]
        per_epoch = keras.facts["epoch_ends"][0]
        planned = [("(none)", 1.0)]
        for fault in FAULTS:
            if fits(fault, spec):
                planned += [(fault, m) for m in ((1.0,) if fault in ONLY_ONCE else moments)]
        right: Any = None
        for number, (fault, moment_of) in enumerate(planned):
            began = time.monotonic()
            step = int(moment_of * num_steps)
            moment = Moment(step, -(-step // per_epoch) - 1)
            run = folder / f"run-{number}"
            with pytest.MonkeyPatch.context() as patch, counted(moment):
                if fault in FAULTS:
                    FAULTS[fault](patch, moment)
                result = compared_with(folder, run)
            found = result.divergences[0] if result.divergences else None
            first = found.item if found else None
            place = None if first is None else first.step
            _, torch = trainings(run)
            if right is None:
                right = torch
            is_same = torch.history == right.history and all(
                bool((torch[f"training/final/{n}"] == right[f"training/final/{n}"]).all())
                for n in torch.below("training/final")
            )
            near = [step for step in anchors if step <= moment.step][-2:]
            near += [step for step in anchors if step > moment.step][:1]
            rows.append({
                "program": program, "fault": fault, "moment": moment_of, "step": moment.step,
                "changes": not is_same, "level": found.level if found else None,
                "item": first.name if first else None, "at": place,
                "in_place": place is None or not near or near[0] <= place <= near[-1]
                or fault in ONLY_ONCE or (first.epoch == -(-step // per_epoch)
                                          and first.name == "number of steps"),
                "wall_s": round(time.monotonic() - began, 1),
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Prints a row per fault, and how many were caught, in place, and at their level."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS), help="default: all six")
    parser.add_argument("--moments", type=float, nargs="+", default=list(MOMENTS))
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--workers", type=int, default=2, help="number of parallel processes")
    parser.add_argument("--json", type=Path, help="writes all rows")
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        jobs = [
            pool.submit(of_program, n, tuple(given.moments), given.seed) for n in given.programs
        ]
        rows = [row for job in jobs for row in job.result()]
    null = [row for row in rows if row["fault"] == "(none)"]
    real = [row for row in rows if row["fault"] != "(none)" and row["changes"]]
    caught = [row for row in real if row["level"] is not None]
    named = [row for row in caught if row["level"] == LEVELS[row["fault"]]]
    print(f"{len(null)} right runs, {sum(row['level'] is not None for row in null)} alarms")
    in_place = sum(row["in_place"] for row in caught)
    print(f"{len(real)} faults, {len(caught)} caught, {in_place} within one anchor")
    print(f"{len(named)} at their level; {len(rows) - len(null) - len(real)} changed nothing")
    for row in real:
        if row not in named or not row["in_place"]:
            print(f"  {row}")
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
