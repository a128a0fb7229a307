"""The gate: a fast run that trains otherwise is refused, a right one passes, and it says why."""

import sys
from types import SimpleNamespace
from unittest.mock import Mock

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

SMALL = {"train_size": 64, "val_size": 16}
GOOD = (0.90, 0.91, 0.89, 0.90, 0.91, 0.89, 0.90, 0.90)


def serves(accuracies):
    return f"serve(accuracies={tuple(accuracies)!r})"


def measured(*variants, **others):
    """Rows of variants, in the order in which they ran."""
    return [row(variant, 1.0 + number, **others) for number, variant in enumerate(variants)]


@pytest.fixture
def ladder(monkeypatch):
    """What `run_all` finds, in no time; `run_all` knows what it was asked for."""
    history = {"torch": {"val_accuracy": [0.1, 0.5]}}
    found = SimpleNamespace(verdict="pass", errors=(), first_divergence=None, history=history)
    found.run_all = Mock(return_value=[found])
    monkeypatch.setattr("parity.runs.run.run_all", found.run_all)
    return found


@pytest.fixture(autouse=True)
def _small_data(monkeypatch):
    """To read the embedded data takes longer than all else here."""
    data = make_data((4, 4, 1), num_classes=2, num_train=64, num_val=16)
    monkeypatch.setattr(run, "run_data", lambda spec: data)


def no_progress(text):
    """Says nothing."""


@pytest.fixture
def judge(tmp_path):
    """Checks rows with children that do as the texts of their variants say; they, and the stub."""

    def judge(rows, texts=None, **settings):
        stub, spec = Stub(tmp_path, texts), BenchSpec(**{**SMALL, "gate_seeds": 8, **settings})
        found = checked(rows, spec, tmp_path / "gate", stub.pythons, 20.0, no_progress)
        assert len(found) == len(rows)
        assert not any(map(is_alive, stub.pids()))
        return found, stub

    return judge


AS_GOOD = ("pass", "as good as Keras: {figures}")
OTHER = ("fail", "{figures}")
UNSURE = ("unchecked", "inconclusive: {figures}; needs {needed} seeds")
TIMED = "seeded: the program that is timed reaches an accuracy of"
NEAR = ("unchecked", "inconclusive: {figures}; the difference is near the margin")


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ((0.91, 0.90, 0.90, 0.89, 0.90, 0.90, 0.91, 0.89), GOOD, AS_GOOD),
        ((0.10, 0.09, 0.11, 0.10, 0.10, 0.10, 0.09, 0.11), GOOD, OTHER),
        ((0.80, 0.84, 0.79, 0.81, 0.82, 0.80, 0.81, 0.81), GOOD, OTHER),
        ((1.0,) * 8, GOOD, OTHER),  # better than Keras is not as Keras
        ((1.0,) * 5, (1.0,) * 5, UNSURE),
        ((0.1,) * 5, (1.0,) * 5, UNSURE),
        ((0.90, 0.80), (0.85, 0.90), UNSURE),
        (tuple(value - 0.025 for value in GOOD), GOOD, NEAR),
    ],
    ids=[
        *("as good", "never trains", "trains too fast", "cheats"),
        *("few seeds without a spread", "though they differ", "two seeds", "near the margin"),
    ],
)
@pytest.mark.parametrize("variant", ["torch-own", "keras-tuned"])
def test_a_variant_is_judged_by_its_accuracies_over_the_seeds(
    judge, variant, ours, theirs, verdict
):
    texts = {"keras": serves(theirs), variant: serves(ours)}
    (keras, fast), _ = judge(measured("keras", variant), texts, gate_seeds=len(ours))
    assert (keras.parity, keras.parity_note, keras.status) == ("pass", "the reference", OK)
    found = equivalence_of_groups(ours, theirs, MARGIN)
    figures = (
        f"accuracy {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) of Keras's, "
        f"margin 0.03, {len(ours)} seeds of 6 epochs"
    )
    parity, note = verdict
    note = note.format(figures=figures, needed=found.n_needed)
    assert (fast.parity, fast.parity_note, fast.values) == (parity, note, (2.0,))
    refusal = (REFUSED, f"it does not train as Keras does: {note}")
    assert (fast.status, fast.reason) == (refusal if parity == "fail" else (OK, ""))


