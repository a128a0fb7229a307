"""Copies of this checkout, so that what builds it leaves nothing behind."""

import shutil
import subprocess

import pytest
from paths import ROOT


def copy_checkout(folder, belongs=lambda name: True):
    """Copies the files of the project, committed or not, and returns their names.

    Without git it skips the test. `belongs` says of a path from the root whether it is copied.
    """
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    names = [name for name in names if belongs(name)]
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return names
