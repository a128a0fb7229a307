"""convert: the weights of a file of Keras as the state_dict of a module of the user's, and back.

file -> a process that reads it -> torch child, which pairs and proves -> a file of the user's
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from parity.errors import InputError, RunError, unwritten
from parity.files.atomic import atomic_path, private_folder
from parity.files.json_io import read_json, write_json
from parity.halves.job import ChildJob, ChildOptions
from parity.halves.progress import run_shown
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import check_reference
from parity.runs.model_files import config_in, copy_weights, is_bundle, write_like
from parity.runs.steps import error_of, planned
from parity.traces.bundle import unpack
from parity.traces.folder import RunFolder
from parity.weights.copied import BACK, OPTIMIZER, REPORT, REQUEST, STATE, read_copied

STATE_ENDING = ".safetensors"  # of what is written for torch
# Form of a file -> the endings with which Keras's `load_weights` takes it.
_ENDINGS = {".weights.h5": (".weights.h5",), ".h5": (".h5", ".hdf5")}


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What is converted.

    Attributes:
        weights: a file of Keras, or a bundle; with `like`, a state_dict of the module.
        torch: factory of the module or of a Port.
        out: the file that is written: a .safetensors, or with `like` one of its form.
        layers: pairs that are not found: Keras layer -> module.
        same_rows: modules whose kernels have their rows in Keras's order, though no output tells.
        config: a file with the configuration of the model, if `weights` has none.
        like: a file of the model, whose structure the weights get on the way back.
        optimizer: whether to write the state of the optimizer beside `out`.
        anyway: whether to write what is not proved or not filled.
        folder: of the factory.
        paths: more folders in which modules are found.
        children: how to run the child.
    """

    weights: Path
    torch: str
    out: Path
    layers: Mapping[str, str] = field(default_factory=dict)
    same_rows: Sequence[str] = ()
    config: Path | None = None
    like: Path | None = None
    optimizer: bool = False
    anyway: bool = False
    folder: Path = field(default_factory=Path.cwd)
    paths: Sequence[Path] = ()
    children: ChildOptions = field(default_factory=ChildOptions)


@dataclass(frozen=True)
class Converted:
    """What came of it.

    Attributes:
        is_written: whether the file was written.
        problems: a sentence each: what is not proved, not filled or not used.
        proof: how the places are proved, in words.
        error: greatest difference of the outputs, relative; None: they were not compared.
        constants: buffers and frozen parameters that keep their values.
        num_weights: weights in the file.
        num_filled: those of them with a place.
        places: of each weight: its path in the file, the parameters that it fills, and how these
            were found.
        optimizer: steps, rate (None: it is not known), slots, and notes: what the next steps do
            otherwise than Keras's, a sentence each; if the state of the optimizer was written.
        in_parts: weights that the Port's `load` puts into several parameters, with their names.
    """

    is_written: bool
    problems: list[str]
    proof: str
    error: float | None
    constants: list[str]
    num_weights: int
    num_filled: int
    places: list[dict[str, Any]]
    optimizer: dict[str, Any] | None = None
    in_parts: dict[str, list[str]] = field(default_factory=dict)


def optimizer_path(out: Path) -> Path:
    """Returns where the state of the optimizer is written: FILE.optimizer.pt."""
    return out.with_name(f"{out.name.removesuffix('.safetensors')}.optimizer.pt")


def convert(given: Conversion) -> Converted:
    """Carries weights between a file of Keras and a module.

    Raises:
        InputError: a file, the factory or a pair cannot be used.
        RunError: the child crashed.
    """
    check_reference("--torch", given.torch, given.folder)
    if given.like is None and given.out.suffix != STATE_ENDING:
        raise InputError(
            f"--out {given.out}: expected the ending {STATE_ENDING}, since the file is one of "
            f"safetensors; for a file of torch.save, write {given.out.stem}{STATE_ENDING}, and "
            "save what safetensors.torch.load_file returns of it"
        )
    given.children.check_interpreters()
    with private_folder("convert") as root:
        source = given.weights if given.like is None else given.like
        bundle = is_bundle(source)
        if bundle:
            unpack(source, RunFolder(root).half("keras").path)
        else:
            copy_weights(source, root / "weights")
        if given.like is not None:
            form = "bundle" if bundle else read_copied(root / "weights").form
            check_ending(given.out, given.like, form)
        config = None if given.config is None else config_in(given.config, root / "config")
        request = {
            "path": os.path.abspath(source),
            "is_bundle": bundle,
            "config": config,
            "layers": dict(given.layers),
            "same_rows": list(given.same_rows),
            "state": None if given.like is None else os.path.abspath(given.weights),
            "optimizer": given.optimizer,
            "anyway": given.anyway,
        }
        half = RunFolder(root).half("torch")
        spec = CheckSpec(torch=given.torch, folder=os.fspath(given.folder))
        planned(half, spec)
        write_json(half.path / REQUEST, request)
        _run(given, root, half)
        report = Converted(**read_json(half.path / REPORT))
        if report.is_written:
            _write(given, root, half.path)
        return report


def check_ending(out: Path, like: Path, form: str) -> None:
    """Refuses a file that Keras would not load, since it chooses the form by the ending.

    Args:
        out: the file to write.
        like: the file whose structure it gets.
        form: of `like`, which its content tells: see `Stored`.

    Raises:
        InputError: no file of that form can be written, or `out` has the ending of another form.
    """
    if form not in _ENDINGS:
        kind = "a bundle" if form == "bundle" else f"a {form}"
        raise InputError(f"--like {like}: expected a .weights.h5 or .h5 of the model, not {kind}")
    is_weights = out.name.endswith(".weights.h5")
    if is_weights != (form == ".weights.h5") or not out.name.endswith(_ENDINGS[form]):
        raise InputError(
            f"--out {out}: expected the ending {_ENDINGS[form][0]}, by which Keras knows the form "
            f"of --like {like}; for another form, give a --like of that form"
        )


def _run(given: Conversion, root: Path, half: RunFolder) -> None:
    job = ChildJob(
        name="convert torch",
        half="torch",
        work="convert",
        python=given.children.pythons["torch"],
        directories=(half.path,),
        log=RunFolder(root).log("torch"),
        may_fork=True,
        paths=tuple(given.paths),
    )
    quiet = replace(given.children, quiet=True)  # it takes seconds, and an error is one line
    failures = run_shown([job], quiet)
    if failures and not half.is_complete:
        raise error_of(half, failures[0].reason)
    if not half.is_complete:
        raise RunError("the torch half has left no result")


def _write(given: Conversion, root: Path, folder: Path) -> None:
    if given.like is not None:
        made = root / "made.h5"
        write_like(given.like, folder / BACK, root / "back", made)
    else:
        made = folder / STATE
    _place(made, given.out)
    if given.optimizer and given.like is None:
        _place(folder / OPTIMIZER, optimizer_path(given.out))


def _place(made: Path, to: Path) -> None:
    try:
        with atomic_path(to) as temporary:
            shutil.copyfile(made, temporary)
    except OSError as error:
        raise unwritten(f"--out {to}:", error) from error


def pairs_of(texts: Sequence[str]) -> dict[str, str]:
    """Returns the pairs that `--map LAYER=MODULE` names.

    Raises:
        InputError: a text has another form, or names a layer twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        layer, sign, module = text.partition("=")
        if not (sign and layer and module) or layer in found:
            raise InputError(f"--map {text}: expected KERAS_LAYER=torch.module, each layer once")
        found[layer] = module
    return found
