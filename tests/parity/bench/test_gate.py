"""The gate: a fast run that trains otherwise is refused, a right one passes, and it says why."""

import stat
import sys
import types
from dataclasses import dataclass, field

import numpy as np
import pytest
from bench_children import Stub
from bench_results import row
from helpers import make_data
from paths import ROOT
from processes import is_alive

from parity.bench import run
from parity.bench.result import FAILED, OK, REFUSED
from parity.bench.run import EPOCHS, LADDER, MARGIN, checked
from parity.files.json_io import read_json
from parity.ladder.result import Result
from parity.programs.bench_spec import BenchSpec
from parity.sweeps.groups import equivalence_of_groups
from torch_impl import fit

SPEC = BenchSpec(train_size=64, val_size=16, gate_seeds=8)
GOOD = (0.90, 0.91, 0.89, 0.90, 0.91, 0.89, 0.90, 0.90)


def serves(accuracies):
    return f"serve(accuracies={tuple(accuracies)!r})"


@dataclass
class Ladder:
    """What `run_all` finds, and what it was asked for."""

    verdict: str = "pass"
    errors: tuple = ()
    first_divergence: tuple | None = None
    accuracy: float = 0.5
    raises: Exception | None = None
    asked: list = field(default_factory=list)

    @property
    def history(self):
        return {"torch": {"val_accuracy": [0.1, self.accuracy]}}

    def run_all(self, specs, options):
        self.asked.append((specs, options))
        if self.raises is not None:
            raise self.raises
        return [self]


@pytest.fixture
def ladder(monkeypatch):
    """The ladder, compared in no time."""
    found = Ladder()
    monkeypatch.setattr("parity.runs.run.run_all", found.run_all)
    return found


@pytest.fixture(autouse=True)
def _small_data(monkeypatch):
    """To read the embedded data takes longer than all else here."""
    data = make_data((4, 4, 1), num_classes=2, num_train=64, num_val=16)
    monkeypatch.setattr(run, "run_data", lambda spec: data)


@pytest.fixture
def judge(tmp_path):
    """Checks rows with children that do as the texts of their variants say."""

    def judged(rows, texts=None, *, spec=SPEC, say=lambda text: None):
        judge.stub = Stub(tmp_path, texts)
        found = checked(rows, spec, tmp_path / "gate", judge.stub.pythons, 20.0, say)
        assert len(found) == len(rows)
        assert not any(map(is_alive, judge.stub.pids()))
        return found

    judge = types.SimpleNamespace(stub=None)
    return lambda *arguments, **options: (judged(*arguments, **options), judge.stub)


def test_a_variant_as_good_as_keras_passes(judge):
    ours = (0.91, 0.90, 0.90, 0.89, 0.90, 0.90, 0.91, 0.89)
    texts = {"keras": serves(GOOD), "torch-own": serves(ours)}
    rows = [row("keras", 1.0), row("torch-own", 2.0)]
    (keras, own), _ = judge(rows, texts)
    assert (keras.parity, keras.parity_note, keras.status) == ("pass", "the reference", OK)
    assert (own.parity, own.status, own.reason, own.values) == ("pass", OK, "", (2.0,))
    found = equivalence_of_groups(ours, GOOD, MARGIN)
    # The means are equal, and plain Welch has an interval of +-0.0067.
    assert found.low < -0.0067 < 0.0067 < found.high
    assert own.parity_note == (
        f"as good as Keras: accuracy +0.000 ({found.low:+.3f} to {found.high:+.3f}) of Keras's, "
        "margin 0.03, 8 seeds of 6 epochs"
    )


@pytest.mark.parametrize("accuracy", [1.0, 0.1])
def test_a_few_seeds_decide_nothing_though_they_have_no_spread(judge, accuracy):
    (_, own), _ = judge(
        [row("keras", 1.0), row("torch-own", 2.0)],
        {"keras": serves([1.0]), "torch-own": serves([accuracy])},
        spec=BenchSpec(train_size=64, val_size=16, gate_seeds=5),
    )
    assert (own.parity, own.status) == ("unchecked", OK)
    assert own.parity_note.endswith("5 seeds of 6 epochs; needs 6 seeds")


