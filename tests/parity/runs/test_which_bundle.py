"""Which bundle stands for a Keras half: what is asked for is as recorded, the rest is taken."""

import json
import os
import re
from contextlib import nullcontext
from pathlib import Path

import check_pairs
import pytest
from recorded_runs import archived, entries_of
from safetensors.numpy import save

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec, probes_of
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenario_spec import of_run
from parity.programs.scenarios import scenario
from parity.runs.against import check_against, run_against
from parity.traces.bundle_spec import RUN_ARRAYS, RUN_FACTS, RUN_SCHEMA, bundle_name

STEPS = check_pairs.STEPS


@pytest.fixture
def bundles(tmp_path):
    """Writes bundles of checks: `bundles("any/name.parity", keras="k:f")`."""

    def write(name, **spec):
        recorded = check_pairs.recorded()
        recorded.spec |= {"batch_size": 4, "seed": 0, **spec}
        return recorded.pack(tmp_path / name)

    return write


@pytest.fixture
def runs(bundles):
    """Writes bundles of runs, of which only what they say of themselves is looked at."""

    def write(name, spec=None, **settings):
        spec = spec or ProgramSpec(**settings)
        path = bundles(name, **{**probes_of(spec).to_dict(), "steps": STEPS})
        empty = {key: {} for key in ("environment", "facts", "arrays", "history", "files", "feed")}
        content = {"schema": RUN_SCHEMA, "spec": spec.to_dict(), "arrays_sha256": "", **empty}
        text = json.dumps({**content, "wall_s": 0.0}).encode()
        path.write_bytes(archived({**entries_of(path), RUN_FACTS: text, RUN_ARRAYS: save({})}))
        return path

    return write


def wanted(tmp_path, kind=CheckSpec, **settings):
    """What is asked for, by a test in a folder of its project."""
    folder = tmp_path / "tests"
    folder.mkdir(exist_ok=True)
    (folder / "port.py").touch()
    return kind(torch="port.py:build", folder=str(folder), **settings)


def against(spec, place, asked=(), root=None, name=""):
    """The bundle that is taken, and the spec of what is compared with it."""
    if isinstance(spec, ProgramSpec):
        return run_against(spec, place, asked, root, name)
    answered = check_against(spec, place, asked, root, name)
    return Path(answered.against), answered


# --- by its factory ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("shop.models:build", "shop.models:build"),
        ("models.py:build", "models.py:build"),
        ("tests/models.py:build", "models.py:build"),
        ("../tests/models.py:build", "models.py:build"),
        ("{root}/tests/models.py:build", "models.py:build"),
        ("tests.models:build", "models.py:build"),
        ("models:Nets.build", "shop.models:Nets.build"),
        ("/elsewhere/models.py:build", "models.py:build"),
        ("train.py", "train.py"),
        ("/elsewhere/train.py", "train.py"),
    ],
    ids=[
        *("module", "file", "from_above", "from_beside", "absolute", "as_module", "inner"),
        *("outside", "script", "script_outside"),
    ],
)
@pytest.mark.parametrize("kind", [CheckSpec, ProgramSpec])
def test_a_bundle_of_any_name_is_found_by_the_factory_it_was_recorded_from(
    kind, recorded, asked, bundles, runs, tmp_path
):
    runs("other.parity", keras="shop.models:other")
    path = runs("deep/er/my model.parity", keras=recorded.format(root=tmp_path))
    (tmp_path / "deep" / "broken.parity").write_text("no bundle")
    for place in (tmp_path, path):
        assert against(wanted(tmp_path, kind, keras=asked), place, root=tmp_path)[0] == path


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("tests.models:build", "shop.models:build_all"),
        ("tests.models:build", "shop.nets:build"),
        ("tests.models:build", "models.py:other"),
        ("tests.models:build", "other/models.py:build"),
        ("train.py:build", "train.py"),
    ],
)
@pytest.mark.parametrize("kind", [CheckSpec, ProgramSpec])
def test_a_bundle_of_another_factory_is_not_taken(kind, recorded, asked, runs, tmp_path):
    path = runs("a.parity", keras=recorded)
    spec = wanted(tmp_path, kind, keras=asked)
    for place, message in (
        (path, f"it is of {recorded}, and {asked} is asked for; name"),
        (tmp_path, rf"no bundle of a \w+ of {asked}; record one with `pari"),
    ):
        with pytest.raises(InputError, match=message):
            against(spec, place, root=tmp_path)


def test_of_several_bundles_the_nearest_is_taken(bundles, tmp_path):
    spec = wanted(tmp_path, keras="models.py:build")

    def taken(name=""):
        return against(spec, tmp_path, root=tmp_path, name=name)[0]

    for name in ("a.parity", "b.parity"):
        bundles(name, keras="models.py:build", seed=3)
    with pytest.raises(InputError, match=r"several bundles are of .* .*a\.parity, .*b\.parity"):
        taken()
    path = bundles("c.parity", keras="tests/models.py:build", seed=3)
    assert taken() == path, "its name says more of the factory"
    path = bundles("d.parity", keras="models.py:build")
    assert taken() == path, "it is what would be computed here"
    named = bundles(bundle_name(spec, tmp_path), keras="models.py:build", seed=3)
    assert taken(named.name) == named
    bundles(f"older/{named.name}", keras="models.py:build", seed=3)
    assert (taken(named.name), taken()) == (named, path), "that below it comes after it"


