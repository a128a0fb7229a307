"""A child by itself: its folder, or why there is no result."""

import sys

import pytest
from rows import each_row

from parity.errors import InputError, RunError
from parity.halves.job import ChildJob, ChildOptions
from parity.runs.check_halves import run_alone

# Stands in for `PYTHON -m parity.worker torch WORK DIRECTORY`.
CHILD = """#!{python}
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from parity.traces.folder import RunFolder
half = RunFolder(Path(sys.argv[-1]))
{does}
"""


def run(tmp_path, does):
    """Runs a child that does this with its folder, `half`."""
    python = tmp_path / "python"
    python.write_text(CHILD.format(python=sys.executable, path=sys.path, does=does))
    python.chmod(0o755)
    (tmp_path / "half").mkdir()
    job = ChildJob(
        name="write torch",
        half="torch",
        work="write",
        python=str(python),
        directories=(tmp_path / "half",),
        log=tmp_path / "log",
    )
    return run_alone(job, ChildOptions(quiet=True))


def test_the_folder_of_a_child_that_has_done_its_work_is_returned(tmp_path):
    half = run(tmp_path, "half.complete()")
    assert (half.path, half.is_complete) == (tmp_path / "half", True)


TOLD = '{"is_input": true, "message": "net.py: no model"}'


@each_row(
    "does, error, message",
    [
        (f"half.failure.write_text({TOLD!r}); sys.exit(2)", InputError, r"^net\.py: no model$"),
        ("raise ValueError('out of paper')", RunError, "out of paper"),
    ],
)
def test_bad_input_is_told_in_the_words_of_the_child_and_a_crash_with_the_end_of_its_log(
    does, error, message, tmp_path
):
    with pytest.raises(error, match=message):
        run(tmp_path, does)
