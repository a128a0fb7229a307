"""RunOptions: how to carry out runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from parity.halves.options import ChildOptions


@dataclass(frozen=True)
class RunOptions:
    """How to carry out runs; the options do not change what the runs compute.

    Attributes:
        out: folder for the run directories; it must not contain any of these runs yet.
        children: how to run the child processes.
        save_weights: whether to leave the final weights of both halves in the run directories.
        keeps_feed: whether what a user's program was fed stays in the folder of its Keras half.
        against: the bundle that stands for the Keras half of the only run, a user's program; see
            `parity.runs.against`.
    """

    out: Path
    children: ChildOptions = field(default_factory=ChildOptions)
    save_weights: bool = False
    keeps_feed: bool = False
    against: Path | None = None
