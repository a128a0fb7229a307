"""Folders that a command makes without being given a name."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from parity.cli.saved import new_folder
from parity.errors import InputError


def test_commands_that_begin_in_the_same_second_have_folders_of_their_own(tmp_path):
    path = tmp_path / "parity-runs" / "20260101-120000"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(new_folder, [path] * 24))
    assert len(set(made)) == 24
    assert {folder.name for folder in made} == {path.name} | {
        f"{path.name}-{number}" for number in range(2, 25)
    }


def test_a_file_in_the_place_of_the_parent_is_bad_input(tmp_path):
    (tmp_path / "parity-runs").touch()
    with pytest.raises(InputError, match=r"--out .*cannot be written"):
        new_folder(tmp_path / "parity-runs" / "now")
