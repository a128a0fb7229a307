"""check: compares the user's own pair of models, from two factories, or a factory and a bundle."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from parity.divergences.causes import name_causes
from parity.errors import InputError, RunError
from parity.ladder.engine import OF_PROBE, compare_levels, judged_within
from parity.ladder.incomplete import incomplete_of, not_compared_of
from parity.ladder.items import LEVEL_IDS, PASS
from parity.ladder.own_loop import left_to_loop, loop_left_open, loop_not_compared
from parity.ladder.result import Result, verdict_of
from parity.ladder.rounding import dtype_of
from parity.programs.check_spec import CheckSpec, num_steps
from parity.programs.factories import Factory, check_keras, check_reference, reference_of
from parity.runs.against import check_against
from parity.runs.check_halves import (
    CheckOptions,
    Plan,
    allowed_by_user,
    check_data,
    folder_of,
    plan_again,
    plan_checks,
    run_both,
    source_of,
)
from parity.runs.model_files import check_model_file
from parity.runs.steps import unfinished, written
from parity.traces.bundle_spec import check_archive
from parity.traces.folder import RunFolder
from parity.traces.trace import KerasTrace, PortTrace

# --- The result of a check: the traces of both halves in, levels with their causes out ------------
#
# This file has the heavy imports of a check. `check` imports it while the children compute.


# What the halves are told beside the settings of a check, and where their files are.
UNTOLD = ("against", "brief", "draws", "described", "folder")
RECORDED = ("keras", "data", "seed", "steps", "batch_size")


def compared(spec: CheckSpec, folder: Path, options: CheckOptions) -> tuple[Result, bool]:
    """Compares what both halves left.

    What the user allows arrives here: `options.levels`, `options.tolerance`, `options.accept`.

    Returns:
        The result, and whether a brief probe has found something: the layers that it left out then
        tell where it is, and the result has no causes.

    Raises:
        InputError: the bundle lacks what the comparison needs.
        RunError: a trace is damaged.
    """
    run = RunFolder(folder)
    keras = KerasTrace(run.half("keras").path, source_of(spec, folder))
    port = PortTrace(run.half("torch").path)
    levels = compare_levels(OF_PROBE, keras, port, names=options.levels)
    levels = left_to_loop([judged_within(level, options.tolerance) for level in levels], port)
    settings = spec.to_dict() | {name: keras.spec[name] for name in RECORDED}
    settings["dtype"] = dtype_of(keras.facts)
    settings["steps"] = num_steps(settings["steps"], keras.facts["num_parameters"])
    result = Result(
        verdict=PASS,
        spec={name: value for name, value in settings.items() if name not in UNTOLD},
        levels=levels,
        environment={"keras": keras.environment, "torch": port.environment},
        mode="replayed",
        incomplete=(*incomplete_of(keras, port), *loop_left_open(levels)),
        not_compared=(*not_compared_of(keras, port), *loop_not_compared(levels, port)),
        tolerance=dict(options.tolerance),
    )
    without_large = bool(keras.facts.get("brief"))
    is_open = without_large and bool(
        result.incomplete or any(not item.agrees for level in levels for item in level.items)
    )
    if not is_open:
        result = name_causes(result, keras, port, options.accept)
        is_open = without_large and bool(result.settings)  # unless the values of their layers agree
    return replace(result, verdict=verdict_of(result.levels, result.incomplete)), is_open


# --------------------------------------------------------------------------------------------------
#
# check: compares the user's own pair of models, from two factories, or a factory and a bundle.
#
#     Keras factory -> child -> trace -> child, with the torch factory -> trace -> ladder -> Result
#
# A bundle is unpacked to the trace that the Keras half would write. Both ways are therefore the
# same computation and give the same verdict.


def check(
    keras: Factory | str | None = None,
    torch: Factory | str | None = None,
    *,
    against: Path | str | None = None,
    data: Path | str | None = None,
    levels: Sequence[str] = (),
    dtype: str | None = None,
    seed: int | None = None,
    steps: int | None = None,
    out: Path | str | None = None,
    tolerance: float | Mapping[str, float] | None = None,
    accept: Sequence[str] = (),
) -> Result:
    """Compares a PyTorch port with its Keras original.

    Args:
        keras: factory of a compiled Keras model, or its name "module:function"; or the path of a
            training script, "train.py".
        torch: factory of a torch module or a `torch_impl.Port`, or its name.
        against: a bundle, of a check or of a run, instead of `keras`; or a folder that has one.
        data: .npz with the user's x and y, instead of random samples.
        levels: levels that decide the verdict; all by default.
        dtype: of the port: "float64", which shows more, or "float32", as it stands; None: float64,
            or as the bundle was recorded.
        seed: seed for weights, inputs and masks; None: 0, or as recorded.
        steps: number of training steps of the trajectory; None: 6, or 3 from a million weights on,
            or as recorded.
        out: folder for traces and logs.
        tolerance: allowed instead of what follows from rounding, for all levels or by level; by
            default, what [tool.parity] in pyproject.toml says.
        accept: IDs or names of divergences that are known, beside those of [tool.parity].

    Returns:
        The result: verdict "pass", "fail" or "incomplete", levels, and all divergences with their
        causes.

    Raises:
        InputError: a factory, the bundle or the data cannot be used, or the bundle was recorded
            with other settings than those that are given.
        RunError: a half crashed.
    """
    settings = {
        "data": None if data is None else os.path.abspath(data),
        **{"dtype": dtype, "seed": seed, "steps": steps},
    }
    given = {name: value for name, value in settings.items() if value is not None}
    spec = CheckSpec(
        keras=reference_of("keras", keras),
        torch=reference_of("torch", torch),
        against=None if against is None else os.fspath(against),
        folder=os.getcwd(),
    ).replace(**given)
    if against is not None and keras is None:
        spec = check_against(spec, Path(against), given)
    allowed = allowed_by_user(Path.cwd(), tolerance, accept)
    options = CheckOptions(out=None if out is None else Path(out), levels=levels, **allowed)
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
        # First without what single layers compute, if that is much; see `brief` of CheckSpec.
        without_large = not options.whole
        draws = not options.levels or "init" in options.levels
        planned = [
            each.replace(brief=without_large and each.against is None, draws=draws)
            for each in specs
        ]
        plan = plan_checks(planned, root)
        bundles = {
            number: source_of(specs[number], root)
            for number in plan.leading
            if specs[number].against is not None
        }

        def unpack_all() -> None:
            from parity.traces.bundle import unpack

            for number, bundle in bundles.items():
                unpack(bundle, plan.reference(number).path)

        try:
            for bundle in bundles.values():
                check_archive(bundle)
            errors = run_both(plan, options, unpack_all, _prepare)
        except InputError:  # a bundle; nothing was computed: the same --out can be given again
            shutil.rmtree(root)
            raise
        results, left_open = _results(plan, options, errors, len(specs))
        if left_open:
            whole = plan_again(plan, left_open, brief=False)
            errors = run_both(whole, options, _nothing, _nothing)
            found, _ = _results(whole, options, errors, len(specs))
            for number, result in zip(left_open, found, strict=True):
                results[number] = result
    return results


def _nothing() -> None:
    """Does nothing."""


def _results(
    plan: Plan, options: CheckOptions, errors: Mapping[int, Exception], num_checks: int
) -> tuple[list[Result], list[int]]:
    """Returns the results of checks, and the numbers of those that have to look inside."""
    results, left_open = [], []
    for number, (spec, folder) in enumerate(zip(plan.specs, plan.folders, strict=True)):
        error, is_open = errors.get(number), False
        if error is None:
            try:
                result, is_open = _compared(spec, folder, options)
            except (InputError, RunError) as found:
                error = found
        if error is not None:
            if num_checks == 1:
                raise error
            whole_spec = spec.replace(brief=False, draws=True)
            result = unfinished(whole_spec, [str(error)], mode="replayed")
        results.append(written(RunFolder(folder), result))
        if is_open:
            left_open.append(number)
    return results, left_open


def _prepare() -> None:
    """Imports what the comparison needs, while the children work."""


def _check_spec(spec: CheckSpec) -> None:
    if spec.torch is None:
        raise InputError("torch is missing: expected the factory of a torch module (--torch)")
    if (spec.keras is None) == (spec.against is None):
        raise InputError(
            "expected either the factory of a Keras model (--keras) or a bundle (--against), got "
            + ("neither" if spec.keras is None else "both")
        )
    if spec.keras is not None and spec.is_model_file:
        check_model_file(spec)
    elif spec.keras is not None:
        check_keras(spec.keras, spec.folder, spec.arguments)
    check_reference("--torch", spec.torch, spec.folder)
    check_data(spec)


def _check_levels(levels: Sequence[str]) -> None:
    if unknown := [level for level in levels if level not in LEVEL_IDS]:
        raise InputError(f"levels {unknown}: expected some of {', '.join(LEVEL_IDS)}")


def _compared(spec: CheckSpec, folder: Path, options: CheckOptions) -> tuple[Result, bool]:
    return compared(spec, folder, options)
