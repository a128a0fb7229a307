"""Jobs run in child processes; whatever happens to one is told, and nothing outlives the call."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import ROOT
from processes import is_alive, wait_for
from rows import each_row

from parity.errors import InputError
from parity.halves import process
from parity.halves.job import ChildJob, ChildOptions
from parity.halves.runner import run_jobs
from parity.programs.user_modules import PATHS
from parity.traces.folder import SUCCESS, RunFolder

# A child gets its run directories as arguments, after "run".
HEAD = """
import os, pathlib, signal, sys, time
directories = [pathlib.Path(argument) for argument in sys.argv[2:]]
def finish(*directories):
    for directory in directories:
        (directory / "_SUCCESS").touch()
"""
SUCCEED = "finish(*directories)"
SLEEP = "time.sleep(60)"
RENEWED = {"timeout_s": 1.5, "is_renewed": True}

pytestmark = pytest.mark.usefixtures("signals_are_heard")


@pytest.fixture
def make_job(tmp_path):
    def make(name="a", *, half="torch", runs=1, python=sys.executable, base=tmp_path):
        directories = tuple(base / f"{name}{number}" for number in range(runs))
        for directory in directories:
            directory.mkdir(parents=True)
        return ChildJob(
            name=f"job {name}",
            half=half,
            python=python,
            directories=directories,
            log=base / f"{name}.log",
        )

    return make


def nothing(job, event):
    """What is done where a test looks at no event."""


def run_scripts(
    scripts, *, workers=2, timeout_s=30.0, on_progress=nothing, on_done=nothing, **options
):
    """Runs {job: script} as `python -c` in the place of the halves."""
    given = {
        dataclasses.replace(job, program=(job.python, "-c", HEAD + script)): job
        for job, script in scripts.items()
    }
    failures = run_jobs(
        list(given),
        workers=workers,
        timeout_s=timeout_s,
        on_progress=lambda job, progress: on_progress(given[job], progress),
        on_done=lambda job, failure: on_done(given[job], failure),
        **options,
    )
    return [dataclasses.replace(failure, job=given[failure.job]) for failure in failures]


def reason_of(job, script, **options):
    (failure,) = run_scripts({job: script}, **options)
    assert failure.job is job
    assert failure.reason.startswith("job a: ")
    assert len(failure.reason) < 5000
    return failure.reason


@pytest.mark.parametrize("options", [{"workers": 0}, {"timeout_s": 0.0}, {"timeout_s": -1.0}])
def test_options_out_of_range_start_nothing(make_job, options):
    job = make_job()
    with pytest.raises(InputError, match=r"expected"):
        run_scripts({job: SUCCEED}, **options)
    assert not job.log.exists()


def test_the_command_line_of_a_job(make_job):
    with pytest.raises(ValueError, match=r"expected at least one"):
        make_job(runs=0)
    assert run_jobs([], workers=1, timeout_s=None) == []
    job = make_job(runs=2, python="/a/python")
    paths = list(map(str, job.directories))
    head = ["/a/python", "-m", "parity.worker", "torch"]
    assert job.arguments == [*head, "run", *paths]
    check = dataclasses.replace(job, work="check")
    assert check.arguments == [*head, "check", *paths]
    assert dataclasses.replace(check, program=("stub",)).arguments == ["stub", "check", *paths]


def test_failures_do_not_stop_others_and_come_in_the_order_of_jobs(make_job):
    texts = ["time.sleep(0.3); sys.exit(4)", "sys.exit(5)", SUCCEED, SUCCEED]
    scripts = {make_job(name): text for name, text in zip("abcd", texts, strict=True)}
    jobs, done = list(scripts), []
    failures = run_scripts(scripts, on_done=lambda job, failure: done.append(job))
    assert [failure.job for failure in failures] == jobs[:2]
    assert done.index(jobs[1]) < done.index(jobs[0])
    assert set(done) == set(jobs)


def test_never_more_than_workers_run_and_jobs_start_in_order(make_job):
    jobs = [make_job(name) for name in "abcde"]
    most, started = 0, []

    def on_progress(job, progress):
        nonlocal most
        assert (progress.step, progress.num_steps, progress.fraction) == (0, 0, 0.0)
        started.append(job)
        folders = [RunFolder(each.directories[0]) for each in started]
        most = max(most, sum(not folder.is_complete for folder in folders))

    assert run_scripts(dict.fromkeys(jobs, SUCCEED), on_progress=on_progress) == []
    assert (most, started) == (2, jobs)


def test_an_exception_is_told_first_and_the_finished_run_is_kept(make_job):
    job = make_job(runs=2)
    script = "finish(directories[0])\ndef f(n): g(n - 1)\ndef g(n): f(n) if n else [][1]\nf(20)"
    reason = reason_of(job, script)
    assert reason.startswith("job a: IndexError: list index out of range (exit code 1); ")
    assert "\n    Traceback" not in reason  # only the last lines, of which it was not one
    assert reason.endswith("\n    IndexError: list index out of range")
    assert len(reason.split("\n")) == 2 + process.TAIL_LINES
    assert (job.directories[0] / SUCCESS).exists()


MEMORY = ("job a: ran out of memory (", "--batch-size or --train-size")
BYTES = r"""
os.write(1, b"bad \xff\xfe bytes\nprogress a0 \xff/2 loss=x\n\x1b[31mred\x1b[0m \x07 1/2\r2/2\n")
os.write(2, "é\n".encode())
sys.exit(1)
"""
# What ends a child -> texts of the reason.
REASONS = {
    "print('torch half: x is bad', file=sys.stderr); print('bye'); sys.exit(2)": (
        "job a: x is bad (exit code 2); ",
    ),
    "print(\"torch half: No module named 'torch'\"); print('bye'); sys.exit(77)": (
        "job a: No module named 'torch': ",
        f"{sys.executable} -m pip install 'keras-torch-parity[torch]'",
    ),
    "print('/x/python: No module named parity'); sys.exit(1)": (
        "this project is not installed in",
        "pip install 'keras-torch-parity[torch]'",
    ),
    "import parity_of_what": (
        "job a: ModuleNotFoundError: No module named 'parity_of_what' (exit",
    ),
    "raise MemoryError": MEMORY,
    "raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')": MEMORY,
    "raise RuntimeError('OOM when allocating tensor with shape[1]')": MEMORY,
    "class ResourceExhaustedError(Exception): pass\nraise ResourceExhaustedError('x')": MEMORY,
    "print('std::bad_alloc', flush=True); os.abort()": MEMORY,
    "os.kill(os.getpid(), signal.SIGKILL)": (
        "killed by SIGKILL, often by the kernel's out-of-memory killer",
        "--batch-size",
        "has no further lines.",
    ),
    "def crash(): os.kill(os.getpid(), signal.SIGSEGV)\ncrash()": ("killed by SIGSEGV", "in crash"),
    f"os.kill(os.getpid(), {signal.SIGRTMIN + 3})": (f"killed by signal {signal.SIGRTMIN + 3}",),
    "pass": ("exit code 0, but without a result: _SUCCESS is missing in ",),
    BYTES: (":\n    bad \ufffd\ufffd bytes\n    2/2\n    é",),
}


def test_the_reason_says_how_a_child_ended_and_what_to_do(make_job):
    for number, (script, texts) in enumerate(REASONS.items()):
        reason = reason_of(dataclasses.replace(make_job(f"{number}"), name="job a"), script)
        assert [text for text in texts if text not in reason] == [], script


def test_a_limit_may_hold_for_each_step_that_is_told(make_job):
    quick, slow = make_job("a"), make_job("b")
    told = "print(f'progress {directories[0].name} {step}/3 loss=1', flush=True)"
    steps = f"for step in (1, 2, 3): time.sleep(0.6); {told}"
    (failure,) = run_scripts({quick: f"{steps}\n{SUCCEED}", slow: f"{steps}\n{SLEEP}"}, **RENEWED)
    assert failure.job is slow
    assert "did not end within 1.5 s and was stopped" in failure.reason
    assert "--timeout" in failure.reason
    whole = make_job("a", base=quick.log.parent / "c")
    assert "did not end" in reason_of(whole, steps, timeout_s=1.5)


def test_an_endless_log_is_read_in_bounded_pieces(make_job, monkeypatch):
    job, pieces = make_job(), []
    pread = os.pread
    monkeypatch.setattr(
        os, "pread", lambda *call: pieces.append(len(piece := pread(*call))) or piece
    )
    script = (
        "for n in range(200_000): print('line', n, 'x' * 40)\nprint('y' * 200_000)\nsys.exit(1)"
    )
    reason = reason_of(job, script)
    assert job.log.stat().st_size > 9_000_000
    assert max(pieces) <= process.WINDOW
    assert all(len(line) <= process.TAIL_WIDTH + 4 for line in reason.split("\n")[1:])


def test_progress_counts_the_runs_of_a_job(make_job):
    job, seen = make_job(runs=2), []
    # Each text brings one line that counts; the next is written when it has been seen.
    script = r"""