def test_enough_seeds_that_show_a_difference_near_the_margin_are_not_asked_for_more(judge):
    ours = tuple(value - 0.025 for value in GOOD)
    (_, own), _ = judge(
        [row("keras", 1.0), row("torch-own", 2.0)],
        {"keras": serves(GOOD), "torch-own": serves(ours)},
    )
    assert equivalence_of_groups(ours, GOOD, MARGIN).n_needed <= 8
    assert own.parity == "unchecked"
    assert own.parity_note.endswith("8 seeds of 6 epochs; the difference is near the margin")


BAD = {
    "never trains": (0.10, 0.09, 0.11, 0.10, 0.10, 0.10, 0.09, 0.11),
    "trains too fast": (0.80, 0.84, 0.79, 0.81, 0.82, 0.80, 0.81, 0.81),
    "cheats": (1.0,) * 8,  # better than Keras is not as Keras
}


@pytest.mark.parametrize(
    ("name", "variant"),
    [*zip(BAD, ("torch-own", "torch-compiled", "keras-tuned"), strict=True)],
)
def test_a_fast_variant_that_trains_otherwise_is_refused(judge, variant, name):
    texts = {"keras": serves(GOOD), variant: serves(BAD[name])}
    (keras, fast), _ = judge([row("keras", 1.0), row(variant, 1000.0)], texts)
    assert keras.status == OK
    assert (fast.parity, fast.status) == ("fail", REFUSED)
    difference = np.mean(BAD[name]) - np.mean(GOOD)
    assert fast.reason.startswith(f"it does not train as Keras does: accuracy {difference:+.3f} (")


def test_too_few_seeds_prove_nothing_and_say_how_many_are_needed(judge):
    ours, theirs = (0.90, 0.80), (0.85, 0.90)
    (_, own), _ = judge(
        [row("keras", 1.0), row("torch-own", 2.0)],
        {"keras": serves(theirs), "torch-own": serves(ours)},
        spec=BenchSpec(train_size=64, val_size=16, gate_seeds=2),
    )
    assert (own.parity, own.status) == ("unchecked", OK)
    needed = equivalence_of_groups(ours, theirs, MARGIN).n_needed
    assert own.parity_note.startswith("inconclusive: accuracy -0.025 (")
    assert own.parity_note.endswith(f"; needs {needed} seeds")


def test_variants_train_from_as_many_seeds_as_are_asked_for(judge, tmp_path):
    texts = {"keras": serves(GOOD), "torch-own": serves(GOOD)}
    spec = BenchSpec(train_size=64, val_size=16, gate_seeds=3, batch_sizes=(16, 8), seed=7)
    _, stub = judge([row("keras", 1.0), row("torch-own", 2.0)], texts, spec=spec)
    assert stub.rounds() == [f"{name} {n}" for name in ("keras", "torch-own") for n in range(3)]
    given = read_json(tmp_path / "gate" / "gate-torch-own-fp32" / "child" / "task.json")
    assert (given["part"], given["variant"], given["precision"]) == (
        "accuracy",
        "torch-own",
        "fp32",
    )
    assert (given["spec"]["epochs"], given["spec"]["batch_size"], given["spec"]["seed"]) == (
        *(EPOCHS, 16, 7),
    )


def test_one_variant_is_judged_once_for_all_its_cells_and_keras_once_for_all_variants(judge):
    rows = [
        row(variant, 1.0, part=part, batch_size=size)
        for part in ("train", "step")
        for size in (16, 8)
        for variant in ("keras", "torch-own", "torch-eager", "torch-own#2")
    ]
    texts = dict.fromkeys(("keras", "torch-own", "torch-eager"), serves(GOOD))
    found, stub = judge(rows, texts)
    assert {found_row.parity for found_row in found} == {"pass"}
    assert [words[0] for words in stub.events() if words[1] == "start"] == [
        *("keras", "torch-own", "torch-eager"),
    ]


