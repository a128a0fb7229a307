"""The numbers of `[tool.size]`: what grows is named, what is not counted does no harm."""

import runpy
import shutil
import subprocess

import pytest
from paths import ROOT

SOURCE = (
    '"""A module."""\nimport os\n\ndef where():\n    """The folder."""\n    return os.getcwd()\n'
)
PYPROJECT = "[tool.size]\npackages = 4  # why\ntests = 2\nbenchmarks = 0\nwords = 3\n"


@pytest.fixture
def checkout(tmp_path):
    """A small checkout of which all numbers are reached: the script and a function to change it."""
    files = {
        "pyproject.toml": PYPROJECT,
        "README.md": "Three words here\n",
        "parity/cli/here.py": SOURCE,
        "torch_impl/here.py": SOURCE,
        "tests/test_here.py": SOURCE,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "size.py", tmp_path / "scripts")
    return tmp_path


def commit(folder):
    git = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Start"]):
        subprocess.run([*git, *command], cwd=folder, check=True)


def main(folder, *arguments):
    return runpy.run_path(str(folder / "scripts" / "size.py"))["main"](list(arguments))


def test_what_is_as_large_as_it_may_be_passes_and_imports_docstrings_and_comments_are_free(
    checkout, capsys
):
    path = checkout / "parity" / "cli" / "here.py"
    path.write_text("# A comment.\nimport sys\n" + SOURCE, encoding="utf-8")
    assert (main(checkout), capsys.readouterr().out) == (0, "")


def test_fifty_statements_more_fail_with_the_name_of_the_folder_that_grew(checkout, capsys):
    commit(checkout)
    (checkout / "parity" / "cli" / "here.py").write_text(SOURCE + "x = 1\n" * 50, encoding="utf-8")
    (checkout / "torch_impl" / "new.py").write_text("x = 1\n" * 3, encoding="utf-8")
    assert main(checkout) == 1
    said = capsys.readouterr().out
    assert said.startswith(
        "packages: 57, and pyproject.toml allows 4: parity/cli grew most, by 50."
    )
    assert said.count("\n") == 1


def test_growth_that_was_decided_is_no_growth_of_the_next_commit(checkout, capsys):
    commit(checkout)
    (checkout / "parity" / "cli" / "here.py").write_text(SOURCE + "x = 1\n" * 50, encoding="utf-8")
    pyproject = PYPROJECT.replace("packages = 4", "packages = 54")
    (checkout / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    commit(checkout)
    (checkout / "torch_impl" / "new.py").write_text("x = 1\n" * 3, encoding="utf-8")
    assert main(checkout) == 1
    assert "torch_impl grew most, by 3." in capsys.readouterr().out


def test_words_are_held_too_and_without_a_history_no_folder_is_accused(checkout, capsys):
    (checkout / "README.md").write_text("Now there are five words\n", encoding="utf-8")
    assert main(checkout) == 1
    assert capsys.readouterr().out.startswith(
        "words: 5, and pyproject.toml allows 3: which folder grew is not known"
    )


def test_lowering_writes_what_is_smaller_and_raises_nothing(checkout):
    (checkout / "torch_impl" / "here.py").unlink()
    (checkout / "README.md").write_text("Now there are five words\n", encoding="utf-8")
    assert main(checkout, "--lower") == 1
    assert (checkout / "pyproject.toml").read_text("utf-8") == PYPROJECT.replace(
        "packages = 4", "packages = 2"
    )
