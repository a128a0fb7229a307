"""A key changes with everything that decides a result, and with nothing else."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT
from programs_here import FOLDER
from rows import each_row

import parity
from parity.errors import InputError
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import Augmentation, EarlyStopping, ReduceLR, RunSpec
from parity.sweeps import task
from parity.sweeps.batch import write_batch, write_telling
from parity.sweeps.task import PROGRAM_MODULES, RUN_MODULES, Task, tasks_of

PYTHONS = dict.fromkeys(HALVES, sys.executable)
SPEC = RunSpec(scenario="one", epochs=2)

# Another value for each field of a spec.
OTHER = {
    "model": "dropout",
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 0.002,
    "weight_decay": 0.1,
    "l2": 0.01,
    "augmentation": Augmentation(rotation_range=5),
    "reduce_lr": ReduceLR(),
    "early_stopping": EarlyStopping(),
    "mode": "independent",
    "seed": 1,
    "data": "data.npz",
    "train_size": 500,
    "val_size": None,
    "split": "last",
    "label_noise": 0.1,
    "leakage": 0.1,
    "dtype": "float64",
    "device": "cuda",
    "threads": 2,
}

# What a child imports and what is not part of the code in the key, with the reason.
NOT_IN_KEY = {
    "programs/check_spec": "settings of a check, which a training has none of",
    "programs/user_modules": "finds the user's files, of which a scenario has none",
}


def forget():
    for cache in (task.code_digest, task.data_digest, task.versions):
        cache.cache_clear()


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    forget()
    yield
    forget()


def save(path, pixel=0):
    x, y = np.full((8, 4, 4), pixel, np.uint8), np.arange(8) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)


def keys(*specs, halves=HALVES, pythons=PYTHONS):
    return [found.key for found in tasks_of(specs, pythons, halves)]


def halves_with_other_keys(before):
    """The halves whose keys of SPEC are others than before, with nothing remembered."""
    forget()
    return [half for half, old, new in zip(HALVES, before, keys(SPEC), strict=True) if old != new]


def test_every_run_has_a_task_in_each_half_in_order():
    specs = [SPEC, SPEC.replace(seed=1)]
    tasks = tasks_of(specs, PYTHONS)
    assert [(found.spec, found.half) for found in tasks] == [
        (spec, half) for spec in specs for half in ("keras", "torch")
    ]
    assert all(re.fullmatch(r"[0-9a-f]{64}", found.key) for found in tasks)
    assert (tasks[0].name, tasks[0].cost) == ("one seed 42 keras", 1200)
    assert tasks_of(specs, PYTHONS, ["torch"]) == tasks[1::2]


def test_runs_with_equal_content_are_one_task():
    specs = [SPEC, SPEC.replace(scenario="two"), RunSpec(scenario="three", epochs=2)]
    assert [found.spec.scenario for found in tasks_of(specs, PYTHONS)] == ["one", "one"]


def test_every_field_of_a_spec_has_another_value_here():
    assert {field.name for field in dataclasses.fields(RunSpec)} == {"scenario", *OTHER}


@each_row("half", HALVES)
@each_row("name", OTHER)
def test_a_field_of_the_spec_decides(name, half, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("data.npz")
    found = keys(SPEC, SPEC.replace(**{name: OTHER[name]}), halves=[half])
    # Keras always draws its own numbers: the mode is that of the torch half.
    assert len(found) == (1 if (name, half) == ("mode", "keras") else 2)


@each_row(
    ("name", "group"),
    [
        ("augmentation", Augmentation(zoom_range=0.1)),
        ("reduce_lr", ReduceLR(patience=2)),
        ("early_stopping", EarlyStopping(patience=2)),
    ],
)
def test_a_field_of_a_group_decides(name, group):
    assert len(keys(*(SPEC.replace(**{name: value}) for value in (type(group)(), group)))) == 4


def test_the_key_is_the_digest_of_these_parts(monkeypatch):
    """What a store holds is found again only as long as they have these names and values."""
    monkeypatch.setattr(task, "code_digest", lambda half: "1")
    monkeypatch.setattr(task, "data_digest", lambda name: "2")
    monkeypatch.setattr(task, "versions", lambda half, python: {"versions": {}, "machine": "3"})
    spec = {"model": "underfit", "seed": 7}
    monkeypatch.setattr(RunSpec, "to_dict", lambda self: {"scenario": "x", "mode": "m", **spec})
    parts = {
        "code": "1",
        "data": "2",
        "half": "keras",
        "machine": "3",
        "schema": 1,
        "spec": spec,
        "versions": {},
    }
    text = json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()
    assert keys(SPEC, halves=["keras"]) == [hashlib.sha256(text).hexdigest()]


def test_the_content_of_the_data_decides(tmp_path):
    def key(pixel):
        save(tmp_path / "data.npz", pixel)
        forget()
        return keys(SPEC.replace(data=str(tmp_path / "data.npz")))[0]

    assert key(0) != key(1) != key(0) == key(0)


@each_row(
    ("package", "halves"),
    [
        ("torch", ["torch"]),
        ("torchvision", ["torch"]),
        ("keras", ["keras"]),
        ("tensorflow", ["keras"]),
        ("scipy", ["keras"]),
        ("numpy", ["keras", "torch"]),
        ("click", []),
    ],
)
def test_the_version_of_a_package_decides_where_it_computes(package, halves, monkeypatch):
    forget()
    before, version = keys(SPEC), task.version
    monkeypatch.setattr(task, "version", lambda name: "0" if name == package else version(name))
    assert halves_with_other_keys(before) == halves


@pytest.mark.parametrize("name", ["python_version", "machine"])
def test_interpreter_and_processor_decide(name, monkeypatch):
    before = keys(SPEC)
    monkeypatch.setattr(task.platform, name, lambda: "another")
    assert halves_with_other_keys(before) == ["keras", "torch"]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the source, of which the keys are made."""
    left_out = shutil.ignore_patterns("__pycache__", "*.npz")
    for package in ("parity", "keras_impl", "torch_impl"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=left_out)
    before = keys(SPEC)
    monkeypatch.setattr(parity, "__file__", str(tmp_path / "parity" / "__init__.py"))
    assert halves_with_other_keys(before) == []  # wherever it lies
    return tmp_path