def test_every_precision_is_judged_by_itself_and_against_keras_in_fp32(judge, tmp_path):
    texts = {
        "keras": serves(GOOD),
        "torch-own": f"good = {GOOD!r}\nserve(accuracies=good if task['precision'] == 'fp32' else "
        "[0.1])",
    }
    rows = [
        row(variant, 1.0, precision=precision)
        for precision in ("fp32", "bf16")
        for variant in ("keras", "torch-own")
    ]
    found, _ = judge(rows, texts)
    assert [item.parity for item in found] == ["pass", "pass", "pass", "fail"]
    assert found[0].parity_note == "the reference"
    assert found[2].parity_note.startswith("as good as Keras")  # Keras in bf16 is judged too
    assert [item.status for item in found] == [OK, OK, OK, REFUSED]


@pytest.mark.parametrize("part", ["input", "augment"])
def test_what_trains_nothing_is_left_alone(judge, part):
    rows = [row("keras", 1.0, part=part), row("torch-own", 2.0, part=part)]
    found, stub = judge(rows, dict.fromkeys(("keras", "torch-own"), "sys.exit(1)"))
    assert found == rows
    assert stub.events() == []


@pytest.mark.parametrize("status", [FAILED, REFUSED])
def test_what_was_not_measured_is_not_trained(judge, status):
    rows = [row("keras", 1.0), row("torch-own", status=status, reason="why")]
    found, stub = judge(rows)
    assert found[1] == rows[1]
    assert stub.events() == []


def test_nothing_is_checked_where_nobody_asks_for_it(judge):
    rows = [row("keras", 1.0), row("torch", 2.0), row("torch-own", 2.0)]
    spec = BenchSpec(train_size=64, val_size=16, gate_seeds=0)
    found, stub = judge(rows, spec=spec)
    assert found == rows
    assert stub.events() == []


def test_a_variant_that_cannot_be_trained_is_unchecked_and_leaves_the_others(judge):
    texts = {"keras": serves(GOOD), "torch-own": "raise MemoryError", "torch-eager": serves(GOOD)}
    rows = [row(name, 1.0) for name in texts]
    (_, own, eager), _ = judge(rows, texts)
    assert (own.parity, own.status) == ("unchecked", OK)
    assert own.parity_note.startswith("ran out of memory (MemoryError)")
    assert eager.parity == "pass"


def test_where_keras_cannot_be_trained_all_are_told_so_and_it_is_tried_once(judge):
    texts = {"keras": "note('try'); sys.exit(3)"}
    rows = [row(name, 1.0) for name in ("torch-own", "torch-eager")]
    found, stub = judge(rows, texts)
    assert [item.parity for item in found] == ["unchecked"] * 2
    for item in found:
        assert item.parity_note.startswith("Keras's own runs failed: ended without a message")
    assert stub.events() == [["keras", "try"]]


def test_the_port_is_compared_on_the_ladder_and_is_asked_what_the_timed_program_reaches(
    judge, ladder
):
    texts = {"torch": serves((0.5,))}
    spec = BenchSpec(gate_seeds=2, batch_sizes=(16, 8), seed=7, threads=3)
    (keras, torch), stub = judge([row("keras", 1.0), row("torch", 2.0)], texts, spec=spec)
    assert (torch.parity, torch.status) == ("pass", OK)
    assert torch.parity_note == "seeded: the same run, level by level"
    assert keras.parity == "pass"
    (((run,), options),) = ladder.asked
    assert (run.batch_size, run.seed, run.threads, run.mode) == (16, 7, 3, "seeded")
    assert {name: getattr(run, name) for name in LADDER} == LADDER
    assert options.children.pythons == stub.pythons
    assert options.children.timeout_s == 20.0
    assert stub.rounds() == ["torch 0"]


def test_a_port_that_falls_off_the_ladder_is_refused(judge, ladder):
    ladder.verdict = "fail"
    ladder.first_divergence = (
        types.SimpleNamespace(id="optimizer"),
        types.SimpleNamespace(name="conv1.kernel"),
    )
    (torch,), stub = judge([row("torch", 1000.0)], {"torch": serves((0.5,))})
    assert (torch.parity, torch.status) == ("fail", REFUSED)
    assert torch.reason == "it does not train as Keras does: seeded: optimizer, conv1.kernel"
    assert stub.events() == []