def test_variants_train_from_as_many_seeds_as_are_asked_for(judge, tmp_path):
    rows, settings = measured("keras", "torch-own"), {"batch_sizes": (16, 8), "seed": 7}
    _, stub = judge(rows, gate_seeds=3, **settings)
    assert stub.rounds() == [f"{name} {n}" for name in ("keras", "torch-own") for n in range(3)]
    given = read_json(tmp_path / "gate" / "gate-torch-own-fp32" / "child" / "task.json")
    assert given.pop("spec").items() >= {"epochs": EPOCHS, "batch_size": 16, "seed": 7}.items()
    assert given == {"part": "accuracy", "variant": "torch-own", "precision": "fp32"}


def test_one_variant_is_judged_once_for_all_its_cells_and_keras_once_for_all_variants(judge):
    rows = [
        row(variant, 1.0, part=part, batch_size=size)
        for part in ("train", "step")
        for size in (16, 8)
        for variant in ("keras", "torch-own", "torch-eager", "torch-own#2")
    ]
    variants = ["keras", "torch-own", "torch-eager"]
    found, stub = judge(rows, dict.fromkeys(variants, serves(GOOD)))
    assert {found_row.parity for found_row in found} == {"pass"}
    assert [words[0] for words in stub.events() if words[1] == "start"] == variants


def test_every_precision_is_judged_by_itself_and_against_keras_in_fp32(judge):
    own = f"serve(accuracies={GOOD!r} if task['precision'] == 'fp32' else [0.1])"
    variants = ("keras", "torch-own")
    rows = [*measured(*variants), *measured(*variants, precision="bf16")]
    found, _ = judge(rows, {"keras": serves(GOOD), "torch-own": own})
    assert [(item.parity, item.status) for item in found] == [("pass", OK)] * 3 + [
        ("fail", REFUSED)
    ]
    assert found[0].parity_note == "the reference"
    assert found[2].parity_note.startswith("as good as Keras")  # Keras in bf16 is judged too


@pytest.mark.parametrize(
    ("rows", "seeds", "parity"),
    [
        (measured("keras", "torch-own", part="input"), 8, "unchecked"),
        (measured("keras", "torch-own", part="augment"), 8, "unchecked"),
        ([row("keras", 1.0), row("torch-own", status=FAILED, reason="why")], 8, "pass"),
        ([row("keras", 1.0), row("torch-own", status=REFUSED, reason="why")], 8, "pass"),
        (measured("keras", "torch", "torch-own"), 0, "unchecked"),
    ],
    ids=["input", "augment", FAILED, REFUSED, "nobody asks"],
)
def test_what_trains_nothing_was_not_measured_or_is_not_asked_for_is_left_alone(
    judge, rows, seeds, parity
):
    (keras, *others), stub = judge(rows, gate_seeds=seeds)
    assert (keras.parity, others, stub.events()) == (parity, rows[1:], [])


def test_a_variant_that_cannot_be_trained_is_unchecked_and_leaves_the_others(judge):
    texts = {"keras": serves(GOOD), "torch-own": "raise MemoryError", "torch-eager": serves(GOOD)}
    (_, own, eager), _ = judge(measured(*texts), texts)
    assert (own.parity, own.status, eager.parity) == ("unchecked", OK, "pass")
    assert own.parity_note.startswith("ran out of memory (MemoryError)")


def test_where_keras_cannot_be_trained_all_are_told_so_and_it_is_tried_once(judge):
    found, stub = judge(measured("torch-own", "torch-eager"), {"keras": "note('try'); sys.exit(3)"})
    for item in found:
        assert item.parity == "unchecked"
        assert item.parity_note.startswith("Keras's own runs failed: ended without a message")
    assert stub.events() == [["keras", "try"]]