@each_row(
    ("files", "halves"),
    [
        ([f"parity/{name}.py" for name in RUN_MODULES], ["keras", "torch"]),
        (["keras_impl/train.py", "keras_impl/models.py"], ["keras"]),
        (["torch_impl/train.py", "torch_impl/philox.c", "torch_impl/augment/affine.c"], ["torch"]),
        (["parity/cli/main.py", "parity/stats.py", "parity/report/text/page.py"], []),
    ],
)
def test_code_decides_where_it_runs(copy, files, halves):
    for name in files:
        before = keys(SPEC)
        with (copy / name).open("ab") as file:
            file.write(b"\n")
        assert halves_with_other_keys(before) == halves, name


@each_row(("name", "halves"), [("new.py", ["torch"]), ("__pycache__/new.pyc", [])])
def test_a_new_file_of_a_half_decides(copy, name, halves):
    before, path = keys(SPEC), copy / "torch_impl" / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert halves_with_other_keys(before) == halves


# Each work in a fork of a process that has imported the framework alone, and nothing of ours.
CHILD = """
import importlib, json, os, sys
name, *works = sys.argv[1:]
importlib.import_module(name)
assert not any(key.partition(".")[0] == "parity" for key in sys.modules)

def imported(work, directory):
    from parity.worker import main
    code = main(name, importlib.import_module(f"parity.halves.{name}"), [work, directory])
    modules = [key for key, module in sys.modules.items() if not hasattr(module, "__path__")]
    names = [key.removeprefix("parity.") for key in modules if key.startswith("parity.")]
    print(json.dumps([code, names]), flush=True)

for work, directory in zip(works[::2], works[1::2]):
    pid = os.fork()
    if not pid:
        imported(work, directory)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""


def imported(half, *works):
    """Names of the modules of `parity` that a child has imported at the end of each work."""
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, half, *map(str, sum(works, ()))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    found = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("[")]
    assert [code for code, _ in found] == [0] * len(works)
    # Packages themselves are left out: they hold no code.
    return [
        {name.replace(".", "/") for name in names if not name.startswith(f"halves.{half}.")}
        for _, names in found
    ]


PROGRAM = ProgramSpec(
    program="small",
    keras="keras_side.py:build",
    torch="torch_side.py:build",
    folder=str(FOLDER),
    epochs=1,
)
# Of what a child imports for a program of the user's, what changes no result. Probes and their
# ladder, whose modules stand beside those of a training, are none of a sweep's.
JUDGING = ("ladder/", "behaviour/")
NOT_IN_PROGRAM_KEY = {
    *("data/draws", "data/probe_inputs", "data/samples", "traces/training_recorder"),
    "halves/job",  # of a parent
}


@pytest.mark.long
def test_what_a_child_imports_is_part_of_the_key(tmp_path):
    store, told = str(tmp_path / "store"), tmp_path / "told"
    spec = RunSpec(model="underfit", epochs=1, train_size=32, val_size=32)
    for number, half in enumerate(HALVES):
        write_batch(tmp_path / f"{half}-run", [Task(half, spec, f"{number}" * 64)], store)
    ported = Task("torch", PROGRAM, "2" * 64)
    write_telling(told, [ported], 10**9)
    write_batch(tmp_path / "torch", [ported], store, told)
    write_batch(tmp_path / "keras", [Task("keras", PROGRAM, "3" * 64)], store)
    for half, telling in (("keras", [("tell", told)]), ("torch", [])):
        works = [("batch", tmp_path / f"{half}-run"), *telling, ("batch", tmp_path / half)]
        of_run, *of_programs = imported(half, *works)
        assert of_run - set(NOT_IN_KEY) <= set(RUN_MODULES), half
        of_key = {name for name in set().union(*of_programs) if not name.startswith(JUDGING)}
        assert of_key - NOT_IN_PROGRAM_KEY <= set(PROGRAM_MODULES), half
    assert {path.stem[0] for path in (tmp_path / "store").rglob("*.json")} == {*"0123"}


@each_row("modules", [RUN_MODULES, PROGRAM_MODULES])
def test_every_module_in_the_key_is_there(modules):
    assert all((ROOT / "parity" / f"{name}.py").is_file() for name in modules)
    assert len(set(modules)) == len(modules)


def pythons_with(folder, half, line):
    """The interpreters, of which that of a half is a script with this line."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o700)
    return {**PYTHONS, half: str(path)}