@pytest.mark.parametrize("accuracy", [0.1, 0.5001, 1.0])
def test_a_timed_program_that_is_not_what_was_compared_is_refused(judge, ladder, accuracy):
    """A loop that trains less is fast, and `fit`, which is compared, would not know of it."""
    (torch,), _ = judge([row("torch", 1000.0)], {"torch": serves((accuracy,))})
    assert (torch.parity, torch.status) == ("fail", REFUSED)
    assert f"is timed reaches an accuracy of {accuracy:.4f}, torch_impl.fit 0.5000" in torch.reason


def test_a_ladder_that_could_not_be_compared_is_unchecked_in_one_paragraph(judge, ladder):
    ladder.verdict, ladder.errors = "error", ("keras was killed\nThe log ends with:\n    x", "and")
    (torch,), _ = judge([row("torch", 2.0)])
    assert (torch.parity, torch.status) == ("unchecked", OK)
    assert torch.parity_note == "keras was killed; and"


def test_in_half_precision_the_port_is_judged_by_its_accuracy(judge, ladder):
    """No step of it can be Keras's to the bit."""
    texts = {"keras": serves(GOOD), "torch": serves(GOOD)}
    (torch,), _ = judge([row("torch", 2.0, precision="bf16")], texts)
    assert torch.parity_note.startswith("as good as Keras")
    assert ladder.asked == []


def test_an_interrupt_ends_the_gate_and_its_children(tmp_path, monkeypatch):
    def interrupted(client):
        raise KeyboardInterrupt

    monkeypatch.setattr("parity.bench.client.BenchClient.accuracy", interrupted)
    stub = Stub(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        checked(
            [row("torch-own", 1.0)], SPEC, tmp_path / "gate", stub.pythons, 20.0, lambda text: None
        )
    assert stub.pids()
    assert not any(map(is_alive, stub.pids()))


WRAPPER = """#!{python}
import os, runpy, sys
sys.path.insert(0, {root!r})
sys.argv = sys.argv[2:]
{fault}
sys.argv.insert(0, "x")
half = sys.argv.pop(1)
runpy.run_module(half, run_name="__main__", alter_sys=True)
"""
# Its rate is three times what the spec says, wherever torch trains.
RATE = """
import torch_impl.train as train
right = train.Adam
train.Adam = lambda weights, learning_rate, **others: right(weights, 3 * learning_rate, **others)
"""


@pytest.fixture
def faulty_python(tmp_path):
    """An interpreter whose torch half has a fault."""

    def make(fault):
        path = tmp_path / "faulty"
        path.write_text(WRAPPER.format(python=sys.executable, root=str(ROOT), fault=fault))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "status", "parity"),
    [("", OK, "pass"), (RATE, REFUSED, "fail")],
    ids=["right", "other rate"],
)
def test_a_real_port_passes_and_one_that_trains_otherwise_does_not(
    tmp_path, monkeypatch, faulty_python, warm_halves, fault, status, parity
):
    data = make_data((12, 20, 3), num_classes=5, num_train=70, num_val=30)

    def compared(specs, options):
        """The ladder passes, as it does where `fit` is right. Keras would take a minute for it."""
        (spec,) = specs
        return [Result("pass", spec.to_dict(), history={"torch": fit(spec, data).history})]

    monkeypatch.setattr(run, "run_data", lambda spec: data)
    monkeypatch.setattr("parity.runs.run.run_all", compared)
    pythons = {"keras": sys.executable, "torch": faulty_python(fault)}
    spec = BenchSpec(train_size=70, val_size=30, threads=1)
    (found,) = checked(
        [row("torch", 1.0)], spec, tmp_path / "gate", pythons, 300.0, lambda text: None
    )
    assert (found.status, found.parity) == (status, parity), found
    note = "seeded: the program that is timed reaches" if fault else "seeded: the same run, level"
    assert found.parity_note.startswith(note)
