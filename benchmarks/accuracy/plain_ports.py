"""Writes ports of many Keras models in plain torch, and checks each: how many are right?

    python benchmarks/accuracy/plain_ports.py            (the programs of `pairs` in the corpus)
    python benchmarks/accuracy/plain_ports.py -k conv    (those with "conv" in their names)

Exits with 1 if a port that was written does not pass its check, unless the package says what it
lacks ("open"). Refused models are named.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.corpus import written
from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions, plan_checks, run_keras
from parity.traces.bundle import pack
from parity.traces.trace import Trace

_PROGRAMS = [
    f"parity.halves.keras.scenarios:{name}" for name in ("capacity", "augmentation", "dropout")
]
_AT_ONCE = 12  # models of which the traces are kept


def main() -> int:
    """Prints a line for each model, and the counts; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", default="", help="part of the names of the models")
    given = parser.parse_args()
    counts: dict[str, int] = {}
    with TemporaryDirectory() as root:
        cases = written(["pairs"], Path(root))
        names = {f"{root}/{case.reference}": case.name for case in cases}
        names |= {model: model.rpartition(":")[2] for model in _PROGRAMS}
        models = [model for model, name in names.items() if given.k in name]
        for first in range(0, len(models), _AT_ONCE):
            for model, verdict, note in verdicts(models[first : first + _AT_ONCE]):
                counts[verdict] = counts.get(verdict, 0) + 1
                print(f"{verdict:10} {names[model]:32} {note}", flush=True)
    print(", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items())))
    return 0 if set(counts) <= {"pass", "open", "refused"} else 1


def verdicts(models: list[str]) -> list[tuple[str, str, str]]:
    """Returns each model with the verdict of its port, and with what was left out or refused."""
    from parity.ports.package import write_port

    specs = [CheckSpec(keras=model, folder=str(ROOT), described=True) for model in models]
    found: list[tuple[str, str, str]] = []
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "keras").mkdir()
        plan = plan_checks(specs, folder / "keras")
        errors = run_keras(plan, CheckOptions())
        checks, written = [], []
        for number, model in enumerate(models):
            out = folder / f"port_{number}"
            out.mkdir()
            try:
                if number in errors:
                    raise errors[number]
                trace = plan.reference(number).path
                told = write_port(Trace(trace), out, plain=True)
                pack(trace, out / "reference.parity")
            except InputError as error:
                found.append((model, "refused", " ".join(str(error).split())))
                continue
            reference, factory = str(out / "reference.parity"), f"{out.name}.{told['factory']}"
            checks.append(CheckSpec(torch=factory, against=reference, folder=str(folder)))
            written.append((model, "; ".join(told["left_out"])))
        results = check_all(checks, CheckOptions()) if checks else []
        pairs = zip(written, results, strict=True)
        for (model, note), result in pairs:
            verdict = "open" if result.verdict != "pass" and note else result.verdict
            found.append((model, verdict, note))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
