"""Reading tables in Markdown, as people paste them into a README, an issue or a chat."""

import math

import numpy as np
import pytest
from read_files import read, reading, refused

nan = math.nan
EXPECTED = {"loss": [1.5, 0.5], "val_loss": [2.0, nan]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.md"


@pytest.mark.parametrize(
    "text",
    [
        "| epoch | loss | val_loss |\n|---|---|---|\n| 1 | 1.5 | 2 |\n| 2 | 0.5 | |\n",
        "|epoch|loss|val_loss|\n|:-:|--:|:--|\n|1|1.5|2|\n|2|0.5|-|",
        "epoch | loss | val_loss\n--- | --- | ---\n1 | 1.5 | 2\n2 | 0.5 | n/a\n",
        "> | Epoch | Train Loss | Val Loss |\n> |---|---|---|\n"
        "> | 1/2 | 1.5 | 2 |\n> | 2/2 | .5 | – |",
        "  | epoch | `loss` | **val_loss** |\r\n  |---|---|---|\r\n  | 1 | 1.5 | *2.0* |\r\n"
        "  | 2 | **0.5** | NA |\r\n",
        "# Run 3\n\nIt was slow: loss = 7.\n\n```\n| epoch | loss | val_loss |\n|---|---|---|\n"
        "| 1 | 1.5 | 2 |\n| 2 | 0.5 | nan |\n```\n\nAll in all | good.\n",
        "[results](x.md)\n\n| loss | val_loss |\n|---|---|\n| 1.5 | 2 |\n| 0.5 | |\n",
        "| epoch | note | loss | val_loss |\n|-|-|-|-|\n"
        "| 1 | a \\| b | 1.5 | 2 |\n| 2 | c | .5 | |\n",
    ],
    ids=["plain", "narrow", "open", "quoted", "marked", "in a text", "no epoch", "escaped bar"],
)
def test_tables_as_people_write_them_are_read(path, text):
    np.testing.assert_equal(read(path, text), EXPECTED)


def test_percent_signs_and_units_of_the_header_are_taken_off(path):
    text = "| Epoch | Loss | Val Acc (%) |\n|--|--|--|\n| 1 | 0.9 | 61.5% |\n| 2 | 0.4 | 88 % |\n"
    assert read(path, text) == {"loss": [0.9, 0.4], "val_accuracy": [61.5, 88.0]}


def test_the_last_of_several_logs_is_read_and_other_tables_are_passed_over(path):
    log = "| epoch | loss |\n|---|---|\n| 1 | {} |\n\n"
    text = log.format(0.7) + log.format(0.3) + "| model | accuracy |\n|---|---|\n| small | 0.9 |\n"
    assert read(path, text) == {"loss": [0.3]}
    assert reading(path, text).notes == (
        "the text has 2 training logs in tables, and the last one is read",
    )


def test_rows_that_are_no_epoch_are_left_out_and_told(path):
    text = "| epoch | loss |\n|--|--|\n| 1 | 0.9 |\n| 2 | 0.4 |\n| **best** | 0.4 |\n| | 0.1 |\n"
    assert read(path, text) == {"loss": [0.9, 0.4]}
    assert reading(path, text).notes == ("rows of no epoch, left out: best, (empty)",)


def test_a_last_row_that_is_torn_is_left_out_and_told(path):
    text = "| epoch | loss |\n|---|---|\n| 1 | 0.9 |\n| 2 | 0.4"
    assert read(path, text) == {"loss": [0.9]}
    assert reading(path, text).notes == (
        "the last row of the table is not complete and is left out",
    )


def test_columns_of_texts_and_unknown_ones_are_told(path):
    rows = "| 1 | 0.9 | 12 s | 0.3 |\n| 2 | 0.4 | 11 s | 0.5 |\n"
    text = f"| epoch | loss | time | f1 |\n|-|-|-|-|\n{rows}"
    assert read(path, text) == {"loss": [0.9, 0.4], "f1": [0.3, 0.5]}
    assert reading(path, text).notes == (
        "no numbers, left out: time",
        "not used for the verdict: f1",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("| model | accuracy |\n|---|---|\n| small | 0.9 |\n", "none is a training log"),
        ("| metric | 1 | 2 |\n|---|---|---|\n| loss | 0.9 | 0.4 |\n", "none is a training log"),
        ("| epoch | precision |\n|---|---|\n| 1 | 0.9 |\n", "(columns: epoch, precision)"),
        ("| epoch | loss |\n|--|--|\n| 1 | 0.9 ± 0.1 |\n", "'0.9 ± 0.1' under 'loss' in line 3"),
        ("| epoch | loss |\n|---|---|\n| 1 | 0.9 | 3 |\n", "3 cells in line 3, its header 2"),
        ("| epoch | loss |\n|---|---|\n| best | 0.9 |\n", "has no epoch"),
    ],
    ids=["models", "transposed", "no loss", "not a number", "too many cells", "no epoch"],
)
def test_what_is_no_training_log_is_refused_with_the_reason(path, text, reason):
    assert reason in refused(path, text)


def test_a_printed_log_with_a_table_of_something_else_is_still_a_printed_log(path):
    text = (
        "Epoch 1/2\nloss: 0.9 - accuracy: 0.6\nEpoch 2/2\nloss: 0.4 - accuracy: 0.8\n\n"
        "| class | precision |\n|---|---|\n| cat | 0.9 |\n"
    )
    assert read(path, text) == {"loss": [0.9, 0.4], "accuracy": [0.6, 0.8]}


def test_a_notebook_whose_text_shows_a_table_is_still_a_notebook(tmp_path):
    text = (
        '{"cells": [{"cell_type": "markdown", "source": [\n"| epoch | loss |\\n",\n'
        '"|---|---|\\n",\n"| 1 | 0.9 |"]}], "nbformat": 4}'
    )
    assert "is a notebook without a training" in refused(tmp_path / "train.ipynb", text)
