"""The cells of a benchmark: whose turn it is, what counts, and what becomes of the rest."""

import itertools
from unittest.mock import ANY

import numpy as np
import pytest
from bench_children import Stub, open_files, task
from helpers import make_data

from parity.bench import client as client_module
from parity.bench import run as measure
from parity.bench.result import FAILED, OK, REFUSED, Row
from parity.bench.run import accuracies
from parity.data.load import read_data
from parity.errors import RunError
from parity.files.json_io import read_json
from parity.programs.bench_spec import BenchSpec

SMALL = {"rounds": 3, "train_size": 64, "val_size": 16}
TWO = {**SMALL, "variants": ("keras", "torch")}
THREE = {**SMALL, "variants": ("keras", "torch-eager", "torch")}


@pytest.fixture(autouse=True)
def _small_data(monkeypatch):
    """As many as the spec says: to read the embedded data takes longer than all else here."""

    def data(spec):
        sizes = {"num_train": spec.train_size, "num_val": spec.val_size}
        return make_data((4, 4, 1), num_classes=2, seed=spec.seed, **sizes)

    monkeypatch.setattr(measure, "run_data", data)


def no_progress(text):
    """Says nothing."""


@pytest.fixture
def run(tmp_path):
    """Measures with children that do as the texts of their variants say; the rows, and the stub."""

    def run(texts=None, *, say=no_progress, timeout_s=20.0, on_rows=lambda rows: None, **settings):
        stub, spec = Stub(tmp_path, texts), BenchSpec(**settings)
        rows = measure.measure(spec, tmp_path / "rounds", stub.pythons, timeout_s, say, on_rows)
        assert stub.is_gone()
        return rows, stub

    return run


def test_turns_are_interleaved_and_the_warm_up_comes_before_all_of_them(run):
    rows, stub = run(**THREE)
    # Every variant works until two turns take about as long: the second does.
    warm = [f"{name} {count}" for name in THREE["variants"] for count in (0, 1)]
    turns = [f"{name} {count}" for count in (2, 3, 4) for name in THREE["variants"]]
    assert stub.rounds() == (warm + turns) * 3
    assert [row.variant for row in rows] == list(THREE["variants"])


def test_every_round_has_processes_of_its_own(run):
    _, stub = run(**TWO)
    assert len(set(stub.pids())) == 2 * 3
    # Both are there before the first turn that counts, and gone before the next round.
    words = [tuple(words[:2]) for words in stub.events() if words[1] in ("start", "end")]
    starts, ends = [("keras", "start"), ("torch", "start")], [("keras", "end"), ("torch", "end")]
    assert (words[:2], sorted(words[2:4]), words[4:6]) == (starts, ends, starts)


def test_a_row_says_what_was_measured(run):
    texts = {
        "keras": "serve(seconds=(9.0, 9.0, 1.0, 2.0, 4.0), memory=50.0)",
        # As many times as fast as it is the round: of the first one, the second, the third.
        "torch": "n = starts() + 1; serve((5.0, 5.0, 4.0 / n, 1.0 / n, 0.5 / n), memory=None)",
    }
    # 64 samples in so many seconds: the median of the turns.
    expected = {"keras": (50.0, (32.0, 32.0, 32.0)), "torch": (None, (64.0, 128.0, 192.0))}
    rows, _ = run(texts, **TWO)
    assert rows == [
        Row(
            part="train",
            variant=variant,
            batch_size=32,
            precision="fp32",
            values=values,
            peak_memory_mb=memory,
            warmup_s=ANY,
            environment={"variant": variant, "precision": "fp32"},
        )
        for variant, (memory, values) in expected.items()
    ]


@pytest.mark.parametrize(
    ("seconds", "count"),
    [
        # 10 % less than the round before is steady, 11 % is not.
        ([10.0, 9.0], 2),
        ([10.0, 8.9, 8.9], 3),
        ([1.0, 1.11, 1.0], 3),
        ([9.0, 5.0, 3.0, 2.0, 1.9, 7.0], 5),
        ([9.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.2], 6),  # at some time it has to begin
    ],
    ids=repr,
)
def test_a_variant_warms_up_until_it_is_steady_and_none_of_that_counts(run, seconds, count):
    assert client_module.MAX_WARMUP == 6
    given = (*seconds[:count], 1.0, 2.0, 4.0)
    (_, torch), stub = run({"torch": f"serve(seconds={given!r})"}, **TWO)
    assert len([turn for turn in stub.rounds() if turn.startswith("torch")]) == 3 * (count + 3)
    assert torch.values == (32.0, 32.0, 32.0)


def test_every_part_batch_size_and_precision_has_rows_of_its_own(run):
    parts, sizes, precisions = ("step", "input"), (8, 16), ("fp32", "bf16")
    rows, _ = run(**TWO, parts=parts, batch_sizes=sizes, precisions=precisions)
    keys = itertools.product(parts, sizes, precisions, TWO["variants"])
    assert [(r.part, r.batch_size, r.precision, r.variant) for r in rows] == list(keys)


