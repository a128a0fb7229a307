"""Faults planted at a moment of a float32 training: python benchmarks/accuracy/planted_moments.py

The torch half of a program trains as it should until some step or epoch, and with a fault from
there on. The default judge must see it: `parity run` in float32, from anchors. A fault is caught at
the right place if the first anchor that fails is the one before the moment or the next one after
it. A changed rule that decides nothing otherwise afterwards changes nothing, and is not counted.

    python benchmarks/accuracy/planted_moments.py dropout cured_by_l2 --moments 0.25 0.95
"""

from __future__ import annotations

import argparse
import dataclasses
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
        now: number of own steps of the training so far.
    """

    step: int
    now: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the fault is there."""
        return self.now >= self.step


@contextmanager
def counted(moment: Moment) -> Iterator[None]:
    """Keeps the number of own steps; steps from anchors do not count."""
    from torch_impl.harness.anchors import Anchors

    before_step = Anchors.before_step

    def before(self: Anchors, training: Any, batch: Any) -> None:
        before_step(self, training, batch)
        moment.now += 1

    Anchors.before_step = before  # type: ignore[method-assign]
    try:
        yield
    finally:
        Anchors.before_step = before_step  # type: ignore[method-assign]


def _in_step(change: Callable[[Any], Callable[[], None]]) -> Callable[[Any, Moment], None]:
    """A fault inside of the optimizer's step; `change` makes it and returns how to undo it."""

    def plant(patch: Any, moment: Moment) -> None:
        from torch_impl.train import Training

        descend = Training.descend

        def faulty(self: Training, loss: Any) -> None:
            undo = change(self) if moment.is_over else None
            descend(self, loss)
            if undo is not None:
                undo()

        patch.setattr(Training, "descend", faulty)

    return plant


def _setting(name: str, value: Callable[[Any], Any]) -> Callable[[Any], Callable[[], None]]:
    def change(training: Any) -> Callable[[], None]:
        group = training.optimizer.param_groups[0]
        kept = group[name]
        group[name] = value(kept)
        return lambda: group.__setitem__(name, kept)

    return change


def _frozen(training: Any) -> Callable[[], None]:
    """The first layer is left as it is, though its slots go on."""
    weight = next(training.model.parameters())
    kept = weight.detach().clone()
    return lambda: weight.data.copy_(kept)


def _mask_rate(patch: Any, moment: Moment) -> None:
    from torch_impl.layers import dropout

    keep = dropout.stateless_keep
    patch.setattr(
        dropout,
        "stateless_keep",
        lambda shape, rate, **k: keep(shape, rate + 0.01 * moment.is_over, **k),
    )


def _last_batch(patch: Any, moment: Moment) -> None:
    """The smaller last batch of an epoch is dropped."""
    from torch_impl.train import Training

    epoch = Training.epoch

    def faulty(self: Training, on_step: Any = None) -> Any:
        if moment.is_over:
            self = dataclasses.replace(self, batches=list(self.batches)[:-1])  # type: ignore[arg-type]
        return epoch(self, on_step)

    patch.setattr(Training, "epoch", faulty)


def _rule(which: str, **changes: Callable[[Any], Any]) -> Callable[[Any, Moment], None]:
    """A rule with another setting from an epoch on."""

    def plant(patch: Any, moment: Moment) -> None:
        from torch_impl.epochs import Epochs

        is_over = Epochs.is_over

        def faulty(self: Epochs) -> bool:
            rule = getattr(self, f"_{which}")
            if moment.is_over and rule is not None and not hasattr(self, "planted"):
                self.planted = True  # type: ignore[attr-defined]
                for name, value in changes.items():
                    holder = rule._monitor if name == "_min_delta" else rule
                    setattr(holder, name, value(getattr(holder, name)))
            return is_over(self)

        patch.setattr(Epochs, "is_over", faulty)

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
    "patience + 1": _rule("reduce_lr", patience=lambda n: n + 1),
    "patience - 1": _rule("reduce_lr", patience=lambda n: n - 1),
    "factor x 2": _rule("reduce_lr", factor=lambda factor: factor * 2),
    "min_delta + 0.02": _rule("reduce_lr", _min_delta=lambda delta: delta + 0.02),
    "cooldown + 2": _rule("reduce_lr", cooldown=lambda n: n + 2),
    "stops one epoch later": _rule("early_stopping", patience=lambda n: n + 1),
    "stops one epoch earlier": _rule("early_stopping", patience=lambda n: n - 1),
    "last weights stay": _restored,
}
ONLY_ONCE = {"last weights stay"}  # whatever the moment
# Levels at which a fault may be named.
OF_STEPS = list(FAULTS)[:7]
LEVELS = {name: "trajectory" if name in OF_STEPS else "schedule" for name in FAULTS}


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
    from pairs import compare, keras_trace, torch_trace

    import keras_impl
    import torch_impl
    from parity.programs.scenarios import scenario

    spec = scenario(program).replace(seed=seed)
    keras_impl.configure(spec)
    torch_impl.configure(spec)
    rows = []
    with tempfile.TemporaryDirectory(prefix="parity-moments-") as name:
        folder = Path(name)
        keras = keras_trace(folder, spec)
        num_steps, anchors = len(keras["rates"]), keras.facts["anchors"]
        planned = [("(none)", 1.0)]
        for fault in FAULTS:
            if fits(fault, spec):
                planned += [(fault, m) for m in ((1.0,) if fault in ONLY_ONCE else moments)]
        right: Any = None
        for number, (fault, moment_of) in enumerate(planned):
            began = time.monotonic()
            moment = Moment(int(moment_of * num_steps))
            with pytest.MonkeyPatch.context() as patch, counted(moment):
                if fault in FAULTS:
                    FAULTS[fault](patch, moment)
                torch = torch_trace(folder, folder / f"torch-{number}")
            levels = compare(keras, torch)
            failed = next((level for level in levels if level.status == "fail"), None)
            first = failed.first_failure if failed else None
            place = None if first is None else first.step
            if right is None:
                right = torch
            is_same = torch.history == right.history and all(
                bool((torch[f"restored/{name}"] == right[f"restored/{name}"]).all())
                for name in torch.names("restored")
            )
            near = [step for step in anchors if step <= moment.step][-2:]
            near += [step for step in anchors if step > moment.step][:1]
            rows.append({
                "program": program, "fault": fault, "moment": moment_of, "step": moment.step,
                "changes": not is_same, "level": failed.id if failed else None,
                "item": first.name if first else None, "at": place,
                "in_place": place is None or not near or near[0] <= place <= near[-1]
                or fault in ONLY_ONCE,
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
