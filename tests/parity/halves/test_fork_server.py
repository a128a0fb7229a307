"""Children are forks of one process; where they cannot be, each is started by itself."""

import os
import stat
import subprocess
import sys

import pytest
from paths import ROOT
from processes import is_alive, wait_for

from parity.files.json_io import read_json
from parity.halves import fork_server
from parity.halves.job import ChildJob, can_fork
from parity.halves.runner import run_jobs
from parity.programs.run_spec import RunSpec

pytestmark = [
    pytest.mark.usefixtures("signals_are_heard"),
    pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux alone"),
]

# In the place of an interpreter and `-m parity.worker HALF`: it imports no framework. What the
# child does, and what the server does before, stands in files.
INTERPRETER = """#!{python}
import os, pathlib, sys, threading, time
sys.path[:0] = [{root!r}]
from parity.files.json_io import write_json
from parity.halves import fork_server
import numpy as np
here = pathlib.Path(__file__).parent
arguments, server = sys.argv[4:], None
if arguments[0] == "serve":
    server = os.getpid()
    with (here / "servers").open("a") as file:
        file.write(str(server) + "\\n")
    if (here / "before.py").exists():
        exec((here / "before.py").read_text())
    arguments = fork_server.serve(int(arguments[1]))
    if arguments is None:
        sys.exit()
directory = pathlib.Path(arguments[1])
exec((directory / "work.py").read_text())
(directory / "_SUCCESS").touch()
"""
TELL = """
write_json(directory / "told.json", {
    "server": server, "group": os.getpgid(0), "pid": os.getpid(), "folder": os.getcwd(),
    "number": os.environ.get("NUMBER"), "drawn": np.random.random(), "arguments": arguments,
})
print("said by", directory.name)
"""
SLEEP = "\n(directory / 'pid').write_text(str(os.getpid()))\ntime.sleep(60)"


