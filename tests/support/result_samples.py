"""Results of every kind, made by hand, that the tests of several reports share."""

import dataclasses

from bench_results import result as bench_result
from bench_results import row
from checked import level as check_level
from checked import result_of

from parity.behaviour.diagnosis import diagnose
from parity.bench.result import FAILED, REFUSED
from parity.ladder.items import FAIL, LEVEL_IDS, NOT_REACHED, PASS, SKIPPED, Item, Level
from parity.ladder.result import ERROR, INCOMPLETE, Found, Result
from parity.programs.run_spec import RunSpec
from parity.stats import Equivalence
from parity.sweeps.equivalence import EquivalenceRow, SweepEquivalence
from parity.sweeps.result import SweepResult
from parity.sweeps.verdicts import Collapses, ScenarioVerdicts

CAUSE = {
    "id": "A5",
    "title": "padding 'same' with a stride is not symmetric",
    "confidence": 0.99,
    "detail": "padding=1 on both sides gives the port's numbers",
    "where": "net.py:7",
    "keras": "the odd one after",
    "torch": "k // 2 on both sides",
    "fix": "torch_impl.layers.Conv2D(padding='same')",
    "level": "forward",
    "source": "keras",
    "tried": False,
}
PLACE = {"keras": "conv1", "torch": "features.0", "where": "net.py:7", "introduced": True}
SETTING = {
    "id": "C1",
    "name": "epsilon",
    "keras": 0.001,
    "torch": 1e-05,
    "layers": [["norm", "features.1"], ["norm_1", "features.4"]],
}
ENVIRONMENT = {
    "keras": {"python": "3.12.1", "versions": {"keras": "3.15.1", "numpy": "2.4.6"}},
    "torch": {"python": "3.12.1", "versions": {"torch": "2.13.0", "numpy": "2.4.6"}},
}
HISTORY = {
    "loss": [2.0, 1.0, 0.5],
    "accuracy": [0.25, 0.5, 0.75],
    "val_loss": [2.5, 1.5, 1.0],
    "val_accuracy": [0.25, 0.5, 0.5],
    "learning_rate": [0.001, 0.001, 0.0001],
}
LEVELS = list(LEVEL_IDS)


def item(name="conv1.kernel", worst=0.0, **place):
    """One value of a million, of which 1e-12 is allowed."""
    return Item(name, worst, 1e-12, "rel", 10**6, **place)


def ladder(failing=None, found=None):
    """All levels pass; or one fails, and those above are not reached, as in an earlier version."""
    if failing is None:
        return tuple(Level(name, PASS, "measured", (item(),)) for name in LEVELS)
    start = LEVELS.index(failing)
    passed = [Level(name, PASS, "measured", (item(),)) for name in LEVELS[:start]]
    told = f"not compared: {failing} failed"
    above = [Level(name, NOT_REACHED, told) for name in LEVELS[start + 1 :]]
    return (*passed, Level(failing, FAIL, "float64", (item(), found)), *above)


def run(levels=None, *, scenario="dropout", seed=42, **changes):
    """A run, which passes unless a level fails."""
    levels = ladder() if levels is None else levels
    fields = {
        "environment": ENVIRONMENT,
        "behaviour": {"keras": {"verdict": "overfit"}, "torch": {"verdict": "overfit"}},
        "history": {"keras": HISTORY, "torch": HISTORY},
        "wall_s": {"keras": 12.25, "torch": 6.5},
        **changes,
    }
    failed = any(level.status == FAIL for level in levels)
    # Not by RunSpec, which refuses what a file from elsewhere may hold.
    spec = {**RunSpec().to_dict(), "scenario": scenario, "seed": seed}
    return Result(FAIL if failed else PASS, spec, tuple(levels), **fields)


def failing_run(**changes):
    """A run of an earlier version, whose second epoch begins elsewhere."""
    found = item("dense1.kernel", 0.5, epoch=1, step=20, index=(3, 4), keras=1.5, torch=2.0)
    return run(ladder("trajectory", found), **changes)


