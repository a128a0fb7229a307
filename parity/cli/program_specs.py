"""The specs of what a command runs: built-in scenarios, and programs of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.cli.options import given, words
from parity.errors import InputError
from parity.programs.program_spec import NUM_SEEDS

_SEEDED = (
    "--mode seeded with the program {0!r}: a sweep draws its own numbers in each half; `parity run "
    "--seeds` trains a program with Keras's"
)

if TYPE_CHECKING:
    from parity.programs.bench_spec import BenchSpec
    from parity.programs.check_spec import CheckSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.run_spec import RunSpec
    from parity.programs.scenario_spec import ScenarioSpec
    from parity.programs.scenarios import Terms
    from parity.programs.tool_table import ToolTable


def specs_of(
    names: Iterable[str],
    seeds: Sequence[int] | None,
    full: bool,
    settings: Mapping[str, Any],
    margins: str = "visible",
) -> list[RunSpec | ProgramSpec]:
    """Returns the specs of the runs of some scenarios and programs.

    Without seeds, each has one run, with the seed of its spec. With None, each scenario has as many
    seeds as it needs for the margins, from 0 on, and each program NUM_SEEDS, since nothing is known
    of its spread.

    Args:
        names: of scenarios, and of programs of the project's table.
        seeds: of the runs.
        full: whether scenarios train on all of MNIST.
        settings: of the command line; None: not given.
        margins: of equivalence, which say how many seeds a scenario needs.

    Raises:
        InputError: a name is unknown, or a setting cannot be used.
    """
    from parity.programs.scenarios import SCENARIOS, find
    from parity.programs.tool_table import with_seeds

    specs: list[RunSpec | ProgramSpec] = []
    table = user_programs()
    of_scenarios = given({key: value for key, value in settings.items() if key != "max_feed"})
    for name in dict.fromkeys(names):
        if name in table.programs:
            base = table.programs[name].spec(
                name, table.folder, **_settings_of(name, full, settings)
            )
            specs += with_seeds(base, range(NUM_SEEDS) if seeds is None else seeds)
            continue
        if name not in SCENARIOS and table.programs:
            raise InputError(
                f"unknown program {name!r}: {table.path} has {', '.join(table.programs)}; "
                "`parity list` shows all of them, and the scenarios"
            )
        if settings.get("max_feed") is not None:
            raise InputError(
                f"--max-feed with the scenario {name!r}: only your own programs have it"
            )
        found = find(name)
        spec = found.spec.replace(**{**(found.full if full else {}), **of_scenarios})
        numbers = range(found.num_seeds_of(margins)) if seeds is None else seeds
        specs += [spec.replace(seed=seed) for seed in numbers] or [spec]
    return specs


def sweep_specs(
    names: Sequence[str],
    pair: Mapping[str, Any],
    seeds: Sequence[int],
    full: bool,
    settings: Mapping[str, Any],
    margins: str,
) -> list[RunSpec | ProgramSpec]:
    """Returns the specs of a sweep: of scenarios and programs, or of a program without a name.

    Args:
        names: of scenarios, and of programs of the project's table; empty: all causes and remedies.
        pair: keras, torch and arguments of a program without a name; None: not given.
        seeds: of the runs; empty: as many as `specs_of` takes.
        full: whether scenarios train on all of MNIST.
        settings: of the command line, with the mode; None: not given.
        margins: of equivalence.

    Raises:
        InputError: a name is unknown, or a setting cannot be used.
    """
    from parity.programs.scenarios import BEHAVIOUR

    mode = settings["mode"]
    of_programs = {key: value for key, value in settings.items() if key != "mode"}
    if all(value is None for value in pair.values()):
        programs = user_programs().programs
        of_table = [name for name in names if name in programs]
        if of_table and mode == "seeded":
            raise InputError(_SEEDED.format(of_table[0]))
        found = specs_of(of_table, seeds or None, full, of_programs, margins) if of_table else []
        others = [name for name in names if name not in of_table] if names else [*BEHAVIOUR]
        of_scenarios = {key: v for key, v in settings.items() if key != "max_feed" or not of_table}
        found += specs_of(others, seeds or None, full, of_scenarios, margins) if others else []
        order = {name: number for number, name in enumerate(names)}
        return sorted(found, key=lambda spec: order.get(spec.name, 0))
    if names:
        raise InputError("--keras and --torch give a program without a name")
    if mode == "seeded":
        raise InputError(_SEEDED.format("custom"))
    pair = {**pair, "arguments": pair["arguments"] or ()}
    return unnamed_specs(pair, seeds or range(NUM_SEEDS), full, of_programs)


def terms_of(specs: Iterable[RunSpec | ProgramSpec]) -> dict[str, Terms]:
    """Returns how the programs among the specs are judged, by name, as the project's table says."""
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.scenarios import Terms

    table = user_programs()
    names = dict.fromkeys(spec.name for spec in specs if isinstance(spec, ProgramSpec))
    cures = {name: program.cures for name, program in table.programs.items()}
    return {name: Terms(cures.get(name), table.margins) for name in names}


