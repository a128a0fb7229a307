"""A child takes one pair after the other; what is wrong with one keeps no other from its turn."""

import os
import sys
import threading

import check_pairs
import pytest

from parity.errors import InputError
from parity.files.json_io import read_json, write_json
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import load_factory
from parity.programs.program_spec import ProgramSpec
from parity.runs.child import run_checks, run_programs
from parity.runs.steps import error_of
from parity.traces.folder import FAILURE, SUCCESS, RunFolder
from parity.traces.trace import Trace


class Half:
    """A half whose factories say what it does."""

    def __init__(self):
        self.told, self.configured = [], []

    def configure(self, spec):
        self.configured.append(spec)

    def factory_of(self, spec):
        own = next(name for name in (spec.keras, spec.torch) if name and "child_nets" in name)
        return load_factory("--half", own, spec.folder)

    def run_check(self, spec, factory, writer, keras=None):
        self.told.append((spec, keras))
        factory()
        reference = check_pairs.recorded(spec.seed)
        for key, array in reference.arrays.items():
            writer.put(key, array)
        writer.facts.update(reference.facts)

    def describe_environment(self, spec):
        return {"framework": "none"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "child_nets.py").write_text(
        "from parity.errors import InputError\n"
        "def build(): pass\n"
        "def breaks(): raise ZeroDivisionError('in build')\n"
        "def refuses(): raise InputError('use another')\n"
        "def misses(): import a_module_of_the_users\n"
        "def needs_torch(): raise ModuleNotFoundError('no torch', name='torch')\n"
    )
    yield tmp_path
    sys.modules.pop("child_nets", None)


def directories(folder, half, functions, **settings):
    found = []
    for number, function in enumerate(functions):
        directory = folder / f"{half}{number}"
        directory.mkdir()
        values = {half: f"child_nets.py:{function}", "folder": str(folder), "seed": 3, "steps": 2}
        write_json(directory / "spec.json", CheckSpec(**{**values, **settings}).to_dict())
        found.append(directory)
    return found


def assert_times(environment):
    """Importing the framework, which takes seconds, is told apart from the check."""
    assert set(environment["wall_s"]) == {"import", "check"}
    assert all(0 <= seconds < 60 for seconds in environment["wall_s"].values())


def test_keras_leaves_a_trace(folder):
    (directory,) = directories(folder, "keras", ["build"], torch="a:b")
    half = Half()
    run_checks("keras", half, [directory], os.getppid())
    ((_, keras),) = half.told
    assert keras is None
    trace = Trace(directory)
    assert trace.facts == check_pairs.recorded().facts
    assert trace.environment["framework"] == "none"
    assert_times(trace.environment)


def test_torch_takes_seed_and_sizes_from_what_keras_left(folder):
    check_pairs.recorded().read(folder / "keras")
    (directory,) = directories(
        folder, "torch", ["build"], against="a.parity", seed=99, batch_size=7
    )
    half = Half()
    run_checks("torch", half, [directory], os.getppid())
    ((spec, keras),) = half.told
    assert (spec.seed, spec.steps, spec.batch_size) == (3, check_pairs.STEPS, check_pairs.BATCH)
    assert keras.directory == folder / "keras"
    with pytest.raises(InputError, match=r"a\.parity: it has no array 'init/other'"):
        keras["init/other"]
    environment = Trace(directory).environment
    assert environment["framework"] == "none"
    assert_times(environment)


def test_what_fails_is_written_down_and_the_next_goes_on(folder, capsys):
    found = directories(folder, "keras", ["breaks", "refuses", "misses", "nothing", "build"])
    with pytest.raises(InputError, match="has no 'nothing'"):
        run_checks("keras", Half(), found, os.getppid())
    told = [read_json(d / FAILURE) if (d / FAILURE).exists() else None for d in found]
    assert told[:2] == [
        {"is_input": False, "message": "ZeroDivisionError: in build (child_nets.py:3)"},
        {"is_input": True, "message": "use another"},
    ]
    assert told[2]["message"].startswith("ModuleNotFoundError: No module named 'a_module_of")
    assert (told[3]["is_input"], told[4]) == (True, None)
    assert [(d / SUCCESS).exists() for d in found] == [False] * 4 + [True]
    log = capsys.readouterr()
    assert log.err.count("Traceback (most recent call last)") == 2  # of the users' own errors
    assert [line.split()[1:3] for line in log.out.splitlines()] == [
        [f"keras{n}", f"{n}/5"] for n in range(5)
    ]


@pytest.mark.parametrize(("run", "kind"), [(run_checks, CheckSpec), (run_programs, ProgramSpec)])
def test_a_device_that_is_missing_is_bad_input_of_every_directory(run, kind, folder, monkeypatch):
    def configure(self, spec):
        raise InputError(f"device={spec.device}: there is none")

    monkeypatch.setattr(Half, "configure", configure)
    found = directories(folder, "torch", ["build", "build"])
    for directory in found:
        write_json(directory / "spec.json", kind(device="cuda").to_dict())
    with pytest.raises(InputError, match="cuda: there is none"):
        run("torch", Half(), found, os.getppid())
    for directory in found:
        told = error_of(RunFolder(directory), "torch half: it ended")
        assert (type(told), str(told)) == (InputError, "device=cuda: there is none")


def test_a_framework_that_is_missing_ends_the_child(folder):
    check_pairs.recorded().read(folder / "keras")
    found = directories(folder, "torch", ["needs_torch", "build"], against="a.parity")
    with pytest.raises(ModuleNotFoundError, match="no torch"):
        run_checks("torch", Half(), found, os.getppid())
    assert not (found[1] / SUCCESS).exists()


def test_a_child_whose_parent_is_gone_stops(folder):
    found = directories(folder, "keras", ["build"])
    with pytest.raises(SystemExit, match="the parent process is gone"):
        run_checks("keras", Half(), found, os.getppid() + 1)
    assert not (found[0] / SUCCESS).exists()


def test_the_port_waits_for_what_keras_leaves_and_its_wait_is_no_part_of_its_time(folder):
    (directory,) = directories(folder, "torch", ["build"], against="a.parity")
    late = threading.Timer(1.2, lambda: check_pairs.recorded().read(folder / "keras"))
    late.start()
    half = Half()
    run_checks("torch", half, [directory], os.getppid())
    late.join()
    assert half.told[0][1].directory == folder / "keras"
    assert Trace(directory).environment["wall_s"]["check"] < 1.2


def test_the_port_is_left_out_if_keras_failed(folder):
    (folder / "keras").mkdir()
    write_json(RunFolder(folder / "keras").failure, {"is_input": True, "message": "no"})
    (directory,) = directories(folder, "torch", ["build"], against="a.parity")
    half = Half()
    run_checks("torch", half, [directory], os.getppid())
    assert half.told == []
    assert {path.name for path in directory.iterdir()} == {"spec.json"}


def test_a_port_that_waits_does_not_outlive_its_parent(folder, monkeypatch):
    (directory,) = directories(folder, "torch", ["build"], against="a.parity")
    parents = iter([7, 7, 7, 1])
    monkeypatch.setattr("os.getppid", lambda: next(parents))
    with pytest.raises(SystemExit, match="the parent process is gone"):
        run_checks("torch", Half(), [directory], 7)
