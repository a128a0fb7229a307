"""The table of a project is found from below, and what it does not know is told."""

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.tool_table import ToolTable, read_tool_table

ACCEPTED = ("C3", "batch-norm-momentum")
TABLE = f"[tool.parity]\naccept = {list(ACCEPTED)}\n"
OTHER = "[project]\nname = 'x'\n"


# The files from above, and what is read in the folder a/b: values of the table, and its file.
@pytest.mark.parametrize(
    ("files", "expected", "place"),
    [
        ({"pyproject.toml": OTHER}, {}, None),
        ({"pyproject.toml": "tool = 3\n"}, {}, None),
        ({"pyproject.toml": "[broken"}, {}, None),
        *(
            ({"pyproject.toml": TABLE, **between}, {"accept": ACCEPTED}, "pyproject.toml")
            for between in ({}, {"a/pyproject.toml": OTHER}, {"a/b/pyproject.toml": OTHER})
        ),
        ({"a/b/pyproject.toml": TABLE}, {"accept": ACCEPTED}, "a/b/pyproject.toml"),
        # A file of its own needs no prefix.
        (
            {"a/b/pyproject.toml": TABLE, "a/b/parity.toml": "tolerance = 1e-6\n"},
            {"tolerance": {"": 1e-6}},
            "a/b/parity.toml",
        ),
        # A tolerance is for all levels, or for each.
        *(
            ({"pyproject.toml": f"[tool.parity]\n{text}"}, {"tolerance": found}, "pyproject.toml")
            for text, found in (
                ("tolerance = 1e-6", {"": 1e-6}),
                ("tolerance = 1", {"": 1.0}),
                (
                    "[tool.parity.tolerance]\nforward = 1e-9\nloss = 1e-8",
                    {"forward": 1e-9, "loss": 1e-8},
                ),
                ("", {}),
            )
        ),
    ],
)
def test_the_nearest_table_counts(files, expected, place, write):
    folder = write(files)
    (folder / "a" / "b").mkdir(parents=True, exist_ok=True)
    assert read_tool_table(folder / "a" / "b") == ToolTable(place and folder / place, **expected)


@each_row(
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
def test_what_is_none_of_its_settings_is_told(text, message, write):
    with pytest.raises(InputError, match=message):
        read_tool_table(write({"pyproject.toml": f"[tool.parity]\n{text}\n"}))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pyproject.toml", "[tool]\nparity = 3\n", "is no table"),
        # Twice the same table is no TOML; that of a folder above would count instead.
        (
            "pyproject.toml",
            "[tool.parity.programs.a]\n" * 2,
            r"pyproject\.toml cannot be read .*twice",
        ),
        ("parity.toml", "[broken", r"parity\.toml cannot be read"),
    ],
)
def test_a_file_without_a_table_that_can_be_read_is_told(name, text, message, write):
    with pytest.raises(InputError, match=message):
        read_tool_table(write({name: text}))
