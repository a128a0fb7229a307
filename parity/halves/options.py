"""ChildOptions: how to run child processes, for every command; it does not change results."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from parity.errors import InputError


@dataclass(frozen=True)
class ChildOptions:
    """How to run child processes.

    Attributes:
        keras_python: interpreter of the Keras half.
        torch_python: interpreter of the torch half.
        timeout_s: seconds after which a child counts as hung; None = never.
        workers: number of children that run at the same time; None = one per core.
        quiet: whether to show no progress.
    """

    keras_python: str = sys.executable
    torch_python: str = sys.executable
    timeout_s: float | None = 3600.0
    workers: int | None = None
    quiet: bool = True

    @property
    def pythons(self) -> dict[str, str]:
        """The interpreter of each half."""
        return {"keras": self.keras_python, "torch": self.torch_python}

    @property
    def num_workers(self) -> int:
        """Number of children that run at the same time."""
        return (os.cpu_count() or 1) if self.workers is None else self.workers

    def check_interpreters(self) -> None:
        """Checks that the interpreters can be started, before anything is computed.

        Raises:
            InputError: one of them is not an executable file.
        """
        for half, python in self.pythons.items():
            if shutil.which(python) is None:
                raise InputError(
                    f"--{half}-python {python}: not an executable file; name the Python "
                    f"interpreter in which the project is installed with the extra {half!r}"
                )
