"""Hundreds of changed files, of every kind that is read back: no traceback, no wrong verdict.

`parity` reads each in this process. It either refuses the file in one line (exit code 2 or 3), or
says what it says of the right file, if what was changed bears no verdict. A file of which a verdict
is made, such as a history, may be another right one.
"""

import functools
import json
import shutil
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from file_mutations import KINDS, RECORD, mutation, right_files
from remembered_drawings import remembered
from rows import each_row

from parity.cli.main import cli
from parity.errors import ParityError, RunError
from parity.sweeps.store import LocalStore
from parity.sweeps.stored_run import stored_run
from parity.sweeps.unfinished import sweep_of_store

KEY = RECORD[-69:-5]


@pytest.fixture(autouse=True, scope="module")
def _the_same_drawing_is_made_once():
    with remembered():
        yield


def call(kind, folder, out, monkeypatch):
    """Exit code, what was complained of, and the verdict that was told; "" without one."""
    monkeypatch.chdir(folder)
    words = [word.format(folder) for word in KINDS[kind].command]
    told = out / "told.json"
    if words[0] == "report":
        words += ["--out", str(out)]
    if words[0] != "list":
        words += ["--quiet", "--json", str(told)]
    ended = CliRunner().invoke(cli, words, standalone_mode=False)
    error = ended.exception
    if isinstance(error, ParityError):
        return error.exit_code, str(error), ""
    if isinstance(error, click.ClickException):
        return error.exit_code, error.format_message(), ""
    if error is not None:
        raise error
    verdict = json.loads(told.read_text())["verdict"] if told.exists() else ""
    return ended.return_value or 0, "", verdict


@functools.cache
def right_answer(kind):
    """What the right file gives, which is no error."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder, out = Path(name) / "made", Path(name) / "out"
        out.mkdir()
        for path, content in right_files(kind).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        answer = call(kind, folder, out, patch)
        patch.undo()
    assert answer[1] == ""
    return answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_file_is_refused_or_says_the_same(kind, tmp_path, monkeypatch):
    assert right_answer(kind)[1] == ""  # the null case
    made = [mutation(kind, number) for number in range(0, KINDS[kind].count, 2)]
    assert len({each.content for each in made}) > 0.7 * len(made)
    for each in made:
        folder = tmp_path / str(each.number)
        check(each, folder, right_answer(kind), monkeypatch)
        shutil.rmtree(folder)


def check(made, folder, expected, monkeypatch):
    kind, out = made.kind, folder / "out"
    out.mkdir(parents=True)
    made.write(folder / "made")
    code, complaint, verdict = call(kind, folder / "made", out, monkeypatch)
    if complaint:
        assert code in (2, 3), (made.number, made.what)
        assert complaint.strip().count("\n") == 0, (made.number, complaint)
        assert len(complaint) < 1500, (made.number, complaint)
        return
    if not KINDS[kind].is_input and verdict != "error":  # which says that a part is missing
        assert (code, verdict) in {(expected[0], expected[2]), (3, "incomplete")}, (
            made.number,
            made.what,
        )
    if (out / "junit.xml").exists():
        root = ET.parse(out / "junit.xml").getroot()
        has_failed = int(root.get("failures")) + int(root.get("errors")) > 0
        assert has_failed == (verdict not in ("pass", "good_fit")), (made.number, made.what)


@each_row("number", range(0, KINDS["record of a store"].count, 2))
def test_a_changed_record_is_not_counted_or_says_the_same(number, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("record")
    right = mutation("record of a store", number)
    folder = right.write(tmp_path)
    other = tmp_path / "right"
    path = other / RECORD
    path.parent.mkdir(parents=True)
    path.write_bytes(right_files("record of a store")[RECORD])
    expected = stored_run(LocalStore(other), KEY)
    result, problems = sweep_of_store(folder)
    counted = [row.judgement for row in result.rows if row.key == KEY]
    complaint = ""
    try:
        found = stored_run(LocalStore(folder), KEY)
    except RunError as error:
        complaint = str(error)
    if complaint:
        assert complaint.count("\n") == 0
        assert (counted, len(problems)) == ([], 1)
        return
    # A loss that is not finite is one of a run that diverged.
    assert found.judgement == expected.judgement or found.judgement.verdict == "diverged"
    assert counted in ([], [found.judgement])
    assert len(counted) + len(problems) == 1
