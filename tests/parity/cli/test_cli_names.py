"""What a shell completes, by click's own classes; nothing slow is imported for it."""

import os
import subprocess
import sys
import time

from click.shell_completion import get_completion_class
from rows import each_row

from parity.cli.completion import VARIABLE
from parity.cli.main import cli
from parity.divergences import REGISTRY
from parity.ladder.items import LEVEL_IDS
from parity.programs.bench_spec import PARTS, PRECISIONS, VARIANTS
from parity.programs.scenarios import SCENARIOS

HEAVY = {"numpy", "scipy", "rich", "torch", "tensorflow", "keras", "matplotlib", "ray"}


def completed(*arguments):
    """The words that complete the last argument."""
    *given, incomplete = arguments
    shell = get_completion_class("bash")(cli, {}, "parity", VARIABLE)
    return [found.value for found in shell.get_completions(list(given), incomplete)]


@each_row("command", ["run", "sweep", "bench"])
def test_scenarios_are_completed(command):
    assert completed(command, "") == list(SCENARIOS)
    assert completed(command, "cured_by_d") == ["cured_by_data", "cured_by_dropout"]
    assert completed(command, "no-such") == []


def test_a_scenario_is_offered_with_what_it_is():
    shell = get_completion_class("zsh")(cli, {}, "parity", VARIABLE)
    (found,) = shell.get_completions(["run"], "dropout")
    assert found.help == SCENARIOS["dropout"].summary


def test_names_of_divergences_are_completed_also_in_lower_case():
    assert completed("explain", "") == [*REGISTRY, *(entry.slug for entry in REGISTRY.values())]
    assert completed("explain", "adam") == ["adam-epsilon-placement", "adam-epsilon"]
    assert completed("explain", "A2") == [
        *("A2", "A24", "A29", "A20", "A21", "A25", "A26", "A27", "A22", "A23")
    ]
    assert completed("explain", "g1") == ["G12", "G10", "G1", "G14", "G15", "G13", "G17", "G16"]
    assert completed("explain", "a14C") == ["A14c"]


def test_lists_are_completed_at_their_last_name():
    assert completed("bench", "--variants", "") == list(VARIANTS)
    assert completed("bench", "--variants", "torch-") == [
        "torch-eager",
        "torch-own",
        "torch-compiled",
    ]
    assert completed("bench", "--variants", "keras,torch-e") == ["keras,torch-eager"]
    assert completed("bench", "--parts", "train,st") == ["train,step", "train,startup"]
    assert completed("bench", "--parts", "step,st") == ["step,startup"]
    assert completed("bench", "--parts", "") == list(PARTS)
    assert completed("bench", "--precision", "") == list(PRECISIONS)
    assert completed("bench", "--baseline", "keras-") == ["keras-tuned", "keras-torch"]
    assert completed("check", "--levels", "forward,") == [
        f"forward,{name}" for name in LEVEL_IDS if name != "forward"
    ]


@each_row(
    "arguments",
    [
        ["run", "--data", "my/fol"],
        ["run", "--keras-python", ""],
        ["check", "--keras", ""],
        ["check", "--torch", ""],
        ["check", "--data", ""],
        ["check", "--against", ""],
        ["record", ""],
        ["run", "--against", ""],
        ["record", "--keras", ""],
        ["sweep", "--out", ""],
        ["diagnose", ""],
        ["diagnose", "--data", "my"],
        ["bench", "--compare", ""],
    ],
    ids=" ".join,
)
def test_paths_are_left_to_the_shell(arguments):
    shell = get_completion_class("bash")(cli, {}, "parity", VARIABLE)
    *given, incomplete = arguments
    (found,) = shell.get_completions(given, incomplete)
    assert (found.type, found.value) == ("file", incomplete)


@each_row("command", ["run", "sweep", "bench", "diagnose"])
def test_data_have_names_or_are_files(command):
    assert completed(command, "--data", "") == ["embedded", "mnist"]
    assert completed(command, "--data", "emb") == ["embedded"]


def test_completing_imports_nothing_slow_and_takes_little_time():
    code = (
        "import sys; sys.argv = ['parity']\n"
        "from parity.cli.main import main\n"
        "try: main()\n"
        f"finally: print('', sorted({HEAVY!r} & set(sys.modules)))"
    )
    words = "parity explain a"
    environment = {
        **os.environ,
        VARIABLE: "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": "2",
    }
    started = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    # The bar is 0.3 s on a quiet machine; other workers may hold the cores here.
    assert time.perf_counter() - started < 3
    *words, last = ended.stdout.splitlines()
    assert words
    assert all(word.startswith("plain,") for word in words)
    assert last == " []"
