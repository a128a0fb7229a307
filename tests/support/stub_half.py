"""A half that trains nothing: runs of a sweep in milliseconds, which break as they are told to.

    python tests/support/stub_half.py [options] batch DIRECTORY

Its records follow from half and spec alone, as real ones do; like a real half it stops when its
parent is gone. Engines get it as `EngineOptions.program`; what it is to do goes with the program,
so that it reaches the workers of a cluster too.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

# When pytest imports it, the project is there already.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from parity.files.json_io import read_json
from parity.halves.protocol import stop_if_orphaned
from parity.programs.program_spec import ProgramSpec
from parity.sweeps.batch import BATCH, CURRENT, FAILED, FEEDS, TELL, TOLD
from parity.sweeps.child import feed_of, run_batch
from parity.traces.folder import RunFolder


def program(*, log=None, sleep_s=0.0, acts=None):
    """Returns what is started in the place of a half.

    Args:
        log: file that gets a line "start KEY" and "end KEY" for each run.
        sleep_s: how long a run takes.
        acts: what happens in the run of a seed: "raise", "hang", "abort", "kill" or "exit"; under
            the name "start", before any run, under "tell", before a feed is told. "untold": there
            is no feed for the seed. Under "bytes": the size of each feed.
    """
    return (
        *(sys.executable, str(Path(__file__).resolve())),
        *("--log", "" if log is None else str(log), "--sleep", str(sleep_s)),
        *("--acts", json.dumps({str(key): act for key, act in (acts or {}).items()})),
    )


def record_of(half, spec):
    """The record of a run; its "run" entry is that of the present process."""
    settings = {key: value for key, value in spec.to_dict().items() if key != "folder"}
    draw = random.Random(f"{half} {json.dumps(settings, sort_keys=True)}")
    epochs = range(spec.epochs or 3)
    falling = [2.3 / (epoch + 1) + 0.01 * draw.random() for epoch in epochs]
    rising = [1 - 0.5 / (epoch + 1) + 0.01 * draw.random() for epoch in epochs]
    return {
        "half": half,
        "spec": settings,
        "history": {
            "loss": falling,
            "val_loss": [value + 0.01 for value in falling],
            "accuracy": rising,
            "val_accuracy": [value - 0.01 for value in rising],
            "eval_loss": falling,
            "eval_accuracy": rising,
        },
        "num_classes": 10,
        "num_train": spec.train_size,
        "num_val": spec.val_size,
        "outputs": [],
        "data_sha256": {"x_train": "0" * 64},
        "fed_sha256": "0" * 64,
        "weights_sha256": f"{draw.getrandbits(256):064x}",
        "run": {"wall_s": 0.5, "started": time.time(), "process": os.getpid()},
    }


def act(what):
    """Does what a run is told to do in the place of training."""
    if what == "raise":
        raise ArithmeticError("the stub was told to raise")
    ends = {
        "hang": partial(time.sleep, 600),
        "abort": os.abort,
        "kill": partial(os.kill, os.getpid(), signal.SIGKILL),
        "exit": partial(sys.exit, "the stub was told to exit"),
    }
    if what in ends:
        ends[what]()


def tell_feeds(directory, acts):
    """Tells what `fit` gets: one feed for each task, as many as there is room for."""
    told = read_json(directory / TELL)
    size = 0
    for row in told["tasks"]:
        if size > told["max_bytes"]:
            break
        if acts.get(str(row["spec"]["seed"])) == "untold":
            (directory / FAILED / row["key"]).write_text("the stub was told not to tell")
            continue
        path = directory / FEEDS / f"{row['key']}.safetensors"
        path.write_bytes(bytes(int(acts.get("bytes", 10))))
        size += path.stat().st_size
        (directory / TOLD / row["key"]).write_text(row["key"])
    RunFolder(directory).complete()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--sleep", type=float, required=True)
    parser.add_argument("--acts", type=json.loads, required=True)
    parser.add_argument("work", choices=["batch", "tell"])
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    if options.work == "tell":
        act(options.acts.get("tell"))
        tell_feeds(options.directory, options.acts)
        return
    batch = read_json(options.directory / BATCH)
    half = batch["half"]
    keys = {row["spec"]["seed"]: row["key"] for row in batch["tasks"]}
    parent = os.getppid()

    def tell(event):
        if options.log:
            key = (options.directory / CURRENT).read_text()
            line = f"{event} {key} {os.getpid()}\n".encode()
            file = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, line)
            os.close(file)

    def run(spec):
        if isinstance(spec, ProgramSpec) and half == "torch":
            feed_of(Path(batch["told"]), keys[spec.seed], parent)
        tell("start")
        act(options.acts.get(str(spec.seed)))
        end_s = time.monotonic() + options.sleep
        while time.monotonic() < end_s:
            stop_if_orphaned(parent)
            time.sleep(min(0.01, options.sleep))
        tell("end")
        return record_of(half, spec)

    act(options.acts.get("start"))
    run_batch(options.directory, run, parent)


if __name__ == "__main__":
    main()