@pytest.fixture
def make_job(tmp_path):
    path = tmp_path / "python"
    path.write_text(INTERPRETER.format(python=sys.executable, root=os.fspath(ROOT)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def make(name, work=TELL):
        (tmp_path / name).mkdir()
        (tmp_path / name / "work.py").write_text(work)
        return ChildJob(
            name=f"job {name}",
            half="torch",
            python=os.fspath(path),
            directories=(tmp_path / name,),
            log=tmp_path / f"{name}.log",
            may_fork=True,
        )

    yield make
    fork_server.close_servers()


def run(*jobs, timeout_s=30.0, workers=2):
    return run_jobs(jobs, workers=workers, timeout_s=timeout_s)


def told(job):
    return read_json(job.directories[0] / "told.json")


def servers(tmp_path):
    return list(map(int, (tmp_path / "servers").read_text().split()))


def test_children_are_forks_of_one_server_and_each_has_its_own_group_log_and_numbers(
    make_job, tmp_path
):
    jobs = [make_job(name) for name in "abc"]
    assert run(*jobs) == []
    assert [told(job)["server"] for job in jobs] == servers(tmp_path) * 3
    assert all(told(job)["group"] == told(job)["pid"] for job in jobs)
    assert len({told(job)["drawn"] for job in jobs}) == 3
    assert [told(job)["arguments"] for job in jobs] == [job.arguments[4:] for job in jobs]
    assert all(f"said by {job.directories[0].name}\n" in job.log.read_text() for job in jobs)


def test_a_child_has_folder_and_environment_of_the_moment_when_it_is_started(
    make_job, tmp_path, monkeypatch
):
    first, second = make_job("a"), make_job("b")
    run(first)
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "another")  # which no import reads
    monkeypatch.chdir(tmp_path)
    run(second)
    assert told(second)["folder"] == os.fspath(tmp_path) != told(first)["folder"]
    assert len(servers(tmp_path)) == 1


def test_another_environment_has_another_server_and_an_idle_one_of_the_half_ends(
    make_job, tmp_path, monkeypatch
):
    first, second = make_job("a"), make_job("b")
    run(first)
    monkeypatch.setenv("NUMBER", "2")
    run(second)
    assert (told(first)["number"], told(second)["number"]) == (None, "2")
    assert [is_alive(pid) for pid in servers(tmp_path)] == [False, True]


def test_a_crash_ends_one_child_alone(make_job, tmp_path):
    bad, good = make_job("a", "os.abort()"), make_job("b")
    (failure,) = run(bad, good, workers=1)
    assert failure.reason.startswith("job a: was killed by SIGABRT")
    assert told(good)["server"] == servers(tmp_path)[0]
    assert len(servers(tmp_path)) == 1


def test_a_child_that_takes_too_long_is_stopped_and_the_server_goes_on(make_job, tmp_path):
    slow = make_job("a", SLEEP)
    (failure,) = run(slow, timeout_s=1.0)
    assert "did not end within 1 s" in failure.reason
    pid = int((slow.directories[0] / "pid").read_text())
    wait_for(lambda: not is_alive(pid))
    assert run(make_job("b")) == []
    assert len(servers(tmp_path)) == 1


def test_a_job_that_is_stopped_while_its_server_still_imports_ends_both(make_job, tmp_path):
    (tmp_path / "before.py").write_text("time.sleep(60)")
    (failure,) = run(make_job("a"), timeout_s=1.0)
    assert "did not end within 1 s" in failure.reason
    assert not is_alive(servers(tmp_path)[0])


@pytest.mark.parametrize(
    "before",
    [
        "sys.exit(3)",
        "os.abort()",
        "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "del os.pidfd_open",
        "def refused(pid): raise PermissionError\nos.pidfd_open = refused",
    ],
    ids=["import fails", "import crashes", "second thread", "old kernel", "sandbox"],
)
def test_without_a_server_each_child_is_started_by_itself_and_none_is_tried_again(
    make_job, tmp_path, before
):
    (tmp_path / "before.py").write_text(before)
    jobs = [make_job("a"), make_job("b")]
    assert run(*jobs, workers=1) == []
    assert [told(job)["server"] for job in jobs] == [None, None]
    assert len(servers(tmp_path)) == 1


def test_a_server_that_is_killed_ends_its_child_and_the_next_child_has_another(make_job, tmp_path):
    (failure,) = run(make_job("a", "os.kill(server, 9)\ntime.sleep(60)"))
    assert failure.reason.startswith("job a: was killed by SIGKILL")
    job = make_job("b")
    assert run(job) == []
    assert told(job)["server"] == servers(tmp_path)[1]


def test_an_idle_server_ends_by_itself_and_the_next_child_has_another(make_job, tmp_path):
    (tmp_path / "before.py").write_text("fork_server.IDLE_S = 0.1")
    assert run(make_job("a")) == []
    wait_for(lambda: not is_alive(servers(tmp_path)[0]))
    job = make_job("b")
    assert run(job) == []
    assert told(job)["server"] == servers(tmp_path)[1]


def test_children_on_a_device_or_with_threads_are_no_forks():
    assert can_fork(RunSpec())
    assert not can_fork(RunSpec(device="cuda"))
    assert not can_fork(RunSpec(threads=2))


def test_servers_and_children_end_with_the_process_that_needs_them(make_job, tmp_path):
    watch = "from parity.halves.protocol import stop_if_orphaned\n"
    job = make_job(
        "a",
        f"{watch}(directory / 'pid').write_text(str(os.getpid()))\n"
        "while True: stop_if_orphaned(server); time.sleep(0.02)",
    )
    script = (
        "from pathlib import Path; from parity.halves.job import ChildJob\n"
        "from parity.halves.runner import run_jobs\n"
        f"run_jobs([ChildJob(name='a', half='torch', python={job.python!r}, may_fork=True, "
        f"directories=(Path({os.fspath(job.directories[0])!r}),), log=Path({os.fspath(job.log)!r}))"
        "], workers=1, timeout_s=None)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    try:
        wait_for((job.directories[0] / "pid").exists, seconds=60)
    finally:
        parent.kill()
        parent.wait()
    pid = int((job.directories[0] / "pid").read_text())
    wait_for(lambda: not is_alive(pid) and not is_alive(servers(tmp_path)[0]))
