"""benchmarks/speed/reference.py: what it runs, what it refuses, and the table that it fills."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest
import torch
from paths import ROOT
from rows import each_row

from parity.cli.bench import bench

PATH = ROOT / "benchmarks" / "speed" / "reference.py"
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


@pytest.fixture
def reference(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("reference_benchmarks", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return module


def called(*arguments):
    return subprocess.run(
        [sys.executable, PATH, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@NO_GPU
def test_without_a_gpu_it_is_refused_in_one_line_before_anything_is_measured():
    ended = called("--device", "cuda")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "reference.py: --device cuda: torch sees no GPU: expected a machine with one, and a torch "
        "that is built for it; nothing was measured\n"
    )


@each_row(
    ("arguments", "message"),
    [
        (["--device", "cuda", "bf16"], "bf16: expected some of programs, parts"),
        (["speed"], "speed: expected some of programs, bf16, parts, variants"),
        (["--rounds", "2"], "--rounds 2: expected at least 3"),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments, message):
    ended = called(*arguments)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == f"reference.py: error: {message}"


def test_every_command_line_of_the_tables_is_one_that_the_benchmark_takes(reference):
    for table in (reference.CPU, reference.CUDA):
        for group in table.values():
            for arguments in group.values():
                context = bench.make_context("bench", [*arguments, "--rounds", "7"])
                expected = "cuda" if table is reference.CUDA else "cpu"
                assert context.params["device"] == expected


def row(variant, median, batch_size, precision="fp32", status="ok"):
    return {
        **{"part": "train", "variant": variant, "batch_size": batch_size, "precision": precision},
        **{"status": status, "unit": "images/s", "median": median, "values": [median] * 3},
    }


RESULT = {
    "spec": {"scenario": "dropout", "device": "cuda"},
    "environment": {"system": "Linux-6.1", "executable": "/home/someone/python"},
    "rows": [
        row("keras", 1000.0, 32),
        row("torch-eager", 1500.4, 32),
        row("torch", 2000.0, 32),
        row("torch-compiled", None, 32, status="failed"),
        row("keras", 9000.0, 512, "bf16"),
        row("torch", 12345.6, 512, "bf16"),
    ],
}
LINES = """\
| program | batch | Keras | plain loop | `torch_impl.fit` | compiled |
|---|---|---|---|---|---|
| `dropout`, fp32 | 32 | 1,000 | 1,500 | 2,000 | – |
| `dropout`, bf16 | 512 | 9,000 | – | 12,346 | – |
"""


def test_on_the_first_machine_with_a_gpu_it_fills_the_table(reference, monkeypatch, capsys):
    """What a benchmark writes is given; all else is the script's own."""
    ran = []

    def run(command, **_):
        ran.append(command)
        content = {**RESULT, "spec": {**RESULT["spec"], "scenario": command[4]}}
        with open(command[command.index("--json") + 1], "w", encoding="utf-8") as file:
            json.dump(content, file)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(reference, "refusal", lambda: None)
    monkeypatch.setattr(reference.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["reference.py", "--device", "cuda", "programs"])
    reference.main()
    assert [command[4] for command in ran] == ["dropout", "augmentation", "capacity"]
    printed = capsys.readouterr().out
    assert LINES in printed
    assert "train, batch 32: torch fp32 against keras fp32: 2.00 (2.00 to 2.00, 3 pairs)" in printed
    kept = sorted(path.name for path in reference.RESULTS.iterdir())
    assert [re.sub(r"^\d{4}-\d\d-\d\d-", "", name) for name in kept] == [
        "cuda-augmentation.json",
        "cuda-capacity.json",
        "cuda-dropout.json",
    ]
    assert "/home/someone" not in (reference.RESULTS / kept[0]).read_text()


def test_the_columns_are_those_of_the_table_that_waits_for_them(reference):
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert LINES.splitlines()[0] in page


def test_a_benchmark_that_fails_is_named(reference, monkeypatch, capsys):
    ended = subprocess.CompletedProcess([], 3)
    monkeypatch.setattr(reference, "refusal", lambda: None)
    monkeypatch.setattr(reference.subprocess, "run", lambda *_, **__: ended)
    monkeypatch.setattr(sys, "argv", ["reference.py", "--device", "cuda", "parts"])
    with pytest.raises(SystemExit, match=r"^not measured: parts \(exit code 3\)$"):
        reference.main()
