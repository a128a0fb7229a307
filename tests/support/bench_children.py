"""Children of a benchmark that train nothing: they answer in milliseconds, or as they are told to.

A stub stands in the place of a Python interpreter: it is called as `STUB -m parity.worker torch
bench DIRECTORY FILE_DESCRIPTOR`, and does what the text of its variant says.
"""

import os
import sys
from pathlib import Path

from processes import is_alive

from parity.bench.server import BenchTask, NoMoreRounds
from parity.programs.run_spec import RunSpec

# What the text of a variant finds. `serve` is a child that does everything right; its rounds take
# the seconds that it is told, without sleeping, so that every speed is known by hand.
HEAD = '''#!PYTHON -IS
import json, os, signal, sys, time

directory, descriptor = sys.argv[-2:]
with open(os.path.join(directory, "task.json")) as file:
    task = json.load(file)
replies = os.fdopen(int(descriptor), "w")


def note(*words):
    line = " ".join(map(str, [task["variant"], *words])) + "\\n"
    log = os.open(EVENTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, line.encode())
    os.close(log)


def starts():
    """Of this variant so far: 0 in its first round."""
    if not os.path.exists(EVENTS):
        return 0
    with open(EVENTS) as lines:
        return sum(line.startswith(task["variant"] + " start ") for line in lines)


def say(text):
    replies.write(text + "\\n")
    replies.flush()


def answer(**values):
    say(json.dumps(values))


def ready():
    answer(environment={"variant": task["variant"], "precision": task["precision"]})


def serve(seconds=(1.0,), samples=(64,), memory=100.0, accuracies=(0.5,), before=None):
    """The n-th round has the n-th of each; after the last of them, the last."""
    note("start", os.getpid())
    ready()
    count = asked = 0
    for line in sys.stdin:
        if line == "round\\n":
            if before is not None:
                before(count)
            note("round", count)
            answer(
                seconds=seconds[min(count, len(seconds) - 1)],
                samples=samples[min(count, len(samples) - 1)],
                peak_memory_mb=memory,
            )
            count += 1
        elif line == "evaluate\\n":
            answer(accuracy=accuracies[min(asked, len(accuracies) - 1)])
            asked += 1
        else:
            break
    note("end")


'''


class Stub:
    """An interpreter whose children do as the texts of their variants say.

    Args:
        folder: for the interpreter, and for what its children note.
        texts: Python, by variant; others serve.
    """

    def __init__(self, folder: Path, texts=None):
        self._events = folder / "events"
        path = folder / "python"
        head = HEAD.replace("PYTHON", sys.executable).replace("EVENTS", repr(str(self._events)))
        found = f"exec({texts or {}!r}.get(task['variant'], 'serve()'))\n"
        path.write_text(head + found, encoding="utf-8")
        path.chmod(0o755)
        self.python = str(path)
        self.pythons = {"keras": self.python, "torch": self.python}

    def events(self):
        """The lines that children noted, split into words, in the order of time."""
        if not self._events.exists():
            return []
        return [line.split() for line in self._events.read_text().splitlines()]

    def rounds(self):
        """Returns "VARIANT N" for each round, in the order of time."""
        return [f"{words[0]} {words[2]}" for words in self.events() if words[1] == "round"]

    def pids(self):
        """Of all children that served or said so."""
        return [int(words[2]) for words in self.events() if words[1] == "start"]

    def is_gone(self):
        """Whether children were started, and none of them is left."""
        return {is_alive(pid) for pid in self.pids()} == {False}


def task(variant="torch", *, part="train", precision="fp32", **spec):
    return BenchTask(part, variant, precision, RunSpec(train_size=64, val_size=16, **spec))


class Rounds:
    """The server of a half in this process, without a parent: so many rounds.

    Args:
        num: of rounds.
        asks: whether the accuracy is asked for after each, where the half can tell it.
        after: called after each round, and before it is asked.
    """

    def __init__(self, num, *, asks=True, after=lambda: None):
        self.samples, self.accuracies, self.environment = [], [], None
        self._num, self._asks, self._after = num, asks, after

    def ready(self, environment, synchronise, memory=None):
        synchronise()
        self.environment, self.memory = environment, memory

    def begin(self, evaluate=None):
        assert self.environment is not None, "a round before it is ready"
        if self.samples:
            self._after()
            if self._asks and evaluate is not None:
                self.accuracies.append(evaluate())
        if len(self.samples) == self._num:
            raise NoMoreRounds

    def end(self, samples):
        self.samples.append(samples)


def collected(monkeypatch, owner, name):
    """The list of all that a function returns from now on."""
    found, right = [], getattr(owner, name)

    def collect(*arguments, **options):
        found.append(right(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(owner, name, collect)
    return found


def open_files():
    """The descriptors that this process has."""
    return set(os.listdir("/proc/self/fd"))