def test_all_precisions_of_a_cell_take_turns(run):
    """One of them may be compared with another."""
    text = dict.fromkeys(TWO["variants"], "serve(before=lambda n: note('says', task['precision']))")
    _, stub = run(text, **TWO, precisions=("fp32", "bf16"))
    said = [f"{words[0]} {words[2]}" for words in stub.events() if words[1] == "says"]
    # A round: two turns of each to warm up, three that count.
    assert said[8:20] == ["keras fp32", "torch fp32", "keras bf16", "torch bf16"] * 3
    assert said == said[:20] * 3


@pytest.mark.parametrize("precisions", [("bf16",), ("bf16", "fp32")], ids=repr)
def test_a_comparison_across_precisions_measures_the_baseline_in_fp32_once(run, precisions):
    rows, _ = run(**TWO, precisions=precisions, across_precision=True)
    assert [row.key for row in rows].count(("train", "keras", 32, "fp32")) == 1
    assert len(rows) == 3 + (len(precisions) - 1)


def test_a_variant_that_stands_twice_is_measured_twice(run):
    rows, stub = run(**SMALL, variants=("torch", "torch"), baseline="torch")
    assert ([row.variant for row in rows], len(stub.pids())) == (["torch", "torch#2"], 2 * 3)


@pytest.mark.parametrize("name", ["dropout", "augmentation"])
def test_the_part_augment_augments_in_every_scenario(run, tmp_path, name):
    run(**TWO, scenario=name, parts=("augment", "train"))
    augment, train = (
        read_json(tmp_path / "rounds" / f"{part}-32" / "00-00" / "task.json")["spec"]
        for part in ("augment", "train")
    )
    assert augment["augmentation"]["rotation_range"] == 10
    assert (train["augmentation"] is not None) == (name == "augmentation")


