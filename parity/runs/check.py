"""check: compares the user's own pair of models, from two factories, or a factory and a bundle.

    Keras factory -> child -> trace -> child, with the torch factory -> trace -> ladder -> Result

A bundle is unpacked to the trace that the Keras half would write. Both ways are therefore the same
computation and give the same verdict.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from parity.divergences.causes import name_causes
from parity.errors import InputError, RunError
from parity.ladder.engine import compare_levels
from parity.ladder.incomplete import incomplete_of, not_compared_of
from parity.ladder.items import PASS
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.result import Result
from parity.ladder.table import OF_PROBE
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import Factory, check_reference, reference_of
from parity.runs.check_halves import CheckOptions, check_data, folder_of, run_half, source_of
from parity.runs.steps import unfinished, verdict_of, written
from parity.traces.bundle import unpack
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

RECORDED = ("keras", "data", "seed", "steps", "batch_size")


def check(
    keras: Factory | str | None = None,
    torch: Factory | str | None = None,
    *,
    against: Path | str | None = None,
    data: Path | str | None = None,
    levels: Sequence[str] = (),
    seed: int = 0,
    steps: int = 6,
    out: Path | str | None = None,
) -> Result:
    """Compares a PyTorch port with its Keras original.

    Args:
        keras: factory of a compiled Keras model, or its name "module:function".
        torch: factory of a torch module or a `torch_impl.Port`, or its name.
        against: a bundle instead of `keras`.
        data: .npz with the user's x and y, instead of random samples.
        levels: levels that decide the verdict; all by default.
        seed: seed for weights, inputs and masks.
        steps: number of training steps of the trajectory.
        out: folder for traces and logs.

    Returns:
        The result: verdict "pass", "fail" or "incomplete", levels, and all divergences with their
        causes.

    Raises:
        InputError: a factory, the bundle or the data cannot be used.
        RunError: a half crashed.
    """
    spec = CheckSpec(
        keras=reference_of("keras", keras),
        torch=reference_of("torch", torch),
        against=None if against is None else os.fspath(against),
        data=None if data is None else os.path.abspath(data),
        seed=seed,
        steps=steps,
        folder=os.getcwd(),
    )
    options = CheckOptions(out=None if out is None else Path(out), levels=levels)
    return check_all([spec], options)[0]


def check_all(specs: Sequence[CheckSpec], options: CheckOptions) -> list[Result]:
    """Checks several pairs, many in one process.

    Args:
        specs: specs with `torch`, and either `keras` or `against`.
        options: how to run the checks.

    Returns:
        One result per spec, in their order. If there are several specs, a failed one is a result
        with verdict "error".

    Raises:
        InputError: a spec cannot be used; or, if it is the only one, its factory or bundle cannot.
        RunError: a half crashed, if there is only one spec.
    """
    _check_levels(options.levels)
    for spec in specs:
        _check_spec(spec)
    options.children.check_interpreters()
    with folder_of(options.out) as root:
        names = [f"{number:03d}" if len(specs) > 1 else "" for number in range(len(specs))]
        folders = [root / name for name in names]
        try:
            for spec, folder in zip(specs, folders, strict=True):
                if spec.against is not None:
                    unpack(source_of(spec, folder), RunFolder(folder).half("keras").path)
        except InputError:  # nothing was computed: the same --out can be given again
            shutil.rmtree(root)
            raise
        errors = run_half("keras", specs, folders, options)
        errors |= run_half("torch", specs, folders, options, skip=set(errors))
        results = []
        for number, (spec, folder) in enumerate(zip(specs, folders, strict=True)):
            error = errors.get(number)
            if error is not None and len(specs) == 1:
                raise error
            try:
                results.append(_result(spec, folder, options, error))
            except (InputError, RunError) as found:
                if len(specs) == 1:
                    raise
                results.append(_result(spec, folder, options, found))
    return results


def _check_spec(spec: CheckSpec) -> None:
    if spec.torch is None:
        raise InputError("torch is missing: expected the factory of a torch module (--torch)")
    if (spec.keras is None) == (spec.against is None):
        raise InputError(
            "expected either the factory of a Keras model (--keras) or a bundle (--against), got "
            + ("neither" if spec.keras is None else "both")
        )
    if spec.keras is not None:
        check_reference("--keras", spec.keras, spec.folder)
    elif spec.data is not None:
        raise InputError("--data works only with --keras: a bundle has its own samples")
    check_reference("--torch", spec.torch, spec.folder)
    check_data(spec)


def _check_levels(levels: Sequence[str]) -> None:
    if unknown := [level for level in levels if level not in LEVEL_IDS]:
        raise InputError(f"levels {unknown}: expected some of {', '.join(LEVEL_IDS)}")


def _result(
    spec: CheckSpec, folder: Path, options: CheckOptions, error: Exception | None
) -> Result:
    run = RunFolder(folder)
    if error is not None:
        result = unfinished(spec, [str(error)], mode="replayed")
    else:
        keras = Trace(run.half("keras").path, source_of(spec, folder))
        port = Trace(run.half("torch").path)
        levels = compare_levels(OF_PROBE, keras, port, names=options.levels, stops=False)
        told = spec.to_dict() | {name: keras.spec[name] for name in RECORDED}
        result = Result(
            verdict=PASS,
            spec={k: v for k, v in told.items() if k not in ("against", "folder")},
            levels=levels,
            environment={"keras": keras.environment, "torch": port.environment},
            mode="replayed",
            incomplete=incomplete_of(keras, port),
            not_compared=not_compared_of(keras, port),
        )
        result = name_causes(result, keras, port)
        result = replace(result, verdict=verdict_of(result.levels, result.incomplete))
    return written(run, result)
