"""Notebooks: the training that their outputs show last."""

import json

import pytest
from helpers import refusal

from parity.behaviour.readers.history import read_history, read_with_notes

FIT = (
    "Epoch 1/2\n9/9 - 1s - loss: 0.5 - val_loss: 0.75\n"
    "Epoch 2/2\n9/9 - 1s - loss: {} - val_loss: 0.5\n"
)


def written(tmp_path, *printed):
    outputs = [{"output_type": "stream", "text": text.splitlines(True)} for text in printed]
    cells = [{"cell_type": "code", "outputs": [output]} for output in outputs]
    content = {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "x"}, *cells]}
    path = tmp_path / "train.ipynb"
    path.write_text(json.dumps(content))
    return path


def test_the_last_training_of_a_notebook_is_read(tmp_path):
    reading = read_with_notes(written(tmp_path, "hello", FIT.format(0.1), FIT.format(0.25)))
    assert reading.history == {"loss": [0.5, 0.25], "val_loss": [0.75, 0.5]}
    assert reading.notes == ("2 cells print a training, and the last one is read",)


def test_a_notebook_without_a_training_is_refused(tmp_path):
    path = written(tmp_path, "hello")
    assert "without a training in its outputs" in refusal(read_history, path)


@pytest.mark.parametrize(
    "cell", [1, {}, {"outputs": 3}, {"outputs": [4]}, {"outputs": [{"text": 5, "data": []}]}]
)
def test_cells_of_any_kind_are_passed_over(tmp_path, cell):
    path = tmp_path / "train.ipynb"
    path.write_text(json.dumps({"cells": [cell, {"outputs": [{"text": FIT.format(0.25)}]}]}))
    assert read_history(path)["loss"] == [0.5, 0.25]
