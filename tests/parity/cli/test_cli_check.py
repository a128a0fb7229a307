"""The commands check, record, explain and list divergences: exit codes, messages, what is left."""

import json

import check_pairs
import pytest
from called import Ended, assert_wrong_use, calling

from parity.divergences import REGISTRY
from parity.files.json_io import write_json
from parity.halves.job import Failure, Progress

pytestmark = pytest.mark.usefixtures("warm_halves")


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Calls `parity` in this process, in a folder that holds a bundle and a module."""
    check_pairs.recorded(seed=7).pack(tmp_path / "a.parity")
    (tmp_path / "nets.py").write_text("def build():\n    return None\n")
    return calling(monkeypatch, capsys, tmp_path)


@pytest.fixture
def children(monkeypatch):
    """What a child would have done: nothing, unless a test says so."""
    started = []

    def run_jobs(jobs, children, on_done=None, on_progress=None):
        started.extend(jobs)
        for job in jobs:
            if on_progress is not None:
                on_progress(job, Progress(job.directories[0], 0, 0, None, 0.0))
        return [failure for job in jobs for failure in run_jobs.act(job)]

    run_jobs.act = lambda job: []
    run_jobs.started = started
    monkeypatch.setattr("parity.runs.check_halves.run_shown", run_jobs)
    return run_jobs


KERAS, TORCH = ("--keras", "nets.py:build"), ("--torch", "nets.py:build")
AGAINST = ("--against", "a.parity")
WRONG = {
    "nothing": ((), "there is nothing to check: the folder has no table of programs"),
    "no_torch": (KERAS, "torch is missing: expected the factory of a torch module (--torch)"),
    "neither": (TORCH, "(--keras) or a bundle (--against), got neither"),
    "both": ((*KERAS, *TORCH, *AGAINST), "got both"),
    "no_colon": (("--keras", "nets", *TORCH), "--keras nets: expected MODULE:FUNCTION"),
    "no_file": (("--keras", "no.py:build", *TORCH), "--keras no.py:build: there is no file no.py"),
    "empty_name": (("--keras", "", *TORCH), "keras='': expected text that is not empty"),
    "no_bundle": (("--against", "b.parity", *TORCH), "b.parity: there is no such bundle"),
    "no_bundle_but_a_file": (("--against", "nets.py", *TORCH), "it is no zip archive"),
    "levels": ((*KERAS, *TORCH, "--levels", "loss,lossy"), "levels ['lossy']: expected some of"),
    "tolerance": ((*KERAS, *TORCH, "--tolerance", "much"), "'much': expected a number, such as 1e"),
    "large": ((*KERAS, *TORCH, "--tolerance", "1"), "tolerance is 1.0: expected a number above 0"),
    "no_level": ((*KERAS, *TORCH, "--tolerance", "lossy=1e-6"), "tolerance of 'lossy': expected"),
    "accept": ((*KERAS, *TORCH, "--accept", "C3,Z9"), "accept='Z9': there is no such divergence"),
    "no_data": ((*KERAS, *TORCH, "--data", "d.npz"), "--data d.npz: there is no such file"),
    "data_of_a_bundle": (
        (*TORCH, *AGAINST, "--data", "nets.py"),
        "with the program's own data, and data nets.py is asked for",
    ),
    "dtype_of_a_bundle": (
        (*TORCH, *AGAINST, "--dtype", "float32"),
        "recorded with dtype float64, and dtype float32 is asked for; record one with `parity reco",
    ),
    "seed_of_a_bundle": (
        (*TORCH, *AGAINST, "--seed", "0"),
        "a.parity: it was recorded with seed 7, and seed 0 is asked for",
    ),
    "out": ((*KERAS, *TORCH, "--out", "."), "--out .: expected an empty folder"),
    "out_is_a_file": ((*KERAS, *TORCH, "--out", "nets.py"), "is a file"),
    "out_below_a_file": ((*KERAS, *TORCH, "--out", "nets.py/x"), "cannot be written"),
    "json": ((*TORCH, *AGAINST, "--json", "no/such/x.json"), "no/such/x.json"),
    "seed": ((*TORCH, *AGAINST, "--seed", "-1"), "seed=-1: expected an integer in [0, 2**32 - 1]"),
    "large_seed": ((*TORCH, *AGAINST, "--seed", 2**32), "seed=4294967296"),
    "steps": ((*KERAS, *TORCH, "--steps", "0"), "steps=0: expected an integer of at least 1"),
    "batch": ((*KERAS, *TORCH, "--batch-size", "1"), "batch_size=1: expected an integer"),
    "device": ((*TORCH, *AGAINST, "--device", "tpu"), "device='tpu': expected 'cpu', 'cuda'"),
    "device_number": ((*TORCH, *AGAINST, "--device", "cuda:x"), "device='cuda:x'"),
    "python": ((*TORCH, *AGAINST, "--torch-python", "no-such-python"), "no-such-python"),
    "unknown": (("--tensorflow", "a:b"), "No such option"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_wrong_use_of_check_is_told_before_anything_starts(
    call, children, arguments, message, tmp_path
):
    assert_wrong_use(call("check", *arguments), message)
    assert children.started == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parity", "nets.py"]


WRONG_RECORD = {
    "no_bundle": (KERAS, "Missing argument 'BUNDLE'"),
    "no_model": (("b.parity",), "expected either a PROGRAM or --keras"),
    "two_models": (("b.parity", "dropout", *KERAS), "expected either a PROGRAM or --keras"),
    "no_program": (("b.parity", "dropot"), "unknown program 'dropot' (see `parity list`)"),
    "no_folder": (("no/such/b.parity", *KERAS), "expected a file in an existing folder"),
    "a_folder": ((".", *KERAS), "expected a file in an existing folder"),
    "no_file": (("b.parity", "--keras", "no.py:f"), "there is no file no.py"),
    "no_data": (("b.parity", *KERAS, "--data", "d.npz"), "there is no such file"),
    "epochs": (("b.parity", *KERAS, "--epochs", "3"), "--epochs needs --run"),
    "feed": (("b.parity", *KERAS, "--max-feed", "3"), "--max-feed needs --run"),
    "arguments": (("b.parity", *KERAS, "--arguments", "a"), "--arguments needs --run"),
    "steps": (("b.parity", "--run", *KERAS, "--steps", "6"), "--steps is of a check; --run trains"),
    "scenario": (
        ("b.parity", "dropout", "--run", "--max-feed", "9"),
        "--max-feed with the scenario 'dropout': only your own programs have it",
    ),
    "no_run": (("b.parity", "smal", "--run"), "unknown program 'smal' (see `parity list`)"),
    "no_script": (("b.parity", "--run", "--keras", "no.py"), "--keras no.py: there is no such"),
    "no_arguments": (("b.parity", "--run", *KERAS, "--arguments", "a"), "expected a script"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG_RECORD.values(), ids=WRONG_RECORD)
def test_wrong_use_of_record_is_told_before_anything_starts(
    call, children, arguments, message, tmp_path
):
    assert_wrong_use(call("record", *arguments), message)
    assert children.started == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parity", "nets.py"]


@pytest.mark.parametrize(
    ("is_input", "code", "message"),
    [
        (True, 2, "parity: --data d: y has values\n"),
        (False, 3, "parity: check torch: it broke\n"),
        (None, 3, "parity: check torch: it broke\n"),
    ],
    ids=["input", "error", "killed"],
)
@pytest.mark.parametrize("out", [(), ("--out", "results")], ids=["nothing_kept", "kept"])
def test_what_a_child_could_not_do_decides_on_the_exit_code(
    call, children, is_input, code, message, out, tmp_path
):
    def act(job):
        if is_input is not None:
            told = {"is_input": is_input, "message": "--data d: y has values"}
            write_json(job.directories[0] / "failure.json", told)
        return [Failure(job, "check torch: it broke")]

    children.act = act
    ended = call("check", *AGAINST, *TORCH, "--quiet", *out)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(message)
    kept = {"results"} if out else set()
    assert {path.name for path in tmp_path.iterdir()} == {"a.parity", "nets.py"} | kept


# --- programs of the table -----------------------------------------------------------------------

TABLE = """
[programs.one]
keras = "nets.py:build"
torch = "nets.py:build"