def explained_run(causes=(CAUSE,), place=PLACE, **changes):
    """A run that fails at one level, and two levels after it only because of that."""
    worst = {"forward": 0.75, "trajectory": 0.25, "schedule": 0.5}
    names = {"schedule": {"item": "learning_rate"}}
    levels = tuple(
        check_level(name, worst=worst.get(name, 0.0), **names.get(name, {})) for name in LEVELS
    )
    found = next(level for level in levels if level.id == "forward").items[0]
    follows = (
        ("trajectory", (found.name, "loss")),
        ("trajectory", ("val_loss",)),
        ("schedule", ("learning_rate",)),
    )
    fields = {
        "divergences": (Found("forward", found, (found.name,), tuple(causes), place),),
        "inherited": follows,
        "proven": follows,
        **changes,
    }
    return run(levels, **fields)


def incomplete_run():
    """A run that nothing contradicts, and of which something could not be compared."""
    return dataclasses.replace(
        run(), verdict=INCOMPLETE, incomplete=incomplete_check("slots").incomplete
    )


def broken_run(*errors, seed=42):
    """A run of which a half did not deliver."""
    return Result(ERROR, RunSpec(scenario="dropout", seed=seed).to_dict(), errors=errors)


def failing_check(causes=(CAUSE,), place=PLACE, **changes):
    """A check with a cause, its place, a setting that differs, and a level that is skipped."""
    levels = (
        check_level("data"),
        check_level("forward", worst=0.75, note="3 of 4 above"),
        Level("loss", SKIPPED, "the port gives no loss"),
        Level("behaviour", SKIPPED, "a check trains a few steps", applies=False),
    )
    fields = {"settings": (SETTING,), "environment": ENVIRONMENT, **changes}
    return dataclasses.replace(result_of(*levels, causes=causes, place=place), **fields)


def passing_check():
    """A port that is right."""
    return result_of(check_level("data"), check_level("forward"))


def incomplete_check(text="noise"):
    """A check that cannot be decided."""
    return dataclasses.replace(
        passing_check(),
        verdict=INCOMPLETE,
        incomplete=({"what": text, "why": f"{text} draws at random", "do": f"replay {text}"},),
    )


def accepted_check():
    """A port that differs only in what the user accepts."""
    check = failing_check()
    accepted = tuple(dataclasses.replace(each, is_accepted=True) for each in check.divergences)
    levels = tuple(
        dataclasses.replace(
            level,
            status=PASS if level.status == FAIL else level.status,
            items=tuple(dataclasses.replace(each, accepted=True) for each in level.items),
        )
        for level in check.levels
    )
    return dataclasses.replace(check, verdict=PASS, levels=levels, divergences=accepted)


def equivalence(n_needed=25):
    return Equivalence("", 0.5, 0.25, 0.75, 0.5, 1.0, 1.0, 0.015, 0.05, 10, 0.5, n_needed)


def sweep(
    verdict="pass", *, verdicts=("equivalent",), agrees=True, missing=(), count=1, collapsed=()
):
    """A sweep of some scenarios, with a comparison for each of some verdicts.

    Args:
        verdict: of the whole.
        verdicts: of the comparisons.
        agrees: whether the two halves have the same verdicts.
        missing: reasons, a missing run for each.
        count: scenarios.
        collapsed: runs of Keras and of torch, of ten, that did not train, and what that says.
    """
    torch = {"overfit": 10} if agrees else {"good_fit": 10}
    names = ["leak", *(f"leak{number}" for number in range(1, count))]
    rows = [
        ScenarioVerdicts(
            scenario=name,
            expected="overfit",
            num_seeds=10,
            num_missing=len(missing),
            keras={"overfit": 10},
            torch=torch,
            num_same=10 * agrees,
            num_near=0,
            p_different=1.0 if agrees else 0.002,
            verdict="agree" if agrees else "different",
        )
        for name in names
    ]
    keras_count, torch_count, told = collapsed or (0, 0, "equivalent")
    failed = [
        Collapses(name, 10, keras_count, torch_count, 0, 0, -0.25, 0.25, 0.1, 1.0, told)
        for name in names
    ]
    compared = [
        EquivalenceRow(
            name, f"quantity {number}", None, 0.9, 0.8, 0, False, equivalence(), 0.002, found
        )
        for name in names
        for number, found in enumerate(verdicts)
    ]
    failures = [
        {"scenario": "leak", "seed": seed, "half": "torch", "reason": reason}
        for seed, reason in enumerate(missing)
    ]
    found = SweepEquivalence("pass", tuple(rows), tuple(failed), tuple(compared))
    return SweepResult(
        verdict, "independent", "visible", found, 20, 4, tuple(failures), {"keras": 2.0}
    )


