"""The command line of a child, what its end tells, and that it is at once."""

import faulthandler
import signal
import subprocess
import sys

import pytest
from paths import ROOT

from parity import worker
from parity.files.json_io import write_json
from parity.halves import protocol
from parity.programs.program_spec import ProgramSpec


class Half:
    """A half that cannot be set up."""

    def __init__(self):
        self.error, self.calls = None, []

    def configure(self, spec):
        self.calls.append("configure")
        raise self.error


@pytest.fixture
def half():
    yield Half()
    faulthandler.unregister(signal.SIGTERM)  # which main() registers


@pytest.fixture
def directory(tmp_path):
    write_json(tmp_path / "spec.json", ProgramSpec().to_dict())
    return str(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: work"),
        (["--save-weights", "x"], "invalid choice: 'x'"),
        (["train", "x"], "invalid choice: 'train'"),
        (["program", "x"], "invalid choice: 'program'"),
        (["run"], "the following arguments are required: DIRECTORY"),
        (["run", "--save", "x"], "unrecognized arguments: --save"),
        (["check", "--save-weights", "x"], "unrecognized arguments: --save-weights"),
        (["batch", "x", "y"], "unrecognized arguments: y"),
        (["bench", "x"], "the following arguments are required: FILE_DESCRIPTOR"),
        (["bench", "x", "y"], "'y': expected the number of an open file"),
    ],
)
def test_wrong_arguments(arguments, told, capfd):
    fake = Half()
    with pytest.raises(SystemExit) as ended:
        worker.main("keras", fake, arguments)
    error = capfd.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("usage: python -m parity.worker keras ")
    assert told in error
    assert fake.calls == []


@pytest.mark.parametrize("name", ["torch", "scipy.ndimage.interpolation"])
def test_a_missing_framework_has_an_exit_code_of_its_own(half, directory, capfd, name):
    half.error = ModuleNotFoundError(f"No module named {name!r}", name=name)
    assert worker.main("torch", half, ["run", directory]) == protocol.EXIT_NOT_INSTALLED
    assert capfd.readouterr().err == f"torch half: No module named {name!r}\n"


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'torch_impl.optin'", name="torch_impl.optin"),
        ModuleNotFoundError("No module named 'flatbuffers'", name="flatbuffers"),
        ModuleNotFoundError("without a name"),
        MemoryError(),
        ZeroDivisionError(),
    ],
    ids=repr,
)
def test_anything_else_keeps_its_traceback(half, directory, error):
    half.error = error
    with pytest.raises(type(error)):
        worker.main("torch", half, ["run", directory])


PROGRAM = """
import atexit, sys, threading, time
sys.path.insert(0, {root!r})
from parity.worker import leave

class Slow:
    def __del__(self):
        time.sleep(60)

kept = Slow()
atexit.register(print, "said at the end")
threading.Thread(target=time.sleep, args=(60,)).start()
sys.stdout.write("begun ")
sys.stderr.write("told")
leave({code})
"""


def test_a_child_ends_at_once_with_its_code_and_all_that_it_said():
    for code in (0, 7):
        program = PROGRAM.format(root=str(ROOT), code=code)
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
        )
        assert ended.returncode == code
        assert ended.stdout == "begun said at the end\n"
        assert ended.stderr == "told"
