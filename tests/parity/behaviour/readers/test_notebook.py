"""Notebooks: the training that their outputs show last."""

import pytest
from read_files import read, reading, refused

FIT = (
    "Epoch 1/2\n9/9 - 1s - loss: 0.5 - val_loss: 0.75\n"
    "Epoch 2/2\n9/9 - 1s - loss: {} - val_loss: 0.5\n"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "train.ipynb"


def notebook(*printed):
    outputs = [{"output_type": "stream", "text": text.splitlines(True)} for text in printed]
    cells = [{"cell_type": "code", "outputs": [output]} for output in outputs]
    return {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "x"}, *cells]}


def test_the_last_training_of_a_notebook_is_read(path):
    found = reading(path, notebook("hello", FIT.format(0.1), FIT.format(0.25)))
    assert found.history == {"loss": [0.5, 0.25], "val_loss": [0.75, 0.5]}
    assert found.notes == ("2 cells print a training, and the last one is read",)


def test_a_notebook_without_a_training_is_refused(path):
    assert "without a training in its outputs" in refused(path, notebook("hello"))


@pytest.mark.parametrize(
    "cell", [1, {}, {"outputs": 3}, {"outputs": [4]}, {"outputs": [{"text": 5, "data": []}]}]
)
def test_cells_of_any_kind_are_passed_over(path, cell):
    cells = [cell, {"outputs": [{"text": FIT.format(0.25)}]}]
    assert read(path, {"cells": cells})["loss"] == [0.5, 0.25]
