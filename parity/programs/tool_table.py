"""The table [tool.parity] of a project: what its checks have in common, and its programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files import ranges
from parity.programs import settings
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import check_keras, check_reference
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenarios import Margins

# --- Program: a pair of the user's, as [tool.parity.programs.NAME] names it -----------------------


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
        row = {n: v for n, v in self.to_dict().items() if v is not None and n not in _OF_TABLE}
        return ProgramSpec.from_dict({**row, "program": name, "folder": str(folder), **changes})

    def check_spec(self, folder: Path, **changes: Any) -> CheckSpec:
        """Returns the spec of a check; see `spec`."""
        pair = {"keras": self.keras, "torch": self.torch, "arguments": self.arguments}
        return CheckSpec.from_dict({**pair, "dtype": self.dtype, "folder": str(folder), **changes})


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


# --- The table [tool.parity] of a project: what its checks have in common, and its programs -------
#
#     [tool.parity]          in pyproject.toml; in parity.toml the same, without tool.parity
#     tolerance = 1e-6       for every level, or a table [tool.parity.tolerance] by level
#     accept = ["C3"]        divergences that are known
#     margins = {accuracy = 1.5, gap = 2.0, loss = 0.1}    of the programs in a sweep: points;
#         shares
#
#     [tool.parity.programs.digits]           see `parity.programs.tool_table`
#     keras = "digits.keras_model:build"
#     torch = "digits.torch_model:build"
#
# It stands in the folder of a call or in one above; the nearest counts.


FILES = ("parity.toml", "pyproject.toml")
_MAX_DEPTH = 1000  # parts of a key, for which the reader takes quadratic time
KEYS = ("tolerance", "accept", "margins", "programs")
# Margins -> what is 1 of them: points of accuracy, or shares.
_UNITS = {"accuracy": 0.01, "gap": 0.01, "loss": 1.0, "epochs": 1.0, "collapses": 0.01}


@dataclass(frozen=True)
class ToolTable:
    """What a project's table says.

    Attributes:
        path: of the file; None if there is none.
        tolerance: by the name of a level, "" for all of them.
        accept: IDs or names of divergences.
        programs: by name.
        margins: within which the halves of the programs count as equivalent in a sweep.
    """

    path: Path | None = None
    tolerance: Mapping[str, float] = field(default_factory=dict)
    accept: tuple[str, ...] = ()
    programs: Mapping[str, Program] = field(default_factory=dict)
    margins: Margins = field(default_factory=Margins)

    @property
    def folder(self) -> Path:
        """The folder of the file, to which the names of its programs belong."""
        return Path.cwd() if self.path is None else self.path.parent

    def program(self, name: str, where: str) -> Program:
        """Returns a program.

        Args:
            name: of the program.
            where: what names it, for messages.

        Raises:
            InputError: there is none of this name.
        """
        if name not in self.programs:
            known = ", ".join(self.programs) or "none"
            raise InputError(f"{where}: expected one of [tool.parity.programs], which has {known}")
        return self.programs[name]


def read_tool_table(folder: Path) -> ToolTable:
    """Reads the table that counts in a folder.

    Raises:
        InputError: the file cannot be read, or has a key or a value that is none.
    """
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        for name in FILES:
            if (parent / name).is_file():
                found = _table(parent / name)
                if found is not None:
                    return _checked(parent / name, found)
    return ToolTable()


def _table(path: Path) -> Any:
    """Returns the table of a file, or None if it has none."""
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
        if any(line.partition("=")[0].count(".") > _MAX_DEPTH for line in text.splitlines()):
            raise ValueError(f"a key has more than {_MAX_DEPTH:,} parts")
        content = tomllib.loads(text)
        if _is_too_large(content):
            raise ValueError("a whole number has more than the 64 bits that TOML allows")
    except (OSError, ValueError, RecursionError) as error:
        if path.name != FILES[0] and not _names_parity(path):
            return None  # other programs read this file, and complain of it
        raise InputError(f"{path} cannot be read ({error})") from error
    if path.name == FILES[0]:
        return content
    tool = content.get("tool")
    return tool.get("parity") if isinstance(tool, dict) else None


def _is_too_large(value: Any) -> bool:
    """Whether a value of a file is, or has in it, a number that no reader of TOML need take."""
    if isinstance(value, dict | list):
        return any(map(_is_too_large, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _names_parity(path: Path) -> bool:
    """Whether a file that is no TOML was to have a table of this project's all the same."""
    try:
        return "tool.parity" in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _checked(path: Path, table: Any) -> ToolTable:
    where = path.name if path.name == FILES[0] else f"{path.name}: [tool.parity]"
    if not isinstance(table, dict):
        raise InputError(f"{where} is no table")
    if unknown := [key for key in table if key not in KEYS]:
        raise InputError(f"{where} has the key {unknown[0]!r}; expected some of {', '.join(KEYS)}")
    tolerance = table.get("tolerance", {})
    if _is_number(tolerance):
        tolerance = {"": tolerance}
    if not isinstance(tolerance, dict) or not all(map(_is_number, tolerance.values())):
        raise InputError(f"{where} tolerance: expected a number, or one for each level")
    accept = table.get("accept", [])
    if not isinstance(accept, list) or not all(isinstance(name, str) for name in accept):
        raise InputError(f"{where} accept: expected a list of IDs or names of divergences")
    programs = programs_of(table.get("programs", {}), where)
    margins = _margins(table.get("margins", {}), where)
    allowed = {k: float(v) for k, v in tolerance.items()}
    return ToolTable(path, allowed, tuple(accept), programs, margins)


def _margins(given: Any, where: str) -> Margins:
    if not isinstance(given, dict) or not given.keys() <= _UNITS.keys():
        raise InputError(
            f"{where} margins = {given!r}: expected some of {', '.join(_UNITS)}, such as "
            "{accuracy = 1.5, gap = 2.0, loss = 0.1}"
        )
    for name, value in given.items():
        if not _is_number(value) or not 0 < value * _UNITS[name] <= 1:
            unit = "points, above 0 and up to 100" if _UNITS[name] < 1 else "a share in (0, 1]"
            raise InputError(f"{where} margins: {name} = {value!r}: expected {unit}")
    return Margins(**{name: value * _UNITS[name] for name, value in given.items()})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