def bench(*, whole=True):
    """A benchmark of two variants; if it is not whole, two more are no result."""
    others = [
        row("torch-compiled", status=FAILED, reason="the child was killed\n(out of memory)"),
        row("torch-own", 9.0, status=REFUSED, reason="another accuracy", parity="fail"),
    ]
    measured = [row("keras", *[1000.0] * 7), row("torch", *[1500.0] * 7, parity="pass")]
    return bench_result(*measured, *([] if whole else others))


def diagnosis(*, good=False):
    """Of a history that overfits, or of one that is good."""
    val = [0.8, 0.9, 0.93, 0.94] if good else [0.6, 0.7, 0.7, 0.7]
    return diagnose(
        {
            "loss": [1.0, 0.4, 0.2, 0.15],
            "accuracy": [0.6, 0.9, 0.95, 0.96],
            "val_loss": [0.6, 0.35, 0.25, 0.2],
            "val_accuracy": val,
        }
    )


# Verdict -> results that have it: good ones, and all others.
GOOD = {
    "run": run(),
    "check": passing_check(),
    "check of which something is accepted": accepted_check(),
    "sweep": sweep(),
    "bench": bench(),
    "diagnosis": diagnosis(good=True),
}
BAD = {
    "failing run": failing_run(),
    "failing run with a cause": explained_run(),
    "incomplete run": incomplete_run(),
    "run without a level": dataclasses.replace(run(()), verdict=FAIL),
    "broken run": broken_run("keras was killed\n  the last line of its log"),
    "broken run without a reason": broken_run(),
    "failing check": failing_check(),
    "incomplete check": incomplete_check(),
    "level that compared nothing": run((Level("data", FAIL, "bit for bit"),)),
    "verdicts that differ": sweep("fail", agrees=False),
    "quantities that differ": sweep("fail", verdicts=["different"]),
    "runs that did not train": sweep("inconclusive", collapsed=(0, 1, "inconclusive")),
    "inconclusive sweep": sweep("inconclusive", verdicts=["inconclusive"]),
    "sweep without comparisons": sweep("inconclusive", verdicts=[]),
    "incomplete sweep": sweep("incomplete", missing=["the child was killed\nlog", "hung"]),
    "bench": bench(whole=False),
    "diagnosis": diagnosis(),
}


def named(text):
    """Results of every kind in which a text from outside stands wherever one can."""
    found = item(text, 1.0, keras=text, torch=text, note=text)
    cause = {key: value if key == "confidence" else text for key, value in CAUSE.items()}
    setting = {**SETTING, "name": text, "keras": text, "torch": text, "layers": [[text, text]]}
    place = {**PLACE, "keras": text, "torch": text, "where": text}
    told = {
        "settings": (setting,),
        "environment": {"keras": {"python": text, "versions": {text: text}}},
    }
    left_out = {"what": text, "why": text}
    check = failing_check(
        (cause,),
        place,
        inherited=(("loss", (text,)),),
        incomplete=({**left_out, "do": text},),
        not_compared=(left_out,),
        **told,
    )
    return [
        run(ladder("forward", found), scenario=text, **told),
        incomplete_check(text),
        dataclasses.replace(check, spec={**check.spec, "torch": text, "keras": text}),
        broken_run(text, text),
        sweep("incomplete", missing=[text]),
        bench_result(
            row(text, *[1000.0] * 7, parity_note=text, environment={"versions": {text: text}}),
            row("b", status=FAILED, reason=text),
            row("c", status=REFUSED, reason=text),
            baseline=text,
        ),
        dataclasses.replace(diagnosis(), causes=()),
    ]
