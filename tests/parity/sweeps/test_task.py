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


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    caches = (task.code_digest, task.versions)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def save(path, pixel=0):
    x, y = np.zeros((8, 4, 4), np.uint8), np.arange(8) % 2
    x[0, 0, 0] = pixel
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)


def keys(*specs, halves=HALVES, pythons=PYTHONS):
    return [found.key for found in tasks_of(specs, pythons, halves)]


def test_every_run_has_a_task_in_each_half_in_order():
    specs = [SPEC, SPEC.replace(seed=1)]
    tasks = tasks_of(specs, PYTHONS)
    assert [(found.spec, found.half) for found in tasks] == [
        (spec, half) for spec in specs for half in ("keras", "torch")
    ]
    assert all(re.fullmatch(r"[0-9a-f]{64}", found.key) for found in tasks)
    assert tasks[0].name == "one seed 42 keras"
    assert tasks[0].cost == 1200
    assert [found.half for found in tasks_of(specs, PYTHONS, ["torch"])] == ["torch", "torch"]


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


@each_row("group", [Augmentation(zoom_range=0.1), ReduceLR(patience=2), EarlyStopping(patience=2)])
def test_a_field_of_a_group_decides(group):
    name = {Augmentation: "augmentation", ReduceLR: "reduce_lr", EarlyStopping: "early_stopping"}
    setting = name[type(group)]
    specs = [SPEC.replace(**{setting: value}) for value in (type(group)(), group)]
    assert len(keys(*specs)) == 4


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
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    assert keys(SPEC, halves=["keras"]) == [hashlib.sha256(text.encode()).hexdigest()]


def test_the_content_of_the_data_decides(tmp_path):
    path = tmp_path / "data.npz"
    found = []
    for pixel in (0, 1, 0):
        save(path, pixel)
        task.data_digest.cache_clear()
        found.append(keys(SPEC.replace(data=str(path)))[0])
    assert found[0] == found[2] != found[1]


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
    task.versions.cache_clear()
    before = dict(zip(HALVES, keys(SPEC), strict=True))
    version = task.version
    monkeypatch.setattr(task, "version", lambda name: "0" if name == package else version(name))
    task.versions.cache_clear()
    after = dict(zip(HALVES, keys(SPEC), strict=True))
    assert [half for half in HALVES if before[half] != after[half]] == halves


@pytest.mark.parametrize("name", ["python_version", "machine"])
def test_interpreter_and_processor_decide(name, monkeypatch):
    before = keys(SPEC)
    monkeypatch.setattr(task.platform, name, lambda: "another")
    task.versions.cache_clear()
    assert not set(before) & set(keys(SPEC))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the source, of which the keys are made."""
    for package in ("parity", "keras_impl", "torch_impl"):
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.npz"),
        )
    before = keys(SPEC)
    monkeypatch.setattr(parity, "__file__", str(tmp_path / "parity" / "__init__.py"))
    task.code_digest.cache_clear()
    assert keys(SPEC) == before  # wherever it lies
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
    task.code_digest.cache_clear()
    before = dict(zip(HALVES, keys(SPEC), strict=True))
    for name in files:
        path = copy / name
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        task.code_digest.cache_clear()
        after = dict(zip(HALVES, keys(SPEC), strict=True))
        assert [half for half in HALVES if before[half] != after[half]] == halves, name
        path.write_bytes(content)


def test_a_new_file_of_a_half_decides(copy):
    before = keys(SPEC)
    (copy / "torch_impl" / "new.py").touch()
    (copy / "torch_impl" / "__pycache__").mkdir()
    (copy / "torch_impl" / "__pycache__" / "new.pyc").touch()
    task.code_digest.cache_clear()
    assert [old == new for old, new in zip(before, keys(SPEC), strict=True)] == [True, False]


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
    paths = [{name.replace(".", "/") for name in names} for _, names in found]
    return [{p for p in each if not p.startswith(f"halves/{half}/")} for each in paths]


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
    found = {
        "keras": imported(
            "keras",
            ("batch", tmp_path / "keras-run"),
            ("tell", told),
            ("batch", tmp_path / "keras"),
        ),
        "torch": imported(
            "torch", ("batch", tmp_path / "torch-run"), ("batch", tmp_path / "torch")
        ),
    }
    for half, (of_run, *of_programs) in found.items():
        assert of_run - set(NOT_IN_KEY) <= set(RUN_MODULES), half
        for names in of_programs:
            of_key = {name for name in names if not name.startswith(JUDGING)}
            assert of_key - NOT_IN_PROGRAM_KEY <= set(PROGRAM_MODULES), half
    results = (tmp_path / "store" / "results").rglob("*.json")
    assert sorted(path.stem[0] for path in results) == ["0", "1", "2", "3"]


@each_row("modules", [RUN_MODULES, PROGRAM_MODULES])
def test_every_module_in_the_key_is_there(modules):
    assert all((ROOT / "parity" / f"{name}.py").is_file() for name in modules)
    assert len(set(modules)) == len(modules)


@pytest.fixture
def other_python(tmp_path):
    """An interpreter of another path, which is this one."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    path.chmod(0o700)
    return str(path)


def test_another_interpreter_is_asked_and_its_path_does_not_decide(other_python):
    assert keys(SPEC, pythons={**PYTHONS, "torch": other_python}) == keys(SPEC)


def test_an_interpreter_that_does_not_answer(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no JSON'\n")
    python.chmod(0o700)
    with pytest.raises(InputError, match=r"--torch-python .* did not report its versions"):
        keys(SPEC, pythons={**PYTHONS, "torch": str(python)})


def test_an_interpreter_that_is_missing_or_fails():
    for python in ("/no/such/python", "false"):
        with pytest.raises(InputError, match=r"--keras-python .* extra 'keras'"):
            keys(SPEC, pythons={**PYTHONS, "keras": python})


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
