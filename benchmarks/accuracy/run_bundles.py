"""Bundles of whole runs, their size and what they save: python benchmarks/accuracy/run_bundles.py

Records programs of tests/corpus/programs and examples/migration, trains their ports against the
bundles and, for comparison, both halves, each in processes of its own. Both results must be the
same but for times and versions.

    python benchmarks/accuracy/run_bundles.py migration series
    python benchmarks/accuracy/run_bundles.py series --dtype float32
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.accuracy.corpus import written
from parity.halves.job import ChildOptions
from parity.programs.program_spec import ProgramSpec
from parity.runs.against import run_against
from parity.runs.record import record_run
from parity.runs.run import run_all
from parity.runs.steps import Recorded, RunOptions
from parity.traces.bundle_run import unpack_run

PROGRAMS = ("residual", "text", "series", "autoencoder", "two_inputs", "finetune", "migration")
OF_TIME = ("environment", "wall_s")


def spec_of(name: str, dtype: str, corpus: Path) -> ProgramSpec:
    """Returns the training of a program and of its right port; one of the corpus is written."""
    given: dict[str, Any] = {"program": name, "dtype": dtype}
    if name == "migration":
        given |= {"keras": "keras_model.py:build", "torch": "torch_model.py:build"}
        folder = ROOT / "examples" / "migration"
        return ProgramSpec(**given, data="data.py:load", epochs=6, folder=str(folder))
    [case] = written([f"programs/{name}"], corpus)
    given |= {"keras": case.reference, "torch": case.torch(case.ports[0])}
    return ProgramSpec(**given, folder=str(corpus))


def measure(name: str, dtype: str, folder: Path) -> tuple[str, bool]:
    """Returns a line on a program, and whether both ways give the same result."""
    spec, bundle, children = (
        spec_of(name, dtype, folder / "corpus"),
        folder / "run.parity",
        ChildOptions(),
    )
    record_run(spec, bundle, children)
    results, seconds = [], []
    for out, against in (("both", None), ("against", Recorded(bundle, unpack_run))):
        options = RunOptions(out=folder / out, children=children, against=against)
        asked = spec if against is None else run_against(spec, bundle)[1]
        began = time.perf_counter()
        results.append(run_all([asked], options)[0].to_json())
        seconds.append(time.perf_counter() - began)
    both, recorded = ({k: v for k, v in r.items() if k not in OF_TIME} for r in results)
    line = f"{name:<12} {dtype} {bundle.stat().st_size / 1e6:6.2f} MB"
    line += f"   run {seconds[0]:5.1f} s   run --against {seconds[1]:5.1f} s"
    return f"{line}   {results[1]['verdict']}", both == recorded


def main() -> None:
    """Prints a line for each program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS), help="default: all")
    parser.add_argument("--dtype", default="float64", choices=("float64", "float32"))
    given = parser.parse_args()
    differ = []
    for name in given.programs:
        with tempfile.TemporaryDirectory(prefix="parity-bundles-") as folder:
            line, is_same = measure(name, given.dtype, Path(folder))
        print(line, flush=True)
        differ += [] if is_same else [name]
    if differ:
        sys.exit(f"against a bundle, the results of {', '.join(differ)} are others")


if __name__ == "__main__":
    main()