def test_another_interpreter_is_asked_and_its_path_does_not_decide(tmp_path):
    pythons = pythons_with(tmp_path, "torch", f'exec {sys.executable} "$@"')
    assert keys(SPEC, pythons=pythons) == keys(SPEC)


@each_row(
    ("half", "line", "message"),
    [
        ("torch", "echo 'no JSON'", r"--torch-python .* did not report its versions"),
        ("keras", "false", r"--keras-python .* extra 'keras'"),
    ],
)
def test_an_interpreter_that_fails_or_does_not_answer(tmp_path, half, line, message):
    with pytest.raises(InputError, match=message):
        keys(SPEC, pythons=pythons_with(tmp_path, half, line))


def test_an_interpreter_that_is_missing():
    with pytest.raises(InputError, match=r"--keras-python .* extra 'keras'"):
        keys(SPEC, pythons={**PYTHONS, "keras": "/no/such/python"})


def test_keys_are_the_same_in_every_process(tmp_path):
    program = (
        "import sys; from parity.programs.run_spec import RunSpec\n"
        "from parity.sweeps.task import tasks_of\n"
        "pythons = dict.fromkeys(('keras', 'torch'), sys.executable)\n"
        "print(*[t.key for t in tasks_of([RunSpec(scenario='one', epochs=2)], pythons)])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"}
    answer = subprocess.check_output(
        [sys.executable, "-c", program], text=True, cwd=tmp_path, env=environment
    )
    assert answer.split() == keys(SPEC)
