"""Folders as commands leave them, made by hand: what reports are written of."""

import json
import os
from dataclasses import replace
from functools import partial
from unittest import mock

import bench_results
import numpy as np
from checked import level
from checked import result_of as checked_result
from result_samples import incomplete_check
from traces import Parts

from parity.behaviour.diagnosis import diagnose
from parity.behaviour.rules import Judgement
from parity.bench.result import BenchResult
from parity.data.load import run_data
from parity.ladder.items import FAIL, LEVEL_IDS, PASS, SKIPPED, Level
from parity.ladder.result import ERROR, Found, Result
from parity.programs.check_spec import CheckSpec
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.programs.scenario_spec import ScenarioSpec, of_run
from parity.programs.scenarios import SCENARIOS, scenario
from parity.runs.pair import with_training
from parity.sweeps.result import result_of
from parity.sweeps.rows import Row, Sweep

HOSTILE = {
    "markup": "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>",
    "quotes": "\"></td><b>'bold'&amp;",
    "from right to left": "a\N{RIGHT-TO-LEFT OVERRIDE}txt.exe שלום עולם",
    "very long": "x" * 3000,
    "control characters": "\x1b[31mred\x07\x00",
    "formula": "$\\frac{1}{0}$ {{ 7 * 7 }} {% raw %}",
}
ENVIRONMENT = {"python": "3.11.7", "versions": {"keras": "3.15.1", "torch": "2.13.0"}}


# The weights of a net in the order of its layers, which is not that of their names.
WEIGHTS = {"stem.kernel": (3, 3), "conv2d.kernel": (2, 3), "dense.bias": (4,)}
STEPS = (0, 1, 2, 4, 5, 6)  # of three epochs of two steps, at which weights are recorded


def run_spec(name="dropout", **changes):
    return scenario(name).replace(**{"epochs": 3, "dtype": "float64", **changes})


def program_spec(**changes):
    return ProgramSpec(keras="app:build", torch="port.py:build", epochs=3, **changes)


def run_folder(folder, *, change=None, spec=None, failing="", has_result=True):
    """A whole training in both halves, of a scenario or of a program of a user's.

    Args:
        folder: of the run.
        change: alters what the torch half has written of its training.
        spec: RunSpec or ProgramSpec.
        failing: level of the probes at which they differ, if any.
        has_result: whether the run has ended.

    Returns:
        The result.
    """
    spec = spec or run_spec()
    spec = of_run(spec) if isinstance(spec, RunSpec) else spec
    keras = trained(spec)
    torch = keras.copy()
    torch.facts |= {"has_own_loop": False, "mode": "replayed"}
    if change is not None:
        change(torch)
    probes = Parts(facts={"weights": dict.fromkeys(WEIGHTS)}, spec=spec.to_dict())
    with mock.patch.object(os, "fsync"):
        for half in ("keras", "torch"):
            probes.write(folder / half)
        trainings = (
            keras.write(folder / "keras" / "training"),
            torch.write(folder / "torch" / "training"),
        )
    if not has_result:
        return None
    result = with_training(probed(spec, failing), *trainings)
    verdict = FAIL if any(level.status == FAIL for level in result.levels) else PASS
    history = {"keras": keras.history, "torch": torch.history}
    result = replace(result, verdict=verdict, history=history)
    write(folder / "result.json", result.to_json())
    return result


