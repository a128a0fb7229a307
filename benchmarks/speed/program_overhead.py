"""What the harness costs a program of the user's: python benchmarks/speed/program_overhead.py

    python benchmarks/speed/program_overhead.py migration text --rounds 3
    python benchmarks/speed/program_overhead.py migration --epochs 24,120 --rounds 3
    python benchmarks/speed/program_overhead.py text --workers 1

It times `parity run` of a program and its two bare trainings in turns: Keras's `fit` in float64 as
the program calls it, and Trainer on the same samples. The run also probes both halves, writes down
losses and weights, draws Keras's masks anew, and trains the port a second time where it is not near
without that, to see how far a small change drives it apart. A name is "migration"
(examples/migration) or one of benchmarks/programs whose arrays Trainer takes as they are. The times
are those of whole processes, with the import of the frameworks; CPU seconds are told too, which
other work on the machine changes little.

With two numbers of epochs, the overhead is split: seconds that do not depend on the length of the
training, and a share of it. They are the line through both medians of CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from parity.halves.job import ChildOptions
from parity.halves.process import environment
from parity.programs.program_spec import ProgramSpec
from parity.runs.run import run_all
from parity.runs.steps import RunOptions

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = {"migration": 24}  # the others say it themselves


def main() -> None:
    """Prints a line for each round, and the medians of each program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="*", default=["migration", "text"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--epochs", metavar="N,N", help="numbers of epochs, in the place of the program's own"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="number of parallel processes"
    )
    parser.add_argument("--bare", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare is not None:
        half, spec, run = given.bare
        train(half, ProgramSpec.from_dict(json.loads(spec)), Path(run))
        return
    from overhead import compare  # a child that trains does not find it

    lengths = [int(n) for n in given.epochs.split(",")] if given.epochs else [None]
    for name in given.programs:
        found = []
        for epochs in lengths:
            with tempfile.TemporaryDirectory() as folder:
                spec = spec_of(name, Path(folder) / "corpus")
                spec = spec if epochs is None else spec.replace(epochs=epochs)
                run = recorded(spec, Path(folder) / "runs")
                told = name if spec.epochs is None else f"{name}, {spec.epochs} epochs"
                found.append(
                    compare(
                        told,
                        given.rounds,
                        lambda spec=spec: run_whole(spec, given.workers),
                        lambda spec=spec, run=run: train_both(spec, run, given.workers),
                    )
                )
        if len(found) == 2:
            print(split(name, *found), flush=True)


def split(name: str, short: tuple[float, float], long: tuple[float, float]) -> str:
    """Says what of an overhead is fixed, and what grows with the training.

    Args:
        name: of the program.
        short: CPU seconds of the bare trainings, and those of the overhead.
        long: the same of a longer training.
    """
    share = (long[1] - short[1]) / (long[0] - short[0])
    fixed = short[1] - share * short[0]
    return f"{name}: {fixed:.1f} s of CPU, and {share:+.1%} of the bare trainings"


def spec_of(name: str, corpus: Path) -> ProgramSpec:
    """Returns the spec of a program by its name; one of the corpus is written into a folder."""
    if name == "migration":
        return ProgramSpec(
            program=name,
            keras="keras_model.py:build",
            torch="torch_model.py:build",
            data="data.py:load",
            epochs=EPOCHS[name],
            folder=os.fspath(ROOT / "examples" / "migration"),
        )
    sys.path.insert(0, os.fspath(ROOT))
    from benchmarks.accuracy.corpus import written  # a child that trains does not find it

    [case] = written([f"programs/{name}"], corpus)
    torch = case.torch(case.ports[0])
    return ProgramSpec(program=name, keras=case.reference, torch=torch, folder=os.fspath(corpus))


def recorded(spec: ProgramSpec, folder: Path) -> Path:
    """Runs a program once; returns the folder of the run, with what `fit` was fed.

    Where the spec says for how many epochs it trains, one is enough.
    """
    spec = spec if spec.epochs is None else spec.replace(epochs=1)
    (result,) = run_all([spec], RunOptions(folder, ChildOptions(), keeps_feed=True))
    assert result.verdict == "pass", result.errors
    (run,) = (path for path in folder.iterdir() if path.is_dir())
    return run


def run_whole(spec: ProgramSpec, workers: int) -> None:
    """Makes a whole `parity run`."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["run", "--keras", str(spec.keras), "--torch", str(spec.torch), "--quiet"]
        for option in ("data", "epochs"):
            if getattr(spec, option) is not None:
                command += [f"--{option}", str(getattr(spec, option))]
        command += ["--workers", str(workers), "--out", os.fspath(Path(folder) / "run")]
        subprocess.run([sys.executable, "-m", "parity", *command], check=True, cwd=spec.folder)


def train_both(spec: ProgramSpec, run: Path, workers: int) -> None:
    """Makes both trainings, a process each."""
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda half: bare_process(half, spec, run), ("keras", "torch")))


def bare_process(half: str, spec: ProgramSpec, run: Path) -> None:
    """Trains one half in its own process, with the environment of a child of the harness."""
    subprocess.run(
        [sys.executable, __file__, "--bare", half, json.dumps(spec.to_dict()), os.fspath(run)],
        check=True,
        cwd=spec.folder,
        env=environment(sys.executable) | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
    )


def train(half: str, spec: ProgramSpec, run: Path) -> None:
    """Trains one half, and nothing else."""
    if half == "keras":
        from parity.halves import keras as keras_half

        keras_half.configure(spec)
        train_keras(spec)
    else:
        from parity.halves import torch as torch_half

        torch_half.configure(spec)
        train_torch(spec, run)


def train_keras(spec: ProgramSpec) -> None:
    """Calls `fit` as the program does."""
    from parity.halves.keras import versions
    from parity.halves.keras.factories import building
    from parity.halves.keras.program.source import Source

    def on_fit(reference: Any) -> Any:
        with building(spec.dtype), versions.top_k_in_float32():
            return reference.model.fit(**reference.fit_arguments(), verbose=0)

    Source(spec).train(on_fit)


def train_torch(spec: ProgramSpec, run: Path) -> None:
    """Trains the port on the samples of the run."""
    from parity.halves.torch.factories import call_factory
    from parity.programs.factories import load_factory
    from parity.traces.feed_file import read_feed
    from parity.traces.folder import RunFolder
    from parity.traces.trace import Trace
    from torch_impl import Trainer

    keras = RunFolder(run).half("keras")
    fit, (nests, _) = Trace(keras.path).facts["fit"], read_feed(keras.feed)
    port = call_factory(load_factory("--torch", str(spec.torch), spec.folder), spec.seed)
    Trainer(port).fit(
        nests["x"],
        nests["y"],
        sample_weight=nests["weight"],
        class_weight=port.class_weight,
        validation_data=nests.get("val"),
        batch_size=fit["batch_size"],
        epochs=spec.epochs or fit["epochs"],
        shuffle=False,
    )


if __name__ == "__main__":
    main()