def test_a_file_that_is_no_bundle_is_told_and_one_of_a_check_is_no_run(bundles, tmp_path):
    (tmp_path / "a.parity").write_text("no bundle")
    with pytest.raises(InputError, match=r"no bundle of a check of k:f; .*it is no zip archive"):
        against(wanted(tmp_path, keras="k:f"), tmp_path)
    bundles("a.parity", keras="k:f")
    with pytest.raises(InputError, match="it holds a check alone, and no whole run; record one"):
        against(wanted(tmp_path, ProgramSpec, keras="k:f"), tmp_path)


def test_a_bundle_that_was_recorded_anew_is_read_anew(bundles, tmp_path):
    path = bundles("a.parity", keras="k:f", seed=1)
    spec = wanted(tmp_path, keras="k:f")
    with pytest.raises(InputError, match="with seed 1"):
        against(spec, path, {"seed"})
    bundles("a.parity", keras="k:f")
    os.utime(path, ns=(1, 1))
    assert against(spec, path, {"seed"})[0] == path


# --- by its settings -----------------------------------------------------------------------------

# What was recorded of a run, what is asked for of it, and why it is refused.
SCRIPT = {"keras": "train.py", "arguments": ["3"]}
CHECKED = {
    "nothing": ({}, {}, ""),
    "seed": ({}, {"seed": 42}, ""),
    "another_seed": ({"seed": 7}, {}, ""),
    "training": ({"batch_size": 6, "epochs": 3, "data": "d.npz"}, {"batch_size": 4}, ""),
    "float32": ({"dtype": "float32"}, {}, ""),
    "float32_asked": ({"dtype": "float32"}, {"dtype": "float32"}, ""),
    "arguments": (SCRIPT, {"arguments": ["3"]}, ""),
    "port_alone": ({"seed": 7}, {"keras": None}, ""),
    "wrong_seed": ({}, {"seed": 0}, "recorded with seed 42, and seed 0 is asked for"),
    "wrong_batch": ({"batch_size": 6}, {"batch_size": 6}, "batch size 4, and batch size 6 is"),
    "wrong_steps": ({}, {"steps": 6}, "recorded with steps 2, and steps 6 is asked for"),
    "wrong_dtype": ({"dtype": "float32"}, {"dtype": "float64"}, "dtype float32, and dtype float64"),
    "wrong_data": ({}, {"data": "d.npz"}, "the program's own data, and data d.npz is asked for"),
    "wrong_arguments": (SCRIPT, {"arguments": ["4"]}, "recorded with arguments 3, and arguments 4"),
    "wrong_seed_of_port": ({}, {"keras": None, "seed": 0}, "with seed 42, and seed 0 is asked for"),
}
TRAINED = {
    "epochs": ({"epochs": 2}, {"epochs": 2}, ""),
    "data": ({"data": "a/d.npz"}, {"data": "b/d.npz"}, ""),
    "own_seed": (SCRIPT, {}, ""),
    "set_seed": ({**SCRIPT, "sets_seed": True, "seed": 5}, {"seed": 5}, ""),
    "wrong_epochs": ({}, {"epochs": 3}, "with the program's own epochs, and epochs 3 is asked for"),
    "wrong_batch": ({}, {"batch_size": 8}, "own batch size, and batch size 8 is asked for"),
    "wrong_train": ({}, {"train_size": 8}, "own train size, and train size 8 is asked for"),
    "wrong_data": ({}, {"data": "d.npz"}, "the program's own data, and data d.npz is asked for"),
    "wrong_dtype": ({}, {"dtype": "float32"}, "dtype float64, and dtype float32 is asked for"),
    "wrong_seed": ({}, {"seed": 7}, "recorded with seed 42, and seed 7 is asked for"),
    "script_seed": (SCRIPT, {"seed": 42}, "own seed, and seed 42 is asked for"),
    "no_port": ({}, {"torch": None}, "--torch is missing: expected the factory of the port"),
    "no_file": ({}, {"torch": "no.py:build"}, "--torch no.py:build: there is no file no.py"),
}


@pytest.mark.parametrize(
    ("kind", "recorded", "asked", "message"),
    [
        *(pytest.param(CheckSpec, *row, id=f"check_{name}") for name, row in CHECKED.items()),
        *(pytest.param(ProgramSpec, *row, id=f"run_{name}") for name, row in TRAINED.items()),
    ],
)
def test_a_run_answers_a_check_and_a_run_unless_something_else_is_asked_for(
    kind, recorded, asked, message, runs, tmp_path
):
    recorded = {"keras": "k.py:f", "seed": 42, **recorded}
    path = runs("a.parity", **recorded)
    spec = wanted(tmp_path, kind, keras=recorded["keras"]).replace(**asked)
    for place in (path, tmp_path):
        with pytest.raises(InputError, match=re.escape(message)) if message else nullcontext():
            taken, answered = against(spec, place, asked)
            assert (taken, answered.seed, answered.torch) == (path, recorded["seed"], spec.torch)
            assert answered.keras == (recorded["keras"] if kind is ProgramSpec else None)


@pytest.mark.parametrize(
    ("spec", "asked", "message"),
    [
        (of_run(scenario("dropout")), {"epochs"}, "with epochs 2, and epochs 20 is asked for"),
        (of_run(scenario("capacity")), (), "it is of dropout, and capacity is asked for"),
        (ProgramSpec(torch="port:build"), (), "it is of dropout, and any program is asked for"),
    ],
)
def test_a_scenario_is_found_by_its_name_and_takes_what_was_recorded(
    spec, asked, message, runs, tmp_path
):
    run = scenario("dropout").replace(epochs=2)
    path = runs("a.parity", of_run(run))
    same = of_run(scenario("dropout").replace(threads=2))
    assert against(same, tmp_path) == (path, of_run(run.replace(threads=2)))
    with pytest.raises(InputError, match=message):
        against(spec, path, asked)
