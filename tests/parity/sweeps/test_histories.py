"""Histories of trainings that were run elsewhere: what is read, and whether runs form pairs."""

import json

import pytest

from parity.errors import InputError
from parity.sweeps.unfinished import read_histories


def column(level):
    return [level - 0.3, level - 0.1, level]


def history(level, **more):
    rising = column(level)
    return {
        "loss": [2.0, 1.0, 0.5],
        "accuracy": rising,
        "val_loss": [2.0, 1.1, 0.6],
        "val_accuracy": [value - 0.01 for value in rising],
        **more,
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, found):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        if path.suffix == ".json":
            path.write_text(json.dumps(found))
        else:
            rows = zip(*found.values(), strict=True)
            lines = [",".join(found), *(",".join(map(str, row)) for row in rows)]
            path.write_text("\n".join(lines))

    return write


PATTERNS = ("keras/*.json", "torch/*.csv")


def test_files_of_any_format_become_rows_of_two_groups(write):
    for number in range(3):
        write(f"keras/run{number}.json", history(0.9 + number / 100))
    for number in range(4):
        write(f"torch/{number}.csv", history(0.8))
    found = read_histories(PATTERNS)
    assert [(row.scenario, row.seed, row.half) for row in found.sweep.rows] == [
        *(("histories", number, "keras") for number in range(3)),
        *(("histories", number, "torch") for number in range(4)),
    ]
    assert found.sweep.rows[1].judgement.train_accuracy == pytest.approx(0.91)
    assert not found.are_pairs
    assert found.notes[0].startswith("the runs are two groups and no pairs")


def test_equal_seeds_in_the_names_make_pairs(write):
    for seed in (3, 10, 7):
        write(f"keras/seed{seed}.json", history(0.9))
        write(f"torch/Seed-{seed}.csv", history(0.9))
    found = read_histories(PATTERNS)
    assert found.are_pairs
    assert {row.seed for row in found.sweep.rows} == {3, 7, 10}
    assert found.notes == (
        "the runs of a seed are pairs, since the names of both sides have the same seeds",
    )


@pytest.mark.parametrize(
    ("keras", "torch"),
    [
        (["seed1", "seed2"], ["seed1", "seed3"]),
        (["seed1", "seed2"], ["seed1", "other"]),
        (["seed1", "seed1_again"], ["seed1", "seed2"]),
        (["seed1", "seed2"], ["seed1", "seed2", "seed3"]),
    ],
    ids=["others", "without", "twice", "more"],
)
def test_names_whose_seeds_do_not_fit_make_no_pairs(keras, torch, write):
    for name in keras:
        write(f"keras/{name}.json", history(0.9))
    for name in torch:
        write(f"torch/{name}.csv", history(0.9))
    assert not read_histories(PATTERNS).are_pairs


def test_a_file_that_cannot_be_read_is_missing_with_its_reason(write, tmp_path):
    for number in range(3):
        write(f"keras/{number}.json", history(0.9))
        write(f"torch/{number}.csv", history(0.9))
    (tmp_path / "keras" / "1.json").write_text("{")
    found = read_histories(PATTERNS)
    (failure,) = found.sweep.failures
    assert (failure["scenario"], failure["seed"], failure["half"]) == ("histories", 1, "keras")
    assert "1.json" in failure["reason"]
    assert len(found.sweep.rows) == 5


def test_fewer_than_two_of_a_half_are_an_error_that_says_why(write, tmp_path):
    for number in range(2):
        write(f"keras/{number}.json", history(0.9))
    write("torch/0.csv", history(0.9))
    with pytest.raises(InputError, match=r"'torch/\*.csv': 1 of 1 files can be read; expected at"):
        read_histories(PATTERNS)
    (tmp_path / "keras" / "1.json").write_text("{")
    with pytest.raises(InputError, match=r"1 of 2 files .*\n  .*1\.json"):
        read_histories(PATTERNS)


def test_a_column_of_one_side_alone_is_told(write):
    for number in range(2):
        write(f"keras/{number}.json", history(0.9, auc=column(0.9)))
        write(f"torch/{number}.csv", history(0.9))
    assert read_histories(PATTERNS).notes[1:] == ("only keras has auc: nothing of it is compared",)
