"""doctor: checks that the installed versions still draw the random streams of the port.

The streams depend on internals of Keras and TensorFlow, which may change with a release. Two tiny
runs of both halves test all streams in seconds, not only up to the first difference.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from parity.files.atomic import private_folder
from parity.files.floats import encode_floats
from parity.halves.job import ChildOptions
from parity.halves.process import environment
from parity.ladder.comparers.flow import IMAGES, SAMPLES
from parity.ladder.items import FAIL, PASS, Item
from parity.ladder.result import ERROR, Result
from parity.programs.scenarios import scenario
from parity.runs.run import run_all
from parity.runs.steps import RunOptions

# Versions that were tested with this release; the doctor tests newer ones.
TESTED = {
    "keras": "3.15.1",
    "tensorflow": "2.21.0",
    "scipy": "1.17.1",
    "torch": "2.13.0",
    "torchvision": "0.28.0",
    "numpy": "2.4.6",
}


@dataclass(frozen=True)
class Stream:
    """One kind of values that follow from the seed.

    Attributes:
        title: name for the report.
        scenario: the run in which it is compared.
        level: level of the ladder.
        belongs: whether an item of the level belongs to it.
    """

    title: str
    scenario: str
    level: str
    belongs: Callable[[Item], bool]


def _named(*names: str) -> Callable[[Item], bool]:
    return lambda item: item.name in names


STREAMS = (
    # Beside them, the level compares distributions.
    Stream("initial weights", "dropout", "init", lambda item: item.unit == "count"),
    Stream("order of fit(x, y)", "dropout", "data", _named("order of the samples")),
    Stream(
        "generators of dropout masks",
        "dropout",
        "forward",
        lambda item: item.name.startswith("generator of "),
    ),
    Stream("order of fit(datagen.flow)", "augmentation", "data", _named(SAMPLES)),
    Stream(
        "parameters of ImageDataGenerator",
        "augmentation",
        "data",
        _named("theta", "tx", "ty", "shear", "zx", "zy", "flip_horizontal", "flip_vertical"),
    ),
    Stream("augmented images", "augmentation", "data", _named(IMAGES)),
    Stream("Adam, a few steps", "dropout", "optimizer", lambda item: True),
    Stream("whole training, float64", "dropout", "trajectory", lambda item: True),
    Stream("whole training, float64", "augmentation", "trajectory", lambda item: True),
)


@dataclass(frozen=True)
class Report:
    """The findings of the doctor.

    Attributes:
        checks: title, scenario, status and worst item in words of each stream.
        versions: distribution to installed version, for both halves.
        loops: name of each loop in C, and where it comes from.
        errors: a paragraph for each half that could not be run.
    """

    checks: tuple[dict[str, Any], ...] = ()
    versions: dict[str, str | None] = field(default_factory=dict)
    loops: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all streams match, 1 a stream differs, 3 a half could not be run."""
        if self.errors:
            return 3
        return 1 if any(check["status"] != PASS for check in self.checks) else 0

    def to_json(self) -> dict[str, Any]:
        """Returns the report as `parity.doctor/1`."""
        return encode_floats(
            {
                "schema": "parity.doctor/1",
                "verdict": {0: PASS, 1: FAIL, 3: ERROR}[self.exit_code],
                "checks": list(self.checks),
                "versions": self.versions,
                "loops": self.loops,
                "errors": list(self.errors),
            }
        )


def examine(children: ChildOptions) -> Report:
    """Runs the two small pairs with some options, and compares every stream."""
    names = sorted({stream.scenario for stream in STREAMS})
    specs = [
        scenario(name).replace(epochs=3, train_size=80, val_size=40, dtype="float64")
        for name in names
    ]
    with private_folder("doctor") as folder:
        options = RunOptions(out=folder / "runs", children=children)
        results = dict(zip(names, run_all(specs, options), strict=True))
    errors = dict.fromkeys(error for result in results.values() for error in result.errors)
    if errors:
        return Report(errors=tuple(errors))
    checks = tuple(_check(stream, results[stream.scenario]) for stream in STREAMS)
    versions: dict[str, str | None] = {}
    for half in results[names[0]].environment.values():
        versions |= half["versions"]
    return Report(checks=checks, versions=versions, loops=_loops(children.torch_python))


def _loops(python: str) -> dict[str, str]:
    """Asks the interpreter of the torch half where its loops come from."""
    ended = subprocess.run(
        [python, "-m", "torch_impl.native"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(python),
        check=False,
    )
    try:
        loops: dict[str, str] = json.loads(ended.stdout)
    except ValueError:
        lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        return {"all": f"not known: {lines[-1]}"}
    return loops


def _check(stream: Stream, result: Result) -> dict[str, Any]:
    level = next(level for level in result.levels if level.id == stream.level)
    items = [item for item in level.items if stream.belongs(item)]
    row = {"title": stream.title, "scenario": stream.scenario}
    if not items:
        return {**row, "status": FAIL, "found": "was not compared, since the halves differ before"}
    worst = max(items, key=lambda item: (item.status == FAIL, item.ratio))
    if worst.status == FAIL:
        found = f"{worst.name}: differs by {worst.worst:g} ({worst.unit})"
    elif worst.unit == "count":
        found = f"{sum(item.num_compared for item in items):,} values bit for bit"
    else:
        found = f"within {max(item.worst for item in items):.1e}"
    return {**row, "status": worst.status, "found": found}