texts = (
    "progress a0 1/4 loss=2.5\nnoise progress a0 4/4 loss=1\nprogress a0 2/",
    "4 loss=nan\n",
    "progress b0 1/2 loss=1\nprogress a0 3/2 loss=1\nprogress a0 4/4 loss=one\n"
    "progress a0 4/4 loss=1e-3\nprogress",
    "\nprogress a1 1/2 loss=1\n",
    "progress a1 2/2 loss=0\n",
)
for number, text in enumerate(texts):
    os.write(1, text.encode())
    while not (directories[0] / str(number + 1)).exists():
        time.sleep(0.02)
finish(*directories)
"""

    def on_progress(job, progress):
        (job.directories[0] / str(len(seen))).touch()
        seen.append(progress)

    assert run_scripts({job: script}, on_progress=on_progress) == []
    first, second = job.directories
    assert [(p.directory, p.step, p.num_steps, p.fraction) for p in seen] == [
        (first, 0, 0, 0.0),
        (first, 1, 4, 0.125),
        (first, 2, 4, 0.25),
        (first, 4, 4, 0.5),
        (second, 1, 2, 0.75),
        (second, 2, 2, 1.0),
    ]
    assert [seen[0].loss, seen[1].loss, seen[3].loss] == [None, 2.5, 0.001]
    assert seen[2].loss != seen[2].loss


def test_runs_of_one_name_are_told_apart_by_their_steps(make_job, tmp_path):
    job, seen = make_job(), []
    twin = tmp_path / "other" / "a0"
    twin.mkdir(parents=True)
    job = ChildJob(name="a", half="torch", directories=(*job.directories, twin), log=job.log)
    script = "finish(*directories)\nfor s in (1, 2, 1): print(f'progress a0 {s}/2 loss=1')"
    assert run_scripts({job: script}, on_progress=lambda job, progress: seen.append(progress)) == []
    assert (seen[-1].directory, seen[-1].fraction) == (twin, 0.75)


def test_an_earlier_log_is_kept_and_not_told_again(make_job):
    job, seen = make_job(), []
    job.log.write_text("MemoryError\nprogress a0 1/2 loss=1\n")
    reason = reason_of(job, "sys.exit(1)", on_progress=lambda job, progress: seen.append(progress))
    assert "ended without a message (exit code 1)" in reason
    assert len(seen) == 1
    assert job.log.read_text().startswith("MemoryError\nprogress a0 1/2 loss=1\n$ ")


@pytest.mark.parametrize(
    ("python", "mode", "told"),
    [
        (
            "/no/such/python",
            None,
            "expected the path of a Python interpreter; correct it (--torch-p",
        ),
        ("", None, "job a: the interpreter '' was not found; expected the path of a Python"),
        ("python", 0o600, "is not an executable file"),
        ("python", 0o700, "cannot be started"),
        (sys.executable, None, "cannot be started"),  # its log is a folder
    ],
)
def test_what_cannot_be_started_fails_alone(python, mode, told, make_job, tmp_path):
    if mode is not None:
        (tmp_path / "python").touch(mode)
        python = str(tmp_path / "python")
    job, other, done = make_job("a", python=python), make_job("b"), []
    if python == sys.executable:
        job.log.mkdir()
    (failure,) = run_scripts(
        {job: SUCCEED, other: SUCCEED}, on_done=lambda job, failure: done.append(job)
    )
    assert told in failure.reason
    assert done == [job, other]


LEAVES = """
import subprocess
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(directories[0] / "pid").write_text(str(grandchild.pid))
"""
DEAF = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(directories[0] / ".parity-1-ab.part").touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("script", "is_ended"), [(f"{LEAVES}{DEAF}", True), (f"{LEAVES}{SUCCEED}; os._exit(0)", False)]
)
def test_what_a_job_leaves_running_ends_too(script, is_ended, make_job, monkeypatch):
    """One that ignores SIGTERM is killed, and half a file of it goes."""
    monkeypatch.setattr(process, "GRACE_S", 0.3)
    job = make_job()
    failures = run_scripts({job: script}, timeout_s=1.0 if is_ended else 30.0)
    assert ["did not end within 1 s" in each.reason for each in failures] == [True] * is_ended
    pid = int((job.directories[0] / "pid").read_text())
    wait_for(lambda: not is_alive(pid))
    left = {path.name for path in job.directories[0].iterdir()}
    assert left == {"pid"} | ({SUCCESS} if not is_ended else set())


def test_children_get_no_input_and_a_group_of_their_own(make_job):
    script = "assert sys.stdin.read() == '' and os.getsid(0) == os.getpgid(0) == os.getpid()\n"
    assert run_scripts({make_job(): script + SUCCEED}) == []


@pytest.mark.parametrize("python", [sys.executable, os.path.realpath(sys.executable)])
def test_children_import_the_packages_of_the_parent(make_job, tmp_path, monkeypatch, python):
    # A checkout works without being installed, from every folder, whatever lies in that folder,
    # and for another interpreter too, which is here the one that the environment was made from.
    (tmp_path / "random.py").write_text("raise ImportError")
    (tmp_path / "parity").mkdir()
    (tmp_path / "parity" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    job = make_job(python=python)
    (tmp_path / "job.py").write_text(
        "import random, sys, pathlib, parity, keras_impl, torch_impl\n"
        f"assert parity.__file__ == {str(ROOT / 'parity' / '__init__.py')!r}\n"
        "pathlib.Path(sys.argv[-1], '_SUCCESS').touch()\n"
    )

    job = dataclasses.replace(job, program=(python, "-c", "exec(open('job.py').read())"))
    assert run_jobs([job], workers=1, timeout_s=30) == []


def test_a_child_is_told_the_folders_of_its_job_apart_from_the_path(make_job, monkeypatch):
    """On PYTHONPATH, a `random.py` in one of them would come before the standard library."""
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv(PATHS, "/of/an/outer/child")
    job = dataclasses.replace(make_job(), paths=(Path("/theirs"), Path("/more")))
    script = f"print(os.environ['PYTHONPATH'], os.environ['{PATHS}']); {SUCCEED}"
    assert run_scripts({job: script}) == []
    path, folders = job.log.read_text().split()[-2:]
    assert path.endswith(os.pathsep.join(["", "/mine"]))
    assert folders == os.pathsep.join(["/theirs", "/more"])
    assert PATHS not in process.environment(sys.executable)


def test_site_packages_are_never_put_on_a_path(monkeypatch, tmp_path):
    def paths():
        """Those of a child of this interpreter, and of one of another."""
        pythons = (sys.executable, "/other/python")
        return [process.environment(python)["PYTHONPATH"] for python in pythons]

    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setattr(process, "ROOT", tmp_path)
    ours = f"{tmp_path}{os.pathsep}/mine"
    assert paths() == [ours, "/mine"]  # packages that the parent finds by its own sys.path only
    (tmp_path / "pyproject.toml").touch()
    assert paths() == [ours, ours]
    monkeypatch.setattr(process.site, "getsitepackages", lambda: [str(tmp_path)])
    assert paths() == ["/mine", "/mine"]


def test_interpreters_are_looked_for_before_anything_starts():
    ChildOptions().check_interpreters()
    numbers = ChildOptions().num_workers, ChildOptions(workers=3).num_workers
    assert numbers == (os.cpu_count(), 3)
    with pytest.raises(InputError, match=r"^--torch-python nowhere: not an executable file"):
        ChildOptions(torch_python="nowhere").check_interpreters()


# Settings of a user -> what a child gets; freed memory is kept, and threads that wait sleep soon.
@each_row(
    "given, expected",
    [
        ({}, {"GOMP_SPINCOUNT": process.SPINS, **process.MALLOC}),
        ({"GOMP_SPINCOUNT": "77"}, {"GOMP_SPINCOUNT": "77"}),
        ({"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": None}),
        ({"MALLOC_MMAP_MAX_": "77"}, {"MALLOC_MMAP_MAX_": "77"}),
    ],
)
def test_children_share_cores_and_memory_unless_one_is_alone(given, expected, monkeypatch):
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", *process.MALLOC)
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = process.environment(sys.executable)
    assert {name: found.get(name) for name in expected} == expected
    alone = process.environment(sys.executable, is_alone=True)
    assert {name: alone[name] for name in names if name in alone} == given


@pytest.mark.parametrize("callback", ["on_progress", "on_done"])
def test_an_exception_of_a_callback_ends_the_children(make_job, callback):
    slow, quick = make_job("a"), make_job("b")
    pid_file = slow.directories[0] / "pid"
    start = "(directories[0] / 'pid').write_text(str(os.getpid()))\n"
    quick_script = f"while not os.path.exists({str(pid_file)!r}): time.sleep(0.02)\n"
    quick_script += "print('progress b0 1/1 loss=1')\n" + SUCCEED

    def fail(job, event):
        if job is quick and getattr(event, "step", 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_scripts({slow: start + SLEEP, quick: quick_script}, **{callback: fail})
    assert not is_alive(int(pid_file.read_text()))


def test_handlers_are_restored_and_an_ignored_signal_stays_ignored(make_job):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        before, inside = list(map(signal.getsignal, numbers)), []
        run_scripts(
            {make_job(): SUCCEED},
            on_done=lambda *_: inside.extend(map(signal.getsignal, numbers)),
        )
        assert list(map(signal.getsignal, numbers)) == before
        assert [old == new for old, new in zip(before, inside, strict=True)] == [False, False, True]
    finally:
        signal.signal(signal.SIGHUP, previous)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("callback", ["on_progress", "on_done"])
def test_a_signal_interrupts_a_callback_at_once(make_job, number, callback):
    def hang(job, event):
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        pytest.fail("not interrupted")

    with pytest.raises(KeyboardInterrupt, match=number.name):
        run_scripts({make_job(): SUCCEED}, **{callback: hang})


def test_a_signal_elsewhere_waits_until_it_does_no_harm(make_job, monkeypatch):
    job, started = make_job(), []

    def arguments(job):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        return [job.python, "-c", "import time; time.sleep(60)"]

    monkeypatch.setattr(ChildJob, "arguments", property(arguments))
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        run_jobs([job], workers=1, timeout_s=30, on_progress=started.append)
    assert started == []
    assert job.log.exists()  # it was started, and has been ended


# A parent of two children: one that ends by SIGTERM, and one that ignores it or not.
PARENT = """
import pathlib, sys
from parity.halves import process, job, runner
process.GRACE_S = 2.0
folder = pathlib.Path(sys.argv[1])
script = (
    "import os, pathlib, signal, sys, time\\n"
    "if 'deaf' in sys.argv[-1]: signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
    "folder = pathlib.Path(sys.argv[-1]); (folder / '.parity-1-ab.part').touch()\\n"
    "(folder / 'writing').write_text(str(os.getpid())); "
    "os.replace(folder / 'writing', folder / 'pid'); time.sleep(60)"
)
files = lambda name: {"directories": (folder / name,), "log": folder / f"{name}.log"}
stub = {"half": "torch", "program": (sys.executable, "-c", script)}
jobs = [job.ChildJob(name=name, **stub, **files(name)) for name in sys.argv[2:]]
try:
    runner.run_jobs(jobs, workers=2, timeout_s=None)