def trained(spec):
    """The training of either half: three epochs of two steps."""
    arrays = {"training/loss": np.linspace(2.0, 1.0, 6), "training/rates": np.full(6, 0.001)}
    for name, shape in WEIGHTS.items():
        arrays |= {f"training/weights/{n}/{name}": np.full(shape, n + 0.5) for n in STEPS}
        arrays[f"training/final/{name}"] = np.full(shape, 6.5)
    facts = {
        "epoch_ends": [2, 4, 6],
        "has_schedule": False,
        "num_train": 600,
        "num_val": 200,
    }
    history = {
        "loss": [2.0, 0.5, 0.25],
        "accuracy": [0.94, 0.945, 0.95],
        "val_loss": [1.5, 0.75, 0.5],
        "val_accuracy": [0.93, 0.935, 0.94],
        "learning_rate": [0.001] * 3,
    }
    if isinstance(spec, ScenarioSpec):
        data = run_data(spec.run)
        facts["num_classes"] = 10
        arrays["predictions/val"] = 0.02 + 0.8 * np.eye(10)[data.y_val]
        if spec.run.augmentation is not None:
            arrays["training/images/1"] = data.x_train[:20].copy()
    return Parts(arrays, facts, history, spec.to_dict())


def probed(spec, failing=""):
    """What the probes have found: all levels agree, or all but one."""
    levels = [level(name, item="stem.kernel") for name in LEVEL_IDS[:-3]]
    levels += [Level(name, SKIPPED, "not of a probe", applies=False) for name in LEVEL_IDS[-3:]]
    found = ()
    if failing:
        place = LEVEL_IDS.index(failing)
        bad = level(failing, worst=0.25, item="conv2d.kernel")
        levels[place] = replace(bad, items=(*levels[place].items, *bad.items))
        found = (Found(failing, bad.items[0], (bad.items[0].name,)),)
    is_scenario = isinstance(spec, ScenarioSpec)
    judgement = Judgement("overfit", "gap", "training is better by 0.08", 3, 0.99, True, 0.91, 0.08)
    return Result(
        verdict=PASS,
        spec=spec.told(),
        levels=tuple(levels),
        environment={"keras": ENVIRONMENT, "torch": ENVIRONMENT},
        data={"source": "embedded", "sha256": run_data(spec.run).sha256} if is_scenario else {},
        mode="seeded" if is_scenario else "replayed",
        behaviour={"keras": judgement.to_json(), "torch": judgement.to_json()},
        wall_s={"keras": 5.0, "torch": 2.5},
        divergences=found,
    )


def error_folder(folder, reason="the child ended with exit code 1"):
    """A run of which a half has crashed."""
    spec = of_run(run_spec())
    for half in ("keras", "torch"):
        write(folder / half / "spec.json", spec.to_dict())
    (folder / "torch.log").write_text(
        "progress dropout 3/57 loss=2.3\nTraceback (most recent call last):\nKeyError: 'conv9'\n"
    )
    write(folder / "result.json", Result(ERROR, spec.told(), errors=(reason,)).to_json())


def check_result(verdict=FAIL, **changes):
    """A check whose port has a wrong epsilon."""
    levels = [level("forward"), level("optimizer", worst=0.3 if verdict == FAIL else 0.0)]
    cause = {
        "id": "F2",
        "title": "epsilon of Adam is torch's",
        "level": "optimizer",
        "confidence": 0.99,
        "tried": False,
        "detail": "epsilon 1e-08 gives the port's numbers",
        "keras": "epsilon=1e-07",
        "torch": "epsilon=1e-08",
        "where": "port.py:12",
        "fix": "torch_impl.optim.Adam(..., epsilon=1e-7)",
        "source": "keras/src/optimizers/adam.py",
    }
    spec = CheckSpec("app:build", "port.py:build").to_dict()
    fields = {"mode": "replayed", **changes}
    if verdict == FAIL:
        item = levels[1].items[0]
        found = Found("optimizer", item, (item.name,), (cause,))
        fields = {"divergences": (found,), **fields}
    return Result(verdict, spec, tuple(levels), **fields)


