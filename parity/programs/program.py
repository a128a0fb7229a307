"""Program: a pair of the user's, as [tool.parity.programs.NAME] names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files import ranges
from parity.programs import settings
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import check_keras, check_reference
from parity.programs.program_spec import ProgramSpec

_OF_TABLE = ("cures", "bundle")  # what is of no training


@dataclass(frozen=True)
class Program(settings.Settings):
    """What a table of programs says of one; the names are those of ProgramSpec.

    Attributes:
        keras: factory of the reference, or a training script.
        torch: factory of the port.
        data: what `fit` gets if the Keras half does not say it.
        arguments: command line of the script.
        epochs: number of epochs; None: as the Keras half says.
        batch_size: samples per step; None: likewise.
        train_size: number of training samples of a source of images.
        val_size: number of validation samples of a source of images.
        dtype: of weights, activations and optimizer.
        max_feed: MiB of batches that are written down if `fit` gets no arrays.
        cures: the program of the same table for which this one is a remedy: a sweep compares what
            it changes there; None: it is none.
        bundle: from `parity record`, with which `pytest --parity` compares the port, without Keras;
            None: it runs the Keras half.
    """

    NOUN = "programs"

    keras: settings.Text | None = None
    torch: settings.Text | None = None
    data: settings.Text | None = None
    arguments: tuple[str, ...] = ()
    epochs: ranges.AtLeast1 | None = None
    batch_size: ranges.AtLeast1 | None = None
    train_size: ranges.AtLeast1 | None = None
    val_size: ranges.AtLeast1 | None = None
    dtype: settings.Dtype = "float64"
    max_feed: ranges.AtLeast1 = 1024
    cures: settings.Name | None = None
    bundle: settings.Text | None = None

    def check(self) -> None:
        """Rejects a program that lacks a half."""
        for half in ("keras", "torch"):
            self.require(getattr(self, half) is not None, half, "the name of a factory")

    def spec(self, name: str, folder: Path, **changes: Any) -> ProgramSpec:
        """Returns the spec of a training.

        Args:
            name: of the program.
            folder: names of modules and files belong to it.
            **changes: settings of the training.
        """
        own = {n: v for n, v in self.to_dict().items() if v is not None and n not in _OF_TABLE}
        return ProgramSpec.from_dict({**own, "program": name, "folder": str(folder), **changes})

    def check_spec(self, folder: Path, **changes: Any) -> CheckSpec:
        """Returns the spec of a check; see `spec`."""
        own = {"keras": self.keras, "torch": self.torch, "arguments": self.arguments}
        return CheckSpec.from_dict({**own, "dtype": self.dtype, "folder": str(folder), **changes})


def programs_of(table: Any, where: str) -> dict[str, Program]:
    """Returns the programs of a table.

    Args:
        table: of the file: name to settings.
        where: of the table, for messages.

    Raises:
        InputError: a program has a key or a value that is none.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} programs: expected a table for each program")
    found = {}
    for name, entry in table.items():
        if not isinstance(entry, Mapping):
            raise InputError(f"{where} programs.{name}: expected a table, got {entry!r}")
        try:
            found[name] = Program.from_dict(entry)
        except InputError as error:
            raise InputError(f"{where} programs.{name}: {error}") from error
    for name, program in found.items():
        if program.cures is not None and program.cures not in {*found} - {name}:
            others = ", ".join(each for each in found if each != name) or "none"
            raise InputError(
                f"{where} programs.{name}: cures={program.cures!r}: expected another program of "
                f"the table, which has {others}"
            )
    return found


def of_scenario(name: str) -> Program:
    """Returns a built-in scenario as a program: its factories, like those of a user."""
    return Program(
        keras=f"parity.halves.keras.scenarios:{name}", torch=f"parity.halves.torch.scenarios:{name}"
    )


def with_seeds(spec: ProgramSpec, seeds: Iterable[int]) -> list[ProgramSpec]:
    """Returns the specs of trainings from several seeds, which replace that of a script.

    Without seeds, it is the spec alone, with its own seed.

    Raises:
        InputError: see `check_files`.
    """
    check_files(spec)
    return [spec.replace(seed=seed, sets_seed=True) for seed in seeds] or [spec]


def check_files(spec: ProgramSpec) -> None:
    """Rejects a program whose factories, script or file of data cannot be there.

    Raises:
        InputError: a name has another form, or there is no such file.
    """
    assert spec.keras is not None
    assert spec.torch is not None
    folder = Path(spec.folder)
    check_keras(spec.keras, folder, spec.arguments)
    check_reference("--torch", spec.torch, folder)
    check_data(spec)


def check_data(spec: ProgramSpec) -> None:
    """Rejects data that cannot be there.

    Raises:
        InputError: there is no such file, or the name of a function has another form.
    """
    folder = Path(spec.folder)
    if spec.data is None:
        return
    if spec.data.endswith(".npz"):
        if not (folder / spec.data).is_file():
            raise InputError(f"data {spec.data}: there is no such file")
    elif ":" in spec.data and not (folder / spec.data).exists():
        check_reference("data", spec.data, folder)
