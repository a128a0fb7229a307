"""RunFolder: the folder of a run or of one of its halves, and where each file in it is.

    RUN/
        keras/  torch/       a half each; in a check, a bundle may stand for the Keras half
        keras/training/      of a run: its whole training, beside the probes in keras/
        keras/training/anchors/   recorded states, while the torch half needs them
        keras/feed.safetensors    what `fit` was fed, while the torch half needs it
        keras.log ...        what the children wrote
        keras.safetensors    with `--save-weights`: the final weights of both halves, each under the
        torch.safetensors    names of the port's state_dict
        result.json          the comparison; with it, the run is complete

The folder of a half holds `spec.json`, which its child is given, and then `environment.json`,
`history.json`, `trace.safetensors` with its index `trace.json`, or `failure.json`. `_SUCCESS` is
the last file that appears; a folder without it is not complete, whatever else is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parity.files.atomic import atomic_path
from parity.programs.halves import HALVES

# Of a half.
SPEC, FAILURE, SUCCESS = "spec.json", "failure.json", "_SUCCESS"
ENVIRONMENT, HISTORY = "environment.json", "history.json"
ARRAYS, INDEX = "trace.safetensors", "trace.json"
# Of a run, and of the `--out` of other commands.
DATA, FEED, RESULT = "data.safetensors", "feed.safetensors", "result.json"
SWEEP, BENCH, DIAGNOSIS = "sweep.json", "bench.json", "diagnosis.json"
# What a report adds.
REPORT, SUMMARY, JUNIT, EVENTS = "report.html", "summary.md", "junit.xml", "tensorboard"

_ANCHORS, _TRAINING = "anchors", "training"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, or of one of its halves.

    Attributes:
        path: of the folder, which need not be there.
    """

    path: Path

    def half(self, name: str) -> RunFolder:
        """The folder of a half, in that of its run: "keras" or "torch"."""
        return RunFolder(self.path / name)

    @property
    def anchors(self) -> Path:
        """The recorded states of a half, while its run lasts."""
        return self.path / _ANCHORS

    @property
    def training(self) -> RunFolder:
        """The folder of the whole training of a user's program, in that of its half."""
        return RunFolder(self.path / _TRAINING)

    @property
    def feed(self) -> Path:
        """What `fit` was fed in the training of a user's program."""
        return self.path / FEED

    def weights(self, name: str) -> Path:
        """The final weights of a half, in the folder of its run, as the port's state_dict."""
        return self.path / f"{name}.safetensors"

    def log(self, name: str) -> Path:
        """What a child wrote: of "keras" or "torch"."""
        return self.path / f"{name}.log"

    def logs(self) -> list[Path]:
        """All logs that are there."""
        return sorted(self.path.glob("*.log"))

    @property
    def spec(self) -> Path:
        """What a half is to run."""
        return self.path / SPEC

    @property
    def environment(self) -> Path:
        """What a half depended on besides its spec."""
        return self.path / ENVIRONMENT

    @property
    def history(self) -> Path:
        """The history of a half's training."""
        return self.path / HISTORY

    @property
    def arrays(self) -> Path:
        """The arrays of a trace."""
        return self.path / ARRAYS

    @property
    def index(self) -> Path:
        """The facts of a trace, and the keys of its arrays."""
        return self.path / INDEX

    @property
    def failure(self) -> Path:
        """Why a half could not check its model."""
        return self.path / FAILURE

    @property
    def data(self) -> Path:
        """The arrays that the children of a run are fed."""
        return self.path / DATA

    @property
    def result(self) -> Path:
        """The comparison of a run's halves."""
        return self.path / RESULT

    @property
    def is_complete(self) -> bool:
        """Whether a half has left all its files."""
        return (self.path / SUCCESS).exists()

    @property
    def has_failed(self) -> bool:
        """Whether a half has left why it could not check its model."""
        return self.failure.exists() and not self.is_complete

    @property
    def has_ended(self) -> bool:
        """Whether a half is complete, or has failed."""
        return self.is_complete or self.failure.exists()

    def complete(self) -> None:
        """Says that all files of a half are there; call it last."""
        with atomic_path(self.path / SUCCESS) as temporary:
            temporary.touch()

    @property
    def was_started(self) -> bool:
        """Whether a run was begun in the folder: a half has its spec."""
        return any(self.half(name).spec.is_file() for name in HALVES)