def sweep_rows(*, scenarios=("too_large", "cured_by_dropout"), seeds=8, shift=0.0, seed=1):
    """Finished runs whose halves differ by noise, and by `shift` in the accuracy of torch."""
    generator = np.random.default_rng(seed)
    rows = []
    for name in scenarios:
        expected = SCENARIOS[name].expected or "good_fit"
        for number in range(seeds):
            level = 0.9 + 0.01 * generator.standard_normal()
            for half in ("keras", "torch"):
                val = level + 0.001 * generator.standard_normal() + shift * (half == "torch")
                judgement = Judgement(
                    expected, "gap", "because", 20, 0.99, True, val, 0.99 - val,
                    epochs_to_plateau=5 + 0.2 * generator.standard_normal(),
                )  # fmt: skip
                rows.append(Row(name, number, half, judgement, 1.5, f"{number:064x}"))
    return rows


def sweep_result(**options):
    failures = options.pop("failures", [])
    found = Sweep(rows=sweep_rows(**options), failures=failures)
    environment = {
        "command": "parity sweep too_large",
        "keras": {"versions": {"keras": "3.15.1"}},
        "torch": {"versions": {"torch": "2.13.0"}},
    }
    return result_of(found, mode="independent", environment=environment)


def sweep_folder(folder, **options):
    result = sweep_result(**options)
    (folder / "results").mkdir(parents=True)
    write(folder / "sweep.json", result.to_json())
    return result


def stored_run(row, **changes):
    """What the store keeps of a run with the judgement of a row: a flat training that overfits."""
    spec = scenario(row.scenario).replace(seed=row.seed, **changes)
    column = {
        "loss": [2.0, 0.1, 0.05, 0.04],
        "accuracy": [0.5, 0.99],
        "val_loss": [1.5, 1.0, 1.1],
        "val_accuracy": [0.4, row.judgement.val_accuracy],
        "learning_rate": [0.001],
        "eval_loss": [2.0, 0.1, 0.05, 0.04],
        "eval_accuracy": [0.5, 0.99],
    }
    column = {
        name: [*values, *[values[-1]] * (spec.epochs - len(values))]
        for name, values in column.items()
    }
    return {
        "key": row.key,
        "half": row.half,
        "spec": spec.to_dict(),
        "history": column,
        "num_classes": 10,
        "num_train": spec.train_size,
        "num_val": spec.val_size,
        "data_sha256": {"x_train": "0" * 64},
        "run": {"wall_s": 2.0, "started": 1000.0 + row.seed},
    }


def stored_runs(folder, rows, **changes):
    """The folder of a sweep that has not ended: the records of its runs alone."""
    for number, row in enumerate(rows):
        key = f"{number:064x}"
        record = stored_run(row, **changes) | {"key": key}
        write(folder / "results" / key[:2] / f"{key}.json", record)


def bench_folder(folder, result: BenchResult):
    write(folder / "bench.json", result.to_json())


def diagnosis_folder(folder, history=None):
    history = history or {
        "loss": [1.5, 0.5, 0.05, 0.01],
        "accuracy": [0.5, 0.8, 0.98, 1.0],
        "val_loss": [1.4, 0.9, 1.2, 1.6],
        "val_accuracy": [0.5, 0.7, 0.72, 0.71],
    }
    found = diagnose(history, num_classes=10, num_train=600, num_val=200)
    write(folder / "diagnosis.json", found.to_json())
    return found


def renamed(result, name):
    """A result in which every name is `name`."""
    levels = tuple(
        replace(each, items=tuple(replace(item, name=name, note=name) for item in each.items))
        for each in result.levels
    )
    checked = {
        "level": "data",
        "confidence": 0.5,
        "tried": False,
    }  # the only ones that are no free text
    place = {"keras": name, "torch": name, "where": name, "introduced": True}
    divergences = tuple(
        replace(
            found,
            item=replace(found.item, name=name, note=name),
            items=(name,),
            causes=tuple({**dict.fromkeys(cause, name), **checked} for cause in found.causes),
            place=place,
        )
        for found in result.divergences
    )
    return replace(
        result,
        levels=levels,
        divergences=divergences,
        spec={**result.spec, "torch": name, "keras": name},
        errors=(name,),
        settings=(
            {"id": name, "name": name, "keras": name, "torch": name, "layers": [[name, name]]},
        ),
    )


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8", errors="surrogatepass")