FAILURES = {
    "in a turn": ("serve(before=lambda count: count < 3 or sys.exit(4))", "ended without a mess"),
    "in the last round": (
        "n = starts(); serve(before=lambda count: n < 2 or os.abort())",
        "was killed by",
    ),
    "by silence": (
        "serve(before=lambda count: time.sleep(60 if count == 3 else 0))",
        "no answer within 2 s",
    ),
    "by other work": (
        "serve(samples=(64, 64, 64, 32))",
        "its rounds are not the same work: 64 samples, then 32",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_variant_that_fails_says_why_and_leaves_the_others(run, name):
    (text, reason), before = FAILURES[name], open_files()
    rows, _ = run({"torch-eager": text}, timeout_s=2.0, **THREE)
    measured = (OK, (64.0, 64.0, 64.0))
    assert [(row.status, row.values) for row in rows] == [measured, (FAILED, ()), measured]
    assert reason in rows[1].reason.splitlines()[0]
    assert open_files() == before


def test_a_failure_in_one_cell_leaves_the_next_and_rows_are_handed_out_after_each(run):
    text, told = "task['spec']['batch_size'] == 8 and sys.exit(1); serve()", []
    rows, _ = run({"torch": text}, **TWO, batch_sizes=(8, 16), on_rows=told.append)
    assert ([row.status for row in rows], told) == ([OK, FAILED, OK, OK], [rows[:2], rows])


@pytest.mark.parametrize(
    ("keras", "statuses", "reason"),
    [
        ("serve()", [OK, OK, REFUSED], "those of keras 64"),
        # Where the baseline failed, with what was measured.
        ("sys.exit(1)", [FAILED, OK, REFUSED], "those of torch-eager 64"),
    ],
)
def test_a_variant_that_does_other_work_than_the_baseline_is_refused(run, keras, statuses, reason):
    rows, _ = run({"keras": keras, "torch": "serve(samples=(32,))"}, **THREE)
    assert [row.status for row in rows] == statuses
    assert rows[2].reason == f"not the same work: its rounds have 32 samples, {reason}"
    assert len(rows[2].values) == 3  # it was measured, and is no result


def test_the_time_to_an_accuracy_is_that_of_all_training_the_warm_up_included(run):
    """The model that reaches it was trained in these rounds too."""
    texts = {
        # Two turns of warm-up, and the second turn that counts reaches it: 8 + 8 + 1 + 2.
        "keras": "serve(seconds=(8.0, 8.0, 1.0, 2.0, 4.0), accuracies=(0.1, 0.5, 0.6, 0.7, 0.9))",
        # In the warm-up.
        "torch-eager": "serve(seconds=(3.0, 3.0, 1.0), accuracies=(0.7, 0.9))",
        # Never.
        "torch": "serve(accuracies=(0.69,))",
    }
    rows, stub = run(texts, **THREE, accuracy=0.7)
    assert [row.seconds_to_accuracy for row in rows] == [19.0, 3.0, None]
    most = client_module.MAX_TRAINED  # then it is given up
    assert [stub.rounds().count(f"torch {number}") for number in (most - 1, most)] == [1, 0]


def test_the_accuracy_is_asked_for_until_it_is_reached_and_only_where_it_is_wanted(run):
    text = (
        "class Counted(tuple):\n"
        "    def __new__(cls): return super().__new__(cls, (0.1, 0.2, 0.9))\n"
        "    def __getitem__(self, n): note('asked', n); return super().__getitem__(n)\n"
        "serve(accuracies=Counted())"
    )
    _, stub = run({"torch": text}, **TWO, parts=("train", "step"), accuracy=0.9)
    assert [words[2] for words in stub.events() if words[1] == "asked"] == ["0", "1", "2"]


def test_the_start_is_that_of_a_new_process_in_every_round_and_in_turns(run):
    slow = "time.sleep(0.2); serve(before=lambda count: time.sleep(0.1))"
    (keras, torch), stub = run({"torch": slow}, **TWO, parts=("startup",))
    assert (stub.rounds(), len(set(stub.pids()))) == (["keras 0", "torch 0"] * 3, 6)
    # By the clock of the parent: what the child says of its round is not it.
    assert all(0.3 <= value < 10 for value in torch.values)
    assert 0 < np.median(keras.values) < np.median(torch.values)
    assert torch == Row(
        part="startup",
        variant="torch",
        batch_size=32,
        precision="fp32",
        unit="s",
        values=torch.values,
        peak_memory_mb=100.0,
        environment={"variant": "torch", "precision": "fp32"},
    )


def test_who_cannot_start_is_not_tried_again_and_leaves_the_others(run):
    text = "note('try'); serve(before=lambda count: sys.exit(3))"
    rows, stub = run({"torch": text}, **TWO, parts=("startup",))
    assert [(row.status, len(row.values)) for row in rows] == [(OK, 3), (FAILED, 0)]
    assert stub.events().count(["torch", "try"]) == 1


@pytest.mark.parametrize(
    ("part", "kind"), [("train", ZeroDivisionError), ("startup", KeyboardInterrupt)]
)
def test_whatever_ends_a_benchmark_ends_its_children(tmp_path, monkeypatch, part, kind):
    monkeypatch.setattr(client_module, "GRACE_S", 0.3)
    stub = Stub(tmp_path, {"torch": "serve(before=lambda count: time.sleep(60))"})
    work, before = client_module.BenchClient.round, open_files()

    def interrupted(client):
        if client.task.variant == "torch":
            client._write("round")
            raise kind
        return work(client)

    monkeypatch.setattr(client_module.BenchClient, "round", interrupted)
    spec = BenchSpec(**TWO, parts=(part,))
    with pytest.raises(kind):
        measure.measure(spec, tmp_path / "a", stub.pythons, 20.0, no_progress)
    assert (stub.is_gone(), open_files()) == (True, before)


def test_one_child_that_cannot_be_ended_does_not_keep_the_next_from_it(tmp_path, monkeypatch):
    close = client_module.BenchClient.close

    def interrupted(client):
        close(client)
        raise KeyboardInterrupt  # of a user who does not want to wait

    monkeypatch.setattr(client_module.BenchClient, "close", interrupted)
    stub = Stub(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        measure.measure(BenchSpec(**THREE), tmp_path / "a", stub.pythons, 20.0, no_progress)
    assert (len(stub.pids()), stub.is_gone()) == (3, True)


def test_accuracies_are_those_of_as_many_trainings_of_one_child(tmp_path):
    stub = Stub(tmp_path, {"torch": "serve(accuracies=(0.5, 0.75, 0.25, 1.0))"})
    given = task(part="accuracy", seed=7)
    assert accuracies(given, 3, tmp_path / "a", stub.python, 20.0) == [0.5, 0.75, 0.25]
    assert (stub.rounds(), stub.is_gone()) == (["torch 0", "torch 1", "torch 2"], True)
    assert read_json(tmp_path / "a" / "child" / "task.json") == given.to_dict()
    assert len(read_data(tmp_path / "a" / "data.safetensors").x_train) == 64


def test_accuracies_that_cannot_be_had_leave_no_child(tmp_path):
    text = "note('start', os.getpid()); serve(accuracies=(0.5, float('nan')))"
    stub, before = Stub(tmp_path, {"torch": text}), open_files()
    with pytest.raises(RunError):
        accuracies(task(part="accuracy"), 3, tmp_path / "a", stub.python, 20.0)
    assert (stub.is_gone(), open_files()) == (True, before)


def test_say_tells_what_is_going_on(run):
    told = []
    run(**TWO, say=told.append)
    assert told == [
        "round 1 of 3",
        "train 32 keras fp32: warming up",
        "train 32 torch fp32: warming up",
        "round 2 of 3",
        "round 3 of 3",
    ]