[programs.two]
keras = "more.py:build"
torch = "nets.py:build"
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("one", "--torch", "nets.py:build"), "--keras and --torch are for a pair without a name"),
        (("three",), "unknown program 'three'"),
        (("--against", "no"), "program 'one': no: there is no such bundle; write one with"),
        (
            ("two", "--against", "."),
            "program 'two': .: there is no bundle of a check of more.py",
        ),
        (AGAINST, "program 'two': a.parity: it is of nets.py:build, and more.py:build is asked"),
    ],
    ids=["both", "unknown", "no_folder", "no_bundle", "another_bundle"],
)
def test_wrong_use_of_programs_is_told_before_anything_starts(
    call, children, arguments, message, tmp_path
):
    (tmp_path / "parity.toml").write_text(TABLE)
    (tmp_path / "more.py").write_text("")
    ended = call("check", *arguments)
    assert_wrong_use(ended, message)
    assert children.started == []
    assert len(ended.stderr.strip().splitlines()) <= 4


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_all_programs_are_checked_by_at_most_as_many_children_as_there_are_workers(
    call, children, workers, tmp_path
):
    """Each has a framework to import: there are no more of them than work at a time."""
    (tmp_path / "parity.toml").write_text(TABLE)
    (tmp_path / "more.py").write_text("")
    children.act = lambda job: [Failure(job, "it broke")]
    ended = call("check", "--workers", workers)
    assert ended.returncode == 3
    for half in ("keras", "torch"):
        jobs = [job for job in children.started if job.half == half]
        assert len(jobs) == min(workers, 2)
        assert sum(len(job.directories) for job in jobs) == 2
    assert ended.stdout.splitlines()[-2].strip() == "2 error of 2 runs; nothing compared"


# --- explain, list -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["A16", "a16", "other-activation"])
def test_a_divergence_is_explained_by_its_id_or_its_name(call, name, tmp_path):
    ended = call("explain", name, "--json", "a.json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("A16 other-activation\n")
    for word in ("level", "keras", "torch", "fix", "source"):
        assert f"\n  {word}" in ended.stdout
    assert json.loads((tmp_path / "a.json").read_text()) == REGISTRY["A16"].to_json()
    assert call("explain", name, "--quiet") == Ended(0, "", "")


@pytest.mark.parametrize("name", ["Z99", "", "A1 6", "../A16"], ids=repr)
def test_an_unknown_divergence_is_told_with_where_the_known_ones_are(call, name):
    told = f"unknown divergence {name!r}: expected the ID or the name of one"
    assert_wrong_use(call("explain", name), told, "`parity list divergences` lists them all")


def test_all_divergences_are_listed(call, plain_terminal):
    ended = call("list", "divergences")
    assert (ended.returncode, ended.stderr) == (0, "")
    words = ended.stdout.split()
    assert all(words.count(name) >= 1 for name in REGISTRY)
    assert all(words.count(entry.slug) >= 1 for entry in REGISTRY.values())
