"""Children that are forked with their framework imported are as those that are started."""

import os
import signal
import subprocess
import sys

import pytest
from processes import is_alive, wait_for
from warm_halves import WarmChild, start, warmed

from parity.halves import process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are started there")

OPTIONS = {"stderr": subprocess.STDOUT, "start_new_session": True}


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Starts a program as the torch half; returns the child, and what reads its output."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "parity"
    package.mkdir()
    (package / "__init__.py").touch()

    def run(program, *arguments, stdin=subprocess.DEVNULL, **options):
        (package / "worker.py").write_text(program)
        variables = {**os.environ, "PYTHONPATH": str(tmp_path), "MINE": "told"}
        with open(tmp_path / "log", "wb") as log:
            command = [sys.executable, "-m", "parity.worker", "torch", *arguments]
            options = {**OPTIONS, "env": variables, **options}
            child = start(command, stdin=stdin, stdout=log, **options)
        assert isinstance(child, WarmChild)
        return child, (tmp_path / "log").read_text

    return run


TOLD = """
import os, sys
print("torch" in sys.modules, sys.argv[2:], os.environ["MINE"], os.getcwd(), os.getppid())
print(os.getsid(0) == os.getpid(), sys.path[0], __name__, sys.stdin.read())
os.write(2, b"an error\\n")
"""


@pytest.mark.long
def test_it_has_arguments_variables_folder_parent_session_and_files(begin, tmp_path):
    child, output = begin(TOLD, "a", "b c")
    assert child.wait(30) == 0
    assert output().splitlines() == [
        f"True ['a', 'b c'] told {tmp_path} {os.getpid()}",
        f"True {tmp_path} __main__ ",
        "an error",
    ]


FRAMES = """
import os, sys
frame = sys._getframe()
while frame is not None:
    print(os.path.isfile(frame.f_code.co_filename), frame.f_code.co_filename)
    frame = frame.f_back
"""


def test_no_line_below_its_program_is_one_of_a_file(begin, tmp_path):
    child, output = begin(FRAMES)
    assert child.wait(30) == 0
    files = [line for line in output().splitlines() if line.startswith("True")]
    assert files == [f"True {tmp_path}/parity/worker.py"]


def test_it_gets_what_is_written_to_it_and_writes_to_a_file_that_it_is_given(begin):
    receiver, sender = os.pipe()
    program = "import os, sys; os.write(int(sys.argv[2]), sys.stdin.readline().upper().encode())"
    options = {"stdin": subprocess.PIPE, "pass_fds": (sender,), "text": True}
    child, _ = begin(program, str(sender), **options)
    os.close(sender)
    child.stdin.write("round\n")
    child.stdin.flush()
    with os.fdopen(receiver) as answers:
        # It ends where the child does: no other process has the other end.
        assert answers.read() == "ROUND\n"
    assert child.wait(30) == 0
    child.stdin.close()


@pytest.mark.parametrize(
    ("program", "code", "printed"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('no such half')", 1, "no such half"),
        ("import os; os._exit(3)", 3, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import os; os.abort()", -signal.SIGABRT, ""),
    ],
)
def test_it_ends_with_the_code_of_its_program(begin, program, code, printed):
    child, output = begin(program)
    assert child.wait(30) == code
    assert printed in output()


def test_its_group_is_killed_with_it_and_a_limit_of_time_is_told(begin):
    program = "import os, time; print(os.fork(), flush=True); time.sleep(60)"
    child, output = begin(program)
    wait_for(lambda: len(output().split()) == 2)
    pids = [child.pid, *(int(pid) for pid in output().split() if pid != "0")]
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL
    wait_for(lambda: not any(map(is_alive, pids)))


def test_nothing_else_is_forked_and_nothing_outside(tmp_path):
    own = subprocess.Popen
    with warmed():
        assert process.subprocess.Popen is start
        with open(tmp_path / "log", "wb") as log:
            options = {**OPTIONS, "stdin": subprocess.DEVNULL, "stdout": log, "env": {}}
            child = start([sys.executable, "-c", "print('started')"], **options)
        assert isinstance(child, own)
        assert child.wait(30) == 0
    assert (tmp_path / "log").read_text() == "started\n"
    assert process.subprocess.Popen is own
