"""Case: a port of a set, with its mistake."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RIGHT = "right"


@dataclass(frozen=True)
class Case:
    """A port.

    Attributes:
        network: name of the Keras program.
        port: name of the port.
        keras: factory of the program, as `parity check --keras` takes it.
        torch: factory of the port.
        mistake: in words; "": the port is right.
        level: of the ladder, at which the mistake was expected before the first check; "": nobody
            said.
        causes: IDs of divergences of which one tells the mistake; none: nobody said.
    """

    network: str
    port: str
    keras: str
    torch: str
    mistake: str = ""
    level: str = ""
    causes: tuple[str, ...] = ()
    folder: Path = ROOT


def in_files(folder: Path, network: str, port: str, **known: Any) -> Case:
    """Returns a port of a set with `originals/NETWORK.py` and `ports/NETWORK.py`.

    Args:
        folder: of the set.
        network: name of the two files, and of the Keras program, which is their `build`.
        port: function of the second one.
        known: of a wrong port: mistake, level, causes.
    """
    keras, torch = (f"{folder / kind / network}.py" for kind in ("originals", "ports"))
    return Case(network, port, f"{keras}:build", f"{torch}:{port}", **known)
