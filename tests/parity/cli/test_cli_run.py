"""`parity run` and `parity list` take programs of the user's by name, or as a pair of factories."""

import json
import shutil

import check_pairs
import pytest
from called import assert_wrong_use, calling
from programs_here import FOLDER

from parity.ladder.result_file import read_result

pytestmark = pytest.mark.usefixtures("warm_halves")


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Calls `parity` in this process, in a folder with the program of these tests."""
    shutil.copytree(FOLDER, tmp_path / "mine")
    check_pairs.recorded().pack(tmp_path / "mine" / "a.parity")
    return calling(monkeypatch, capsys, tmp_path / "mine")


PAIR = ("--keras", "keras_side.py:build", "--torch", "torch_side.py:build")
WRONG = {
    "unknown": (("run", "smal"), "unknown program 'smal': ", "parity.toml has small, frozen"),
    "half": (("run", *PAIR[:2]), "--torch is missing: expected both --keras and --torch"),
    "both": (("run", "small", *PAIR), "--keras and --torch give a program without a name"),
    "full": (("run", "small", "--full"), "--full with the program 'small': only built-in"),
    "split": (("run", *PAIR, "--split", "last"), "--split with the program 'custom': only built"),
    "no_file": (("run", *PAIR[:3], "no.py:build"), "torch no.py:build: there is no file no.py"),
    "dtype": (("run", "small", "--dtype", "float16"), "float16"),
}


AGAINST = ("--against", "a.parity")
WRONG |= {
    "no_bundle": (("run", "small", "--against", "b.parity"), "b.parity: there is no such bundle"),
    "no_zip": (("run", "small", "--against", "parity.toml"), "it is no zip archive, or something"),
    "of_a_check": (
        ("run", "small", *AGAINST),
        "a.parity: it holds a check alone, and no whole run",
    ),
    "keras_too": (("run", *PAIR, *AGAINST), "--keras and --against: the bundle stands for the"),
    "no_port": (("run", *AGAINST), "either the name of a program or --torch, the port that is"),
    "two_ports": (("run", "small", *PAIR[2:], *AGAINST), "either the name of a program or --torch"),
    "programs": (("run", "small", "frozen", *AGAINST), "--against with 2 programs: a bundle is of"),
    "seeds": (("run", "small", *AGAINST, "--seeds", "0:3"), "--against with 3 seeds: a bundle is"),
    "scenario": (
        ("run", "dropout", *AGAINST),
        "a.parity: it holds a check alone, and no whole run",
    ),
    "no_name": (("run", "smal", *AGAINST), "unknown program 'smal' (see `parity list`)"),
    "full_bundle": (("run", "small", *AGAINST, "--full"), "--full with the program 'small'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_is_one_line_and_exit_code_2(case, call):
    arguments, *messages = WRONG[case]
    assert_wrong_use(call(*arguments), *messages)


def test_list_shows_the_programs_of_the_project_before_the_scenarios(call, tmp_path):
    ended = call("list", "--json", str(tmp_path / "list.json"))
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert "parity.toml: `parity run`" in lines[0]
    assert lines[1].split() == ["small", "keras", "train.py", "3"]
    assert lines[2].split() == ["torch", "torch_side.py:build"]
    rows = json.loads((tmp_path / "list.json").read_text())
    assert rows["small"]["keras"] == "train.py"
    assert rows["dropout"]["summary"]


def test_check_takes_all_programs_of_the_table_or_some(call, tmp_path):
    ended = call("check", "--json", "all.json", "--out", "out")
    assert ended.returncode == 0, ended.stderr  # no probe sees that the second one freezes
    assert ended.stdout.count("The port is right") == 2
    results = json.loads((tmp_path / "mine" / "all.json").read_text())["results"]
    assert [result["spec"]["torch"] for result in results] == [
        "torch_side.py:build",
        "torch_side.py:frozen_midway",
    ]
    assert results[0]["spec"]["arguments"] == ["3"]
    assert (tmp_path / "mine" / "out" / "report.html").exists()


# What the Keras half finds wrong -> what it says, and the exit code.
UNFIT = {
    "no fit": ("print('nothing is trained')", "ended without a call of model.fit", 2),
    "crash": ("import os\nos._exit(9)", "exit code 9", 3),
}


@pytest.mark.parametrize("case", UNFIT)
def test_bad_input_that_a_half_finds_is_exit_code_2_and_a_crash_is_3(case, call, tmp_path):
    text, message, code = UNFIT[case]
    (tmp_path / "mine" / "unfit.py").write_text(text)
    ended = call("run", "--keras", "unfit.py", *PAIR[2:], "--out", "out")
    assert ended.returncode == code, ended.stderr
    assert message in " ".join(ended.stdout.split())
    assert "Traceback" not in ended.stdout
    assert (tmp_path / "mine" / "out" / "report.html").exists()


@pytest.mark.long
def test_programs_of_a_table_are_trained_whole_and_reported(call, tmp_path):
    ended = call("run", "small", "frozen", "--out", "out", "--json", "all.json")
    assert ended.returncode == 1, ended.stderr
    right, wrong = (
        read_result(tmp_path / "mine" / "out" / f"{name}-seed42" / "result.json")
        for name in ("small", "frozen")
    )
    assert (right.verdict, wrong.verdict) == ("pass", "fail")
    assert wrong.causes[0]["id"] == "I4"
    assert "cause I4  the training changes on the way" in ended.stdout
    assert "The port is right: all 11 levels agree" in ended.stdout
    assert (tmp_path / "mine" / "out" / "report.html").exists()
    assert "frozen" in (tmp_path / "mine" / "out" / "summary.md").read_text()
    assert not list((tmp_path / "mine" / "out").rglob("feed.safetensors"))
    assert json.loads((tmp_path / "mine" / "all.json").read_text())["verdict"] == "fail"