def check_specs_of(
    names: Sequence[str], settings: Mapping[str, Any], against: Path | None = None
) -> dict[str, CheckSpec]:
    """Returns the specs of checks of programs; of all of the project's table without names.

    Args:
        names: of programs of the table, and of scenarios.
        settings: of the command line; None: not given.
        against: a bundle, or a folder with that of each program, in the place of the Keras halves:
            NAME.parity, or else the one of its factory and its settings in or below the folder.

    Returns:
        By the name of the program, in the order of the names or of the table.

    Raises:
        InputError: a name is unknown, a setting cannot be used, or a program has no bundle.
    """
    from parity.programs.scenarios import SCENARIOS
    from parity.programs.tool_table import of_scenario
    from parity.runs.against import check_against
    from parity.traces.bundle_spec import SUFFIX

    table, settings = user_programs(), given(dict(settings))
    specs = {}
    for name in dict.fromkeys(names or table.programs):
        if name in SCENARIOS and name not in table.programs:
            specs[name] = of_scenario(name).check_spec(Path.cwd(), **settings)
        else:
            program = table.program(name, f"unknown program {name!r} (see `parity list`)")
            specs[name] = program.check_spec(table.folder, **settings)
    if against is None:
        return specs
    for name, spec in specs.items():
        asked = {"dtype", *settings}
        try:  # programs may share a Keras half: the name of one comes first
            specs[name] = check_against(
                spec, against, asked, root=table.folder, name=f"{name}{SUFFIX}"
            )
        except InputError as error:
            raise InputError(f"--against, program {name!r}: {error}") from error
    return specs


def user_programs() -> ToolTable:
    """Returns the table of the project in the current folder, whose programs have their own names.

    Raises:
        InputError: the table cannot be read, or a program has the name of a scenario.
    """
    from parity.programs.scenarios import SCENARIOS
    from parity.programs.tool_table import read_tool_table

    table = read_tool_table(Path.cwd())
    if shared := [name for name in table.programs if name in SCENARIOS]:
        raise InputError(
            f"{table.path}: programs.{shared[0]}: a built-in scenario has this name; choose another"
        )
    return table


def unnamed_specs(
    pair: Mapping[str, Any], seeds: Sequence[int], full: bool, settings: Mapping[str, Any]
) -> list[RunSpec | ProgramSpec]:
    """Returns the specs of the runs of a program that the command line gives.

    Args:
        pair: keras, torch and arguments.
        seeds: of the runs.
        full: whether --full was given, which is for scenarios.
        settings: of the command line; None: not given.

    Raises:
        InputError: a half is missing, or a setting cannot be used.
    """
    from parity.programs.tool_table import Program, with_seeds

    for half in ("keras", "torch"):
        if pair[half] is None:
            raise InputError(f"--{half} is missing: expected both --keras and --torch")
    found = Program.from_dict(pair)
    changes = _settings_of("custom", full, settings)
    return [*with_seeds(found.spec("custom", Path.cwd(), **changes), seeds)]


def recorded_run_spec(
    name: str | None, keras: str | None, settings: Mapping[str, Any]
) -> ProgramSpec:
    """Returns the spec of a training whose Keras half is recorded.

    Args:
        name: of a program of the project's table; None: `keras` gives one without a name.
        keras: factory of the Keras half, or its script.
        settings: of the command line that were given, with `seed` and `arguments`.

    Raises:
        InputError: the name is unknown, or a setting cannot be used.
    """
    from parity.programs.scenarios import SCENARIOS

    changes = dict(settings)
    if "arguments" in changes:
        changes["arguments"] = words(changes["arguments"])
    if name not in SCENARIOS and "seed" in changes:
        changes["sets_seed"] = True
    return _spec_of(name, {"keras": keras}, changes)


