"""The table of a project is found from below, and what it does not know is told."""

import pytest

from parity.errors import InputError
from parity.programs.tool_table import ToolTable, read_tool_table

TABLE = "[tool.parity]\naccept = ['C3', 'batch-norm-momentum']\n"


def test_a_project_without_a_table_says_nothing(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert read_tool_table(tmp_path) == ToolTable()
    (tmp_path / "pyproject.toml").write_text("tool = 3\n")
    assert read_tool_table(tmp_path) == ToolTable()


@pytest.mark.parametrize("folder", [".", "a", "a/b"])
def test_the_nearest_table_counts(folder, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")  # without a table
    found = read_tool_table(tmp_path / folder)
    assert found.accept == ("C3", "batch-norm-momentum")
    assert found.path == tmp_path / "pyproject.toml"


def test_a_file_of_its_own_needs_no_prefix(tmp_path):
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "parity.toml").write_text("tolerance = 1e-6\n")
    assert read_tool_table(tmp_path) == ToolTable(tmp_path / "parity.toml", {"": 1e-6})


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        ("tolerance = 1e-6", {"": 1e-6}),
        ("tolerance = 1", {"": 1.0}),
        ("[tool.parity.tolerance]\nforward = 1e-9\nloss = 1e-8", {"forward": 1e-9, "loss": 1e-8}),
        ("", {}),
    ],
    ids=["all", "integer", "levels", "none"],
)
def test_a_tolerance_is_for_all_levels_or_for_each(text, tolerance, tmp_path):
    (tmp_path / "pyproject.toml").write_text(f"[tool.parity]\n{text}\n")
    assert read_tool_table(tmp_path).tolerance == tolerance


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "tolerence = 1",
            r"pyproject.toml: \[tool.parity\] has the key 'tolerence'; expected some",
        ),
        ("tolerance = 'a'", "tolerance: expected a number, or one for each level"),
        ("tolerance = true", "tolerance: expected a number"),
        ("tolerance = {forward = 'x'}", "tolerance: expected a number"),
        ("accept = 'C3'", "accept: expected a list of IDs or names"),
        ("accept = [3]", "accept: expected a list of IDs or names"),
        (f"tolerance = 0x{'f' * 5000}", "cannot be read .a whole number has more than the 64 bits"),
        ("x = [[{a = 0x8000000000000000}]]", "more than the 64 bits"),
        (f"{'a.' * 50_000}a = 1", "a key has more than 1,000 parts"),
    ],
    ids=["key", "text", "true", "level", "no_list", "no_text", "large", "inside", "deep"],
)
def test_what_is_none_of_its_settings_is_told(text, message, tmp_path):
    (tmp_path / "pyproject.toml").write_text(f"[tool.parity]\n{text}\n")
    with pytest.raises(InputError, match=message):
        read_tool_table(tmp_path)


def test_a_table_that_is_none_is_told(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool]\nparity = 3\n")
    with pytest.raises(InputError, match="is no table"):
        read_tool_table(tmp_path)


def test_only_a_file_of_its_own_has_to_be_toml(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[broken")
    assert read_tool_table(tmp_path) == ToolTable()
    (tmp_path / "parity.toml").write_text("[broken")
    with pytest.raises(InputError, match=r"parity\.toml cannot be read"):
        read_tool_table(tmp_path)


def test_a_table_of_ours_in_a_file_that_is_no_toml_is_not_passed_over(tmp_path):
    """A table that is there twice is no TOML; that of a folder above would count instead."""
    (tmp_path / "pyproject.toml").write_text("[tool.parity.programs.a]\n" * 2)
    with pytest.raises(InputError, match=r"pyproject\.toml cannot be read .*twice"):
        read_tool_table(tmp_path)