# --- a folder of each kind ------------------------------------------------------------------------


def other_images(parts):
    parts.arrays["training/images/1"][3, 5:9, 5:9] += 0.2
    parts.arrays["predictions/val"][:5] = parts.arrays["predictions/val"][:5, ::-1]


def make_half_written(folder):
    run_folder(folder, has_result=False)
    (folder / "torch" / "training" / "_SUCCESS").unlink()


def make_check(folder):
    write(folder / "result.json", check_result().to_json())


def make_several(folder):
    """Three divergences, one of them accepted, and parts that could not be compared."""
    found = check_result().divergences[0]
    levels = (
        level("init", worst=0.5, item="a_long_name_of_a_layer_of_a_block.kernel"),
        level("forward", worst=0.25),
        level("loss", worst=0.125, item="loss"),
    )
    init, forward, _ = (replace(found, level=each.id, item=each.items[0]) for each in levels)
    result = replace(
        checked_result(*levels),
        spec=check_result().spec,
        divergences=(init, replace(forward, causes=()), replace(forward, is_accepted=True)),
        inherited=(("loss", ("loss",)),),
        incomplete=incomplete_check("a_layer_that_draws_random_numbers").incomplete,
        not_compared=({"what": "head.bias", "why": "its gradient is zero in every probe"},),
    )
    write(folder / "result.json", result.to_json())


def make_incomplete(folder):
    levels = tuple(map(level, LEVEL_IDS))
    result = replace(incomplete_check(), spec=check_result().spec, levels=levels)
    write(folder / "result.json", result.to_json())


def make_hostile(folder):
    name = "\n".join(HOSTILE.values())
    write(folder / "result.json", renamed(check_result(), name).to_json())


def make_runs(folder):
    run_folder(folder / "a")
    run_folder(folder / "b", failing="gradient")
    error_folder(folder / "c")


LOST = {"scenario": "leak", "seed": 3, "half": "torch", "reason": "out of memory"}


def make_bench(folder):
    found = bench_results.noisy(3, speed=1.7)
    rows = [*found.rows, bench_results.row("torch-own", status="failed", reason="out of memory")]
    bench_folder(folder, replace(found, rows=tuple(rows)))


def make_full_bench(folder):
    """Every column has a number, and the evidence is long."""
    why = "its training loss differs by 3.2e-04 after 24 steps, allowed 1.0e-06, at step 12"
    more = {"peak_memory_mb": 1234.5, "warmup_s": 17.4, "seconds_to_accuracy": 23.5}
    found = bench_results.noisy(3, speed=1.7)
    rows = [replace(row, parity_note=why, **more) for row in found.rows]
    bench_folder(folder, replace(found, rows=tuple(rows)))


def make_sweep_with_curves(folder):
    result = sweep_folder(folder)
    rows = [replace(row, key=f"{n:064x}") for n, row in enumerate(result.rows)]
    stored_runs(folder, rows)
    write(folder / "sweep.json", replace(result, rows=tuple(rows)).to_json())


MAKERS = {
    "pass": run_folder,
    "program": partial(run_folder, spec=program_spec()),
    "gradient": partial(run_folder, failing="gradient"),
    "data": partial(run_folder, spec=run_spec("augmentation"), change=other_images),
    "error": error_folder,
    "half_written": make_half_written,
    "check": make_check,
    "several": make_several,
    "incomplete": make_incomplete,
    "hostile": make_hostile,
    "runs": make_runs,
    "sweep": sweep_folder,
    "differing_sweep": partial(sweep_folder, shift=0.05, failures=[LOST]),
    "bench": make_bench,
    "full_bench": make_full_bench,
    "sweep_with_curves": make_sweep_with_curves,
    "diagnosis": diagnosis_folder,
}
