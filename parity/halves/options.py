"""ChildOptions: how children are run, the same for every command; it changes no result."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from parity.errors import InputError


@dataclass(frozen=True)
class ChildOptions:
    """How children are run.

    Attributes:
        keras_python: interpreter of the Keras half.
        torch_python: interpreter of the torch half.
        timeout_s: seconds after which a child counts as hung; None = never.
        workers: children at a time; None = one for each core.
        quiet: no progress is shown.
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
        """Children at a time."""
        return (os.cpu_count() or 1) if self.workers is None else self.workers

    def check_interpreters(self) -> None:
        """Refuses an interpreter that cannot be started, before anything is computed.

        Raises:
            InputError: one of them is no executable file.
        """
        for half, python in self.pythons.items():
            if shutil.which(python) is None:
                raise InputError(
                    f"--{half}-python {python}: not an executable file; name the Python "
                    f"interpreter in which the project is installed with the extra {half!r}"
                )
