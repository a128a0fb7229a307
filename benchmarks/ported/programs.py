"""The Keras programs that are ported, by sets: article, null, networks, by_hand, applications."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from benchmarks.accuracy.corpus import written
from parity.programs.factories import load_factory
from parity.programs.scenarios import PROGRAMS

ROOT = Path(__file__).resolve().parents[2]
SETS = ("article", "null", "networks", "by_hand", "applications")
_BY_HAND = (
    *("lstm_classifier", "masked_classifier", "bidirectional_classifier"),
    "vision_transformer",
)
_OF_CORPUS = {"null": ("pairs",), "networks": ("images", "other_kinds")}


@dataclass(frozen=True)
class Program:
    """A Keras program.

    Attributes:
        name: of the row, and of the package behind "port_of_".
        keras: its factory, as `parity port` takes it.
        environment: variables that the factory reads.
        is_elsewhere: whether somebody else may have the network in torch.
    """

    name: str
    keras: str
    environment: dict[str, str] = field(default_factory=dict)
    is_elsewhere: bool = False

    @property
    def factory(self) -> Callable[[], Any]:
        """The function."""
        return cast("Callable[[], Any]", load_factory("--keras", self.keras, str(ROOT)))


def programs_of(name: str, work: Path) -> Iterator[Program]:
    """Yields the programs of a set.

    Args:
        name: one of `SETS`.
        work: folder for the programs of the corpus, and for the configs of networks of
            keras.applications.
    """
    if name == "article":
        for scenario in PROGRAMS:
            yield Program(scenario, f"parity.halves.keras.scenarios:{scenario}")
    elif name in _OF_CORPUS:
        for case in written(_OF_CORPUS[name], work / "corpus"):
            yield Program(case.name, str(work / "corpus" / case.reference))
    elif name == "by_hand":
        for network in _BY_HAND:
            factory = f"benchmarks.ported.by_hand.keras_side:{network}"
            yield Program(network, factory, is_elsewhere=True)
    else:
        yield from _applications(work)


def _applications(work: Path) -> Iterator[Program]:
    from benchmarks.applications.networks import constructors

    for name in constructors():
        environment = {"PARITY_NETWORK": name, "PARITY_CONFIG": str(work / name / "config.json")}
        factory = "benchmarks.applications.keras_side:build"
        yield Program(name, factory, environment, is_elsewhere=True)
