"""RunOptions: how to carry out runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parity.halves.options import ChildOptions
from parity.traces.folder import RunFolder

Unpack = Callable[[Path, RunFolder], None]


@dataclass(frozen=True)
class Recorded:
    """A recorded run in the place of the Keras half.

    Attributes:
        path: of the bundle.
        unpack: writes the folder of the Keras half: `parity.traces.bundle_run.unpack_run`.
        not_compared: {"what", "why"} of what is here and was not recorded.
    """

    path: Path
    unpack: Unpack
    not_compared: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class RunOptions:
    """How to carry out runs; the options do not change what the runs compute.

    Attributes:
        out: folder for the run directories; it must not contain any of these runs yet.
        children: how to run the child processes.
        save_weights: whether to leave the final weights of both halves in the run directories.
        keeps_feed: whether what a user's program was fed stays in the folder of its Keras half.
        against: what stands for the Keras half of the only run, a user's program; see
            `parity.runs.against`.
    """

    out: Path
    children: ChildOptions = field(default_factory=ChildOptions)
    save_weights: bool = False
    keeps_feed: bool = False
    against: Recorded | None = None