def spec_against(
    place: Path,
    names: Sequence[str],
    pair: Mapping[str, Any],
    seeds: Sequence[int],
    full: bool,
    settings: Mapping[str, Any],
) -> tuple[Path, ProgramSpec]:
    """Returns the bundle of a recorded run, and the spec of the training of a port against it.

    Args:
        place: the bundle, or a folder in and below which it is searched.
        names: of the command line: one program of the project's table, or none.
        pair: keras, torch and arguments of the command line; None: not given.
        seeds: that were given.
        full: whether --full was given, which is for scenarios.
        settings: of the command line; None: not given.

    Raises:
        InputError: the bundle is none of this training, or cannot be used.
    """
    from parity.programs.scenarios import SCENARIOS, find
    from parity.runs.against import run_against
    from parity.traces.bundle_spec import SUFFIX

    if pair["keras"] is not None:
        raise InputError("--keras and --against: the bundle stands for the Keras half; leave one")
    if len(names) > 1 or len(seeds) > 1:
        what = f"{len(names)} programs" if len(names) > 1 else f"{len(seeds)} seeds"
        raise InputError(f"--against with {what}: a bundle is of one training; give one")
    if bool(names) == (pair["torch"] is not None):
        raise InputError(
            "--against: expected either the name of a program or --torch, the port that is trained"
        )
    name = names[0] if names else None
    if name in SCENARIOS:
        changes = {**(find(name).full if full else {}), **given(dict(settings))}
    else:
        changes = _settings_of(name or "custom", full, settings)
    changes |= {"arguments": pair["arguments"]} if pair["arguments"] else {}
    changes |= {"seed": seeds[0]} if seeds else {}
    spec = _spec_of(name, {"torch": pair["torch"]}, changes)
    asked = {*changes} if name is None or name in SCENARIOS else {"dtype", *changes}
    return run_against(spec, place, asked, name=f"{name}{SUFFIX}")


def _spec_of(name: str | None, pair: Mapping[str, Any], changes: Mapping[str, Any]) -> ProgramSpec:
    """Returns the spec of one training.

    Args:
        name: of a scenario, or of a program of the project's table; None: `pair` gives one.
        pair: keras or torch of a program without a name.
        changes: settings of the training.

    Raises:
        InputError: the name is unknown, or a setting cannot be used.
    """
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.scenarios import SCENARIOS

    if name is None:
        return ProgramSpec.from_dict({**pair, "folder": str(Path.cwd()), **changes})
    if name in SCENARIOS:
        return _scenario_of(name, changes)
    table = user_programs()
    program = table.program(name, f"unknown program {name!r} (see `parity list`)")
    return program.spec(name, table.folder, **changes)


def _scenario_of(name: str, changes: Mapping[str, Any]) -> ScenarioSpec:
    """Returns the spec of a built-in scenario as a program.

    Raises:
        InputError: it has no such setting, or not such a value.
    """
    from parity.programs.scenario_spec import of_run
    from parity.programs.scenarios import find

    if wrong := [n for n in ("max_feed", "arguments") if changes.get(n)]:
        option = "--" + wrong[0].replace("_", "-")
        raise InputError(f"{option} with the scenario {name!r}: only your own programs have it")
    return of_run(find(name).spec.replace(**changes))


def bench_spec_of(
    name: str | None, pair: Mapping[str, Any], is_compiled: bool, settings: Mapping[str, Any]
) -> BenchSpec:
    """Returns the spec of a benchmark: of a scenario, or of a program of the user's.

    Args:
        name: of the scenario or the program; None: "dropout", or what `pair` gives.
        pair: keras, torch and arguments of the command line; None: not given.
        is_compiled: whether torch-compiled is one of the variants, named or not.
        settings: that were given.

    Raises:
        InputError: the name is unknown, or a setting cannot be used.
    """
    from parity.programs.bench_spec import BenchSpec
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.scenarios import SCENARIOS

    is_pair = any(value is not None for value in pair.values())
    if is_pair and name is not None:
        raise InputError("--keras and --torch give a program without a name")
    table = user_programs()
    if is_pair or name in table.programs:
        of_spec = ("data", "seed")
        changes = {key: settings.get(key) for key in of_spec}
        numbers = [] if changes["seed"] is None else [changes["seed"]]
        if is_pair:
            given_pair = {**pair, "arguments": words(pair["arguments"])}
            (found,) = unnamed_specs(given_pair, numbers, False, {"data": changes["data"]})
        else:
            (found,) = specs_of([str(name)], numbers, False, {"data": changes["data"]})
        assert isinstance(found, ProgramSpec)
        rest = {key: value for key, value in settings.items() if key not in of_spec}
        spec = BenchSpec.of_program(found, **rest)
    else:
        if name is not None and name not in SCENARIOS and table.programs:
            specs_of([name], [], False, {})  # the error that names the programs
        spec = BenchSpec(**{**settings, "scenario": name or BenchSpec.scenario})
    if is_compiled and "torch-compiled" not in spec.variants:
        spec = spec.replace(variants=(*spec.variants, "torch-compiled"))
    return spec


def _settings_of(name: str, full: bool, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that the user gave; those of scenarios alone are an error."""
    found = given(dict(settings))
    if full or "split" in found:
        option = "--full" if full else "--split"
        raise InputError(f"{option} with the program {name!r}: only built-in scenarios have it")
    return found
