"""Histories of trainings that were run elsewhere: what is read, and whether runs form pairs."""

import json

import pytest

from parity.errors import InputError
from parity.sweeps.unfinished import read_histories


def column(level):
    return [level - 0.3, level - 0.1, level]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes histories into files, whose suffix says the format."""
    monkeypatch.chdir(tmp_path)

    def write(*names, level=0.9, **more):
        found = {
            "loss": [2.0, 1.0, 0.5],
            "accuracy": column(level),
            "val_loss": [2.0, 1.1, 0.6],
            "val_accuracy": column(level - 0.01),
            **more,
        }
        rows = zip(*found.values(), strict=True)
        lines = [",".join(found), *(",".join(map(str, row)) for row in rows)]
        for path in map(tmp_path.joinpath, names):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(found) if path.suffix == ".json" else "\n".join(lines))

    return write


PATTERNS = ("keras/*.json", "torch/*.csv")


def test_files_of_any_format_become_rows_of_two_groups(write):
    for number in range(3):
        write(f"keras/run{number}.json", level=0.9 + number / 100)
    write(*(f"torch/{number}.csv" for number in range(4)), level=0.8)
    found = read_histories(PATTERNS)
    assert [
        (row.scenario, row.half, row.seed, round(row.judgement.train_accuracy, 9))
        for row in found.sweep.rows
    ] == [
        *(("histories", "keras", number, 0.9 + number / 100) for number in range(3)),
        *(("histories", "torch", number, 0.8) for number in range(4)),
    ]
    assert not found.are_pairs
    assert found.notes[0].startswith("the runs are two groups and no pairs")


def test_equal_seeds_in_the_names_make_pairs(write):
    for seed in (3, 10, 7):
        write(f"keras/seed{seed}.json", f"torch/Seed-{seed}.csv")
    found = read_histories(PATTERNS)
    assert (found.are_pairs, {row.seed for row in found.sweep.rows}) == (True, {3, 7, 10})
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
    write(*(f"keras/{name}.json" for name in keras), *(f"torch/{name}.csv" for name in torch))
    assert not read_histories(PATTERNS).are_pairs


def test_a_file_that_cannot_be_read_is_missing_with_its_reason(write, tmp_path):
    for number in range(3):
        write(f"keras/{number}.json", f"torch/{number}.csv")
    (tmp_path / "keras" / "1.json").write_text("{")
    found = read_histories(PATTERNS).sweep
    (failure,) = found.failures
    assert "1.json" in failure.pop("reason")
    assert (failure, len(found.rows)) == ({"scenario": "histories", "seed": 1, "half": "keras"}, 5)


def test_fewer_than_two_of_a_half_are_an_error_that_says_why(write, tmp_path):
    write("keras/0.json", "keras/1.json", "torch/0.csv")
    with pytest.raises(InputError, match=r"'torch/\*.csv': 1 of 1 files can be read; expected at"):
        read_histories(PATTERNS)
    (tmp_path / "keras" / "1.json").write_text("{")
    with pytest.raises(InputError, match=r"1 of 2 files .*\n  .*1\.json"):
        read_histories(PATTERNS)


def test_a_column_of_one_side_alone_is_told(write):
    write("keras/0.json", "keras/1.json", auc=column(0.9))
    write("torch/0.csv", "torch/1.csv")
    assert read_histories(PATTERNS).notes[1:] == ("only keras has auc: nothing of it is compared",)
