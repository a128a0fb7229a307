"""The command line: exit codes, messages, help; whole runs are in test_pipeline.py."""

import json
import subprocess
import sys
import time

import pytest

from parity.scenarios import SCENARIOS


def parity(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "parity", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "no-such"], "unknown scenario 'no-such': expected one of underfit, capacity"),
        (["run", "--epochs", "0"], "epochs=0: expected an integer of at least 1"),
        (["run", "--epochs", "many"], "'many' is not a valid integer"),
        (["run", "--batch-size", "-3"], "batch_size=-3"),
        (["run", "--seed", "-1"], "seed=-1: expected an integer in [0, 2**32 - 1]"),
        (["run", "--seed", "1", "--seeds", "0:3"], "exclude each other"),
        (["run", "--seeds", "3:1"], "expected A:B with A < B"),
        (["run", "--seeds", "1,x"], "expected A:B with A < B"),
        (["run", "--seeds", "1,1"], "different seeds"),
        (["run", "--dtype", "float16"], "'float16' is not one of 'float32', 'float64'"),
        (["run", "--data", "no/such/folder"], "no/such/folder"),
        (["run", "--train-size", "10000000"], "10000000"),
        (["run", "--nudges", "0"], "float32 needs at least 1 nudged run"),
        (["run", "--timeout", "-1"], "-1"),
        (["run", "--json", "no/such/folder/result.json"], "no/such/folder"),
        (["run", "--keras-python", "no-such-python", "--quiet"], "no-such-python"),
        (["runn"], "No such command 'runn'"),
        (["run", "--no-such-option"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_told_in_one_paragraph_with_exit_code_2(arguments, message, tmp_path):
    ended = parity(*arguments, cwd=tmp_path)
    told = ended.stderr
    assert message in " ".join(told.split())
    assert "Traceback" not in told
    assert ended.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [[], ["run"], ["list"], ["doctor"]], ids=" ".join)
def test_help_says_what_each_command_does_and_loads_no_framework(command):
    started = time.perf_counter()
    ended = parity(*command, "--help")
    assert ended.returncode == 0
    assert "Usage:" in ended.stdout
    # The bar is half a second on a quiet machine; other workers may hold the cores here.
    assert time.perf_counter() - started < 5


def test_the_command_line_imports_neither_framework_nor_numpy_for_help():
    code = (
        "import sys; from parity.cli import cli\n"
        "try: cli(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'tensorflow', 'keras', 'numpy', 'rich'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_list_names_every_scenario_with_its_epochs(tmp_path):
    ended = parity("list", "--json", str(tmp_path / "list.json"))
    assert [line.split()[0] for line in ended.stdout.splitlines()] == list(SCENARIOS)
    written = json.loads((tmp_path / "list.json").read_text())
    assert written["capacity"]["epochs"] == 50
    assert parity("list", "--quiet").stdout == ""


def test_version_is_told():
    assert parity("--version").stdout.startswith("parity, version ")


def test_a_failing_half_gives_exit_code_3_and_the_json_says_why(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho something broke; exit 1\n")
    broken.chmod(0o755)
    ended = parity(
        *["run", "dropout", "--dtype", "float64", "--out", str(tmp_path / "out")],
        *["--json", str(tmp_path / "result.json")],
        *["--keras-python", str(broken), "--torch-python", str(broken)],
    )
    assert ended.returncode == 3
    assert "something broke" in ended.stdout
    assert "Traceback" not in ended.stderr
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["verdict"] == "error"
    assert any("something broke" in error for error in written["errors"])


def test_several_runs_give_one_json_with_a_verdict_over_all(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    ended = parity(
        *["run", "dropout", "underfit", "--seeds", "5,9", "--out", str(tmp_path / "out")],
        *["--json", str(tmp_path / "results.json"), "--quiet"],
        *["--keras-python", str(broken), "--torch-python", str(broken)],
    )
    assert ended.returncode == 3
    assert ended.stdout == ""
    written = json.loads((tmp_path / "results.json").read_text())
    assert (written["schema"], written["verdict"]) == ("parity.results/1", "error")
    found = [(r["spec"]["scenario"], r["spec"]["seed"]) for r in written["results"]]
    assert found == [("dropout", 5), ("dropout", 9), ("underfit", 5), ("underfit", 9)]