def test_the_port_is_compared_on_the_ladder_and_is_asked_what_the_timed_program_reaches(
    judge, ladder
):
    settings = {"gate_seeds": 2, "batch_sizes": (16, 8), "seed": 7, "threads": 3}
    sizes = {"train_size": 600, "val_size": 200}
    (keras, torch), stub = judge(
        measured("keras", "torch"), {"torch": serves((0.5,))}, **settings, **sizes
    )
    note = "seeded: the same run, level by level"
    assert (torch.parity, torch.status, torch.parity_note) == ("pass", OK, note)
    assert keras.parity == "pass"
    ((run,), options), _ = ladder.run_all.call_args
    assert (run.batch_size, run.seed, run.threads, run.mode) == (16, 7, 3, "seeded")
    assert {name: getattr(run, name) for name in LADDER} == LADDER
    assert (options.children.pythons, options.children.timeout_s) == (stub.pythons, 20.0)
    assert stub.rounds() == ["torch 0"]


@pytest.mark.parametrize(
    ("changes", "accuracy", "verdict"),
    [
        (
            {
                "verdict": "fail",
                "first_divergence": (
                    SimpleNamespace(id="optimizer"),
                    SimpleNamespace(name="conv1.kernel"),
                ),
            },
            None,  # nothing is trained
            ("fail", "seeded: optimizer, conv1.kernel"),
        ),
        # A loop that trains less is fast, and `fit`, which is compared, would not know of it.
        *(
            ({}, wrong, ("fail", f"{TIMED} {wrong:.4f}, torch_impl.fit 0.5000"))
            for wrong in (0.1, 0.5001, 1.0)
        ),
        (
            {"verdict": "error", "errors": ("keras was killed\nThe log ends with:\n    x", "and")},
            None,
            ("unchecked", "keras was killed; and"),
        ),
    ],
)
def test_a_port_that_falls_off_the_ladder_or_is_not_timed_as_compared_is_refused(
    judge, ladder, changes, accuracy, verdict
):
    vars(ladder).update(changes)
    (torch,), stub = judge(measured("torch"), {"torch": serves((accuracy,))})
    parity, note = verdict
    assert (torch.parity, torch.parity_note) == verdict
    refusal = (REFUSED, f"it does not train as Keras does: {note}")
    assert (torch.status, torch.reason) == (refusal if parity == "fail" else (OK, ""))
    assert len(stub.rounds()) == (accuracy is not None)


def test_in_half_precision_the_port_is_judged_by_its_accuracy(judge, ladder):
    """No step of it can be Keras's to the bit."""
    texts = {"keras": serves(GOOD), "torch": serves(GOOD)}
    (torch,), _ = judge(measured("torch", precision="bf16"), texts)
    assert torch.parity_note.startswith("as good as Keras")
    ladder.run_all.assert_not_called()


def test_an_interrupt_ends_the_gate_and_its_children(tmp_path, monkeypatch):
    interrupted = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("parity.bench.client.BenchClient.accuracy", interrupted)
    stub, spec = Stub(tmp_path), BenchSpec(**SMALL)
    with pytest.raises(KeyboardInterrupt):
        checked(measured("torch-own"), spec, tmp_path / "gate", stub.pythons, 20.0, no_progress)
    assert stub.is_gone()


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


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "status", "parity"),
    [("", OK, "pass"), (RATE, REFUSED, "fail")],
    ids=["right", "other rate"],
)
def test_a_real_port_passes_and_one_that_trains_otherwise_does_not(
    tmp_path, monkeypatch, warm_halves, fault, status, parity
):
    data = make_data((12, 20, 3), num_classes=5, num_train=70, num_val=30)

    def compared(specs, options):
        """The ladder passes, as it does where `fit` is right. Keras would take a minute for it."""
        (spec,) = specs
        return [Result("pass", spec.to_dict(), history={"torch": fit(spec, data).history})]

    monkeypatch.setattr(run, "run_data", lambda spec: data)
    monkeypatch.setattr("parity.runs.run.run_all", compared)
    python, spec = tmp_path / "faulty", BenchSpec(train_size=70, val_size=30, threads=1)
    python.write_text(WRAPPER.format(python=sys.executable, root=str(ROOT), fault=fault))
    python.chmod(0o700)
    pythons = {"keras": sys.executable, "torch": str(python)}
    (found,) = checked(measured("torch"), spec, tmp_path / "gate", pythons, 300.0, no_progress)
    assert (found.status, found.parity) == (status, parity), found
    note = "seeded: the program that is timed reaches" if fault else "seeded: the same run, level"
    assert found.parity_note.startswith(note)