except KeyboardInterrupt as error:
    sys.exit(f"interrupted {error}")
"""


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        ([signal.SIGINT], ("one", "two")),
        ([signal.SIGTERM], ("one", "two")),
        ([signal.SIGHUP], ("one", "two")),
        ([signal.SIGINT], ("deaf", "two")),
        ([signal.SIGINT, signal.SIGINT], ("deaf", "two")),
    ],
    ids=["int", "term", "hup", "deaf", "impatient"],
)
def test_an_interrupted_parent_ends_its_children(tmp_path, numbers, names):
    """It waits for the end of the grace for one that is deaf, unless it is interrupted again."""
    for name in names:
        (tmp_path / name).mkdir()
    command = [sys.executable, "-c", PARENT, tmp_path, *names]
    options = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options, env=os.environ | {"PYTHONPATH": str(ROOT)}) as parent:
        wait_for(lambda: all((tmp_path / name / "pid").exists() for name in names))
        pids = [int((tmp_path / name / "pid").read_text()) for name in names]
        start_s = time.monotonic()
        for number in numbers:
            parent.send_signal(number)
            time.sleep(0.3 * (len(numbers) > 1))
        _, error = parent.communicate(timeout=20)
        took_s = time.monotonic() - start_s
    assert (error, parent.returncode) == (f"interrupted {numbers[0].name}\n", 1)
    assert took_s >= 2.0 if "deaf" in names and len(numbers) == 1 else took_s < 1.9
    assert not any(map(is_alive, pids))
    assert not list(tmp_path.glob("*/.parity*"))
