"""Unwritten: a trace in memory, read as one that a half has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.traces.trace import Trace

if TYPE_CHECKING:
    import numpy as np

    from parity.traces.trace import RunResult, TraceWriter


class Unwritten(Trace):
    """What a half is about to write.

    Args:
        writer: of the trace; what it receives later is not seen.
        result: of the training.
    """

    def __init__(self, writer: TraceWriter, result: RunResult) -> None:
        self.spec, self.environment = {}, {}
        self.history = {**result.history, **writer.columns}
        self.facts, self.wall_s = dict(writer.facts), result.wall_s
        self._arrays = dict(writer.arrays)
        self._keys, self._sorted = frozenset(self._arrays), sorted(self._arrays)
        self._largest = {}

    def __getitem__(self, key: str) -> np.ndarray:
        """Returns the array under a key.

        Raises:
            KeyError: there is none.
        """
        return self._arrays[key]
